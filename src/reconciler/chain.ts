import type { DesiredJob } from '../job/model.ts';
import { LAST_RUNS } from '../ledger/port.ts';
import type { LiveRun, RunKey } from '../runner/port.ts';
import type { JobOutline, JobStatus, Result } from '../schemas/index.ts';

/** What is known of the runs of all jobs, wherever they are. */
export interface Runs {
  readonly jobs: ReadonlyMap<string, DesiredJob>;
  readonly statuses: ReadonlyMap<string, JobStatus>;
  readonly liveByJob: ReadonlyMap<string, readonly LiveRun[]>;
  /** Whether a run of the job in this chain is due that nobody has claimed yet; absent: whoever asks claims upstream first. */
  readonly isDue?: (job: string, chain: string) => boolean;
  /** True: jobs without triggers of their own don't follow those that they need (runs for a pull request). */
  readonly unchained?: boolean;
}

/** A job that is needed, and with which results that is enough. */
interface Need {
  readonly job: string;
  readonly results: readonly Result[];
}

/** Whether what a run needs is there. */
export type Gate =
  | { readonly kind: 'open'; readonly upstream: readonly RunKey[] }
  /** `for`: a phrase that goes after "waits for". */
  | { readonly kind: 'waits'; readonly for: string }
  /** It will not be executed. */
  | { readonly kind: 'shut'; readonly reason: 'UpstreamFailed' | 'UpstreamSkipped'; readonly message: string };

const DEFAULT_RESULTS: readonly Result[] = ['succeeded', 'warning'];

export const needsOf = ({ needs = [] }: JobOutline): readonly Need[] =>
  needs.map((need) =>
    typeof need === 'string'
      ? { job: need, results: DEFAULT_RESULTS }
      : { job: need.job, results: need.results ?? DEFAULT_RESULTS },
  );

/** Whether runs of the job come into being by those of the jobs that it needs: it has needs, and no triggers of its own. */
export const isChained = ({ on, needs = [] }: JobOutline): boolean => on === undefined && needs.length > 0;

/**
 * Whether a run may go on: each job that it needs is looked at by its run of the same chain, or, where it takes no part in that
 * chain, by its last run. A failed upstream shuts the gate, and so does a skipped one.
 */
export function gateOf(spec: JobOutline, chain: string, runs: Runs): Gate {
  const upstream: RunKey[] = [];
  let waits: Gate | undefined;
  for (const { job, results } of needsOf(spec)) {
    const live = liveOf(job, chain, runs).at(-1);
    const last = lastOf(job, chain, runs);
    if (live) waits ??= { kind: 'waits', for: `run ${live.record.run} of ${job}` };
    else if (runs.isDue?.(job, chain) || (takesPart(job, chain, runs) && !recordedIn(job, chain, runs)))
      waits ??= { kind: 'waits', for: `a run of ${job} in the same chain` };
    else if (!last) return { kind: 'shut', reason: 'UpstreamFailed', message: `${job}, which it needs, has never run` };
    else if (results.includes(last.result)) upstream.push({ job, run: last.run });
    else {
      const of = `run ${last.run} of ${job}`;
      return last.result === 'skipped' && last.reason !== 'UpstreamFailed'
        ? { kind: 'shut', reason: 'UpstreamSkipped', message: `${of}, which it needs, was skipped` }
        : { kind: 'shut', reason: 'UpstreamFailed', message: `${of}, which it needs, ended with ${last.result}` };
    }
  }
  return waits ?? { kind: 'open', upstream };
}

/** The same jobs, each after those of them that it needs. */
export function upstreamFirst(names: Iterable<string>, jobs: Runs['jobs']): readonly string[] {
  const wanted = new Set(names);
  const ordered = new Set<string>();
  const entered = new Set<string>();
  const visit = (name: string): void => {
    if (entered.has(name)) return;
    entered.add(name);
    for (const need of needsOf(jobs.get(name)?.outline ?? {})) visit(need.job);
    if (wanted.has(name)) ordered.add(name);
  };
  for (const name of wanted) visit(name);
  return [...ordered];
}

