import picomatch from 'picomatch';
import type { DesiredJob } from '../job/model.ts';
import { pullRequestTrigger } from '../job/defaults.ts';
import { resolveFrom } from '../job/paths.ts';
import type { LiveRun, RunRecord } from '../runner/port.ts';
import type { Job, JobStatus, Reason, Trigger } from '../schemas/index.ts';
import { needsOf } from './chain.ts';

/** A pull request at one of its heads. */
export interface PullRequestOrder {
  readonly number: number;
  /** The commit at its head: the revision that runs, and the chain that its runs belong to. */
  readonly revision: string;
  /** The commit that the head was compared with. */
  readonly base?: string;
  /** The jobs that run for it, each with why: see {@link jobsOfPullRequest}. */
  readonly jobs: ReadonlyMap<string, string>;
  /** Where the jobs come from, if not from the head: nobody has approved it. What is approved then runs once more. */
  readonly definitions?: 'base';
  /**
   * Why runs end that are live and that this order does not ask for: a newer head, or one that was approved, takes the place of what
   * there was. Absent: they are left to whoever asked for them.
   */
  readonly overtakes?: Overtaken;
}

/** Why a run ends that its pull request does not want any more. */
export type Overtaken = 'Superseded' | 'PullRequestClosed';

export const isOvertaken = (reason: string): reason is Overtaken =>
  reason === 'Superseded' || reason === 'PullRequestClosed';

/**
 * Which jobs a pull request runs, each with why: a phrase that goes after "runs: ". Only jobs with `on.pullRequest` ever run for one,
 * and of those the ones
 * - whose manifest has changed, or a file that they take from the repository (`files[].from`),
 * - whose paths match a changed file: those of `on.pullRequest`, or with `true` those of `on.commit`,
 * - that need one of these,
 * - that one of these needs: nothing else runs it in the chain of the pull request.
 *
 * `jobs` are the valid jobs of the revision that counts (the base for what nobody has approved), `changed` the paths of the files that
 * the pull request changes, from the root of the repository: both of a file that was renamed, and those of files that are gone. `all`:
 * nobody knows them all, and whatever runs for pull requests runs.
 */
export function jobsOfPullRequest(
  jobs: ReadonlyMap<string, DesiredJob>,
  changed: Iterable<string> | 'all',
): ReadonlyMap<string, string> {
  const candidates = new Map([...jobs].filter(([, { outline }]) => pullRequestTrigger(outline) !== false));
  if (changed === 'all')
    return new Map(Array.from(candidates.keys(), (name) => [name, 'it is not known what has changed']));
  const paths = [...new Set(changed)].sort();
  const found = new Map<string, string>();
  for (const [name, job] of candidates) {
    const path = touchedBy(job, paths);
    if (path !== undefined) found.set(name, `${path} has changed`);
  }
  const needs = upstream(candidates);
  follow(found, reversed(needs), (from) => `it needs ${from}`);
  follow(found, needs, (from) => `${from} needs it`);
  return found;
}

/** The run that a pull request asks of a job: one for each head, unless that is live or recorded already. */
export function pullRequestDue(
  job: string,
  order: PullRequestOrder,
  { live, status }: { readonly live: readonly LiveRun[]; readonly status: JobStatus | undefined },
): readonly { readonly trigger: Trigger; readonly reason: string; readonly message: string }[] {
  const { number, revision, base, jobs, definitions } = order;
  const why = jobs.get(job);
  const known = [
    ...live.map(({ record, cancelled: reason }) => ({ trigger: record.trigger, reason })),
    ...(status?.lastRuns ?? []),
  ];
  if (why === undefined || known.some((run) => isAnswer(run, order))) return [];
  const trigger: Trigger = {
    kind: 'pullRequest',
    number,
    revision,
    ...(base === undefined ? {} : { base }),
    ...(definitions === undefined ? {} : { definitions }),
  };
  return [{ trigger, reason: 'PullRequest', message: `runs: ${why}` }];
}

/** Whether a run is one that the order asks for: of this head, with the jobs of where they come from now. */
export const isAskedBy = (trigger: Trigger, { number, revision, definitions }: PullRequestOrder): boolean =>
  trigger.kind === 'pullRequest' &&
  trigger.number === number &&
  trigger.revision === revision &&
  trigger.definitions === definitions;

/** Whether an order needs no run beside this one. What was ended with its pull request runs again when that is opened again. */
export const isAnswer = (
  { trigger, reason }: { readonly trigger: Trigger; readonly reason?: Reason | undefined },
  order: PullRequestOrder,
): boolean => isAskedBy(trigger, order) && reason !== 'PullRequestClosed';

/** The runs that end for the sake of the order: those of a pull request that it does not ask for. */
export function overtakenRuns(order: PullRequestOrder | undefined, live: readonly LiveRun[]): readonly LiveRun[] {
  const why = order?.overtakes;
  if (order === undefined || why === undefined) return [];
  const isOf = ({ record: { trigger } }: LiveRun): boolean =>
    why === 'PullRequestClosed' || (trigger.kind === 'pullRequest' && !isAskedBy(trigger, order));
  return live.filter(isOf);
}

/** Why a pull request runs nothing of a job: a phrase that goes after "nothing: ". */
export function pullRequestIdle({ name, outline }: DesiredJob, { number, jobs }: PullRequestOrder): string {
  if (pullRequestTrigger(outline) === false) return 'does not run for pull requests';
  return jobs.has(name)
    ? `has run for this head of pull request ${number}`
    : `pull request ${number} does not touch it`;
}

/** A record for a pull request runs in a group of its own, in which a newer push takes the place of an older one. */
export function withPullRequestGroup(record: RunRecord): RunRecord {
  const { spec, trigger, job } = record;
  if (trigger.kind !== 'pullRequest') return record;
  const group = `${spec.concurrency?.group ?? job}/pr-${trigger.number}`;
  return { ...record, spec: { ...spec, concurrency: { group, policy: 'replace' } } };
}

/** The first changed file that counts for a job. */
function touchedBy({ manifest: { spec }, path }: DesiredJob, changed: readonly string[]): string | undefined {
  const taken = (spec.files ?? []).flatMap(({ from }) => (from === undefined ? [] : [resolveFrom(path, from)]));
  const own = new Set<string | undefined>([path, ...taken]);
  const first = changed.find((file) => own.has(file));
  if (first !== undefined) return first;
  const globs = globsOf(spec);
  if (globs.length === 0) return undefined;
  const matches = picomatch([...globs], { dot: true });
  return changed.find((file) => matches(file));
}

function globsOf(spec: Job['spec']): readonly string[] {
  const trigger = pullRequestTrigger(spec);
  if (typeof trigger === 'object') return trigger.paths;
  const { commit } = spec.on ?? {};
  return typeof commit === 'object' ? commit.paths : [];
}

type Edges = ReadonlyMap<string, readonly string[]>;

/** Which of these jobs each of them needs. */
const upstream = (jobs: ReadonlyMap<string, DesiredJob>): Edges =>
  new Map(
    Array.from(jobs, ([name, { outline }]) => [
      name,
      needsOf(outline).flatMap(({ job }) => (jobs.has(job) ? [job] : [])),
    ]),
  );

function reversed(edges: Edges): Edges {
  const back = new Map<string, string[]>();
  for (const [from, targets] of edges) for (const to of targets) back.set(to, [...(back.get(to) ?? []), from]);
  return back;
}

/** Adds all that can be reached, the nearest first. */
function follow(found: Map<string, string>, edges: Edges, why: (from: string) => string): void {
  const queue = [...found.keys()];
  for (let from = queue.shift(); from !== undefined; from = queue.shift())
    for (const to of edges.get(from) ?? []) {
      if (found.has(to)) continue;
      found.set(to, why(from));
      queue.push(to);
    }
}