/** A chain in which a chained job is due, and the upstream run that ended last in it. */
export interface DueChain {
  readonly chain: string;
  readonly revision: string;
  readonly trigger: { readonly kind: 'needs' } & RunKey;
}

/**
 * The chains in which a chained job has yet to run: those in which a job that it needs has ended a run since `since`, and in which
 * no job that it needs has anything left to do. Oldest first.
 */
export function dueChains(job: DesiredJob, since: string, runs: Runs): readonly DueChain[] {
  const { outline } = job;
  const horizon = horizonOf(job.name, runs);
  const found = new Map<string, DueChain & { readonly finished: string }>();
  for (const { job: needed } of needsOf(outline))
    for (const { run, chain, revision, finished } of runs.statuses.get(needed)?.lastRuns ?? []) {
      const name = chain ?? revision;
      const known = found.get(name);
      if (finished < since || finished < horizon || (known && known.finished >= finished)) continue;
      found.set(name, { chain: name, revision, trigger: { kind: 'needs', job: needed, run }, finished });
    }
  return [...found.values()]
    .filter(({ chain }) => !hasRunIn(job.name, chain, runs) && gateOf(outline, chain, runs).kind !== 'waits')
    .sort((a, b) => (a.finished < b.finished ? -1 : a.finished > b.finished ? 1 : 0))
    .map(({ chain, revision, trigger }) => ({ chain, revision, trigger }));
}

/** Why a chained job has nothing to do, as a phrase. `last`: its newest run; 0: it never ran. */
export function chainIdle({ outline }: DesiredJob, last: number, { liveByJob, statuses }: Runs): string {
  const needed = needsOf(outline).map(({ job }) => job);
  const going = needed.flatMap((job) => liveByJob.get(job) ?? []).at(0)?.record;
  if (going) return `waits for run ${going.run} of ${going.job}`;
  if (last > 0) return `what it needs has not run since run ${last}`;
  const hasRun = needed.some((job) => statuses.get(job)?.lastRuns.length);
  return `what it needs has not run${hasRun ? ' since the job is there' : ''}`;
}

/**
 * What ended before this has had its run, which the status may not sum up any more: runs are claimed in the order in which
 * chains become due. RFC 3339; empty while nothing is left out yet.
 */
function horizonOf(job: string, { statuses }: Runs): string {
  const known = statuses.get(job)?.lastRuns ?? [];
  const oldest = known.at(-1);
  return known.length < LAST_RUNS || !oldest ? '' : (oldest.started ?? oldest.finished);
}

const liveOf = (job: string, chain: string, { liveByJob }: Runs): readonly LiveRun[] =>
  (liveByJob.get(job) ?? []).filter(({ record }) => record.chain === chain);

const recordedIn = (job: string, chain: string, { statuses }: Runs) =>
  statuses.get(job)?.lastRuns.find((run) => (run.chain ?? run.revision) === chain);

const lastOf = (job: string, chain: string, runs: Runs) =>
  recordedIn(job, chain, runs) ?? runs.statuses.get(job)?.lastRuns[0];

const hasRunIn = (job: string, chain: string, runs: Runs): boolean =>
  liveOf(job, chain, runs).length > 0 || recordedIn(job, chain, runs) !== undefined;

/** Whether a job has a run in the chain, or will have: a chained one does when any job that it needs does. */
function takesPart(job: string, chain: string, runs: Runs, seen: Set<string> = new Set()): boolean {
  if (hasRunIn(job, chain, runs) || runs.isDue?.(job, chain)) return true;
  const desired = runs.unchained === true ? undefined : runs.jobs.get(job);
  if (!desired || seen.has(job) || desired.outline.suspend === true || !isChained(desired.outline)) return false;
  seen.add(job);
  return needsOf(desired.outline).some((need) => takesPart(need.job, chain, runs, seen));
}
