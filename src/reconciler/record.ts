import type { DesiredJob } from '../job/model.ts';
import { stillTaken } from '../job/rules-parameters.ts';
import { runsOnOf } from '../job/runs-on.ts';
import type { LedgerView } from '../ledger/port.ts';
import type { RunKey, RunRecord, UpstreamRun } from '../runner/port.ts';
import type { PlannedAction } from '../schemas/index.ts';
import type { RunRequest } from './plan.ts';
import type { Covered, Observation, ReconcilerParts } from './ports.ts';
import { withGroup } from './condition.ts';
import { withDefaults } from './defaults.ts';
import { withPullRequestGroup } from './pull-request.ts';

export interface RecordParts {
  /** A planned `run`. */
  readonly action: PlannedAction;
  readonly desired: DesiredJob;
  readonly revision: string;
  readonly covered: Covered;
  readonly request: Pick<RunRequest, 'args' | 'requestedBy' | 'rerunOf' | 'tasks'> | undefined;
  /** All values of the job's parameters for this run, defaults included. */
  readonly params: Readonly<Record<string, string>>;
  readonly chain: string;
  /** RFC 3339, UTC. */
  readonly now: string;
}

/** What is stored with a run's claim. */
export function runRecord({ action, desired, request, now, ...parts }: RecordParts): RunRecord {
  const { run, trigger } = action;
  if (run === undefined || trigger === undefined)
    throw new TypeError(`a planned run of ${action.job} without a number or a trigger`);
  return {
    job: desired.name,
    run,
    trigger,
    path: desired.path,
    digest: desired.digest,
    spec: desired.manifest.spec,
    labels: desired.manifest.metadata.labels ?? {},
    args: request?.args ?? [],
    ...(request?.requestedBy === undefined ? {} : { requestedBy: request.requestedBy }),
    ...(request?.rerunOf === undefined ? {} : { rerunOf: request.rerunOf }),
    ...(request?.tasks === undefined ? {} : { tasks: request.tasks }),
    queued: now,
    ...parts,
  };
}

/** The chain that a planned run belongs to: a commit, an instant or a request starts one, an upstream run passes its own on. */
export function chainOf(
  { trigger }: Pick<PlannedAction, 'trigger'>,
  { catalog, view, live }: Pick<Observation, 'catalog' | 'view' | 'live'>,
): string {
  switch (trigger?.kind) {
    case 'schedule':
      return trigger.at;
    case 'request':
      return trigger.id;
    case 'needs': {
      const { job, run } = trigger;
      const known = live.find(({ record }) => record.job === job && record.run === run)?.record;
      const ended = view.statuses.get(job)?.lastRuns.find((candidate) => candidate.run === run);
      return known?.chain ?? ended?.chain ?? ended?.revision ?? catalog.revision;
    }
    case 'pullRequest':
      return trigger.revision;
    case 'commit':
    case undefined:
      return catalog.chain;
  }
}

/** A job that runs on a set and names no image has that of the set, also where it gets a pod of its own. */
function withImageOfSet(job: DesiredJob, { catalog }: Observation): DesiredJob {
  const { spec } = job.manifest;
  const image = catalog.runnerSets.get(runsOnOf(spec)?.set ?? '')?.spec.image;
  if (image === undefined || spec.image !== undefined) return job;
  return { ...job, manifest: { ...job.manifest, spec: { ...spec, image } } };
}

/** How the runs ended that a run needs; nothing where it needs none. */
export async function upstreamOf(
  view: LedgerView,
  upstream: readonly RunKey[],
): Promise<{ readonly needs?: Readonly<Record<string, UpstreamRun>> }> {
  if (upstream.length === 0) return {};
  const entries = await Promise.all(
    upstream.map(async ({ job, run }): Promise<[string, UpstreamRun]> => {
      const summary = view.statuses.get(job)?.lastRuns.find((candidate) => candidate.run === run);
      const outcome = await view.outcome(job, run);
      const result = outcome?.result ?? summary?.result ?? 'skipped';
      return [job, { run, result, vars: outcome?.vars ?? {} }];
    }),
  );
  return { needs: Object.fromEntries(entries) };
}

/**
 * The record of a planned run, as it is claimed. Throws CodedErrors: `ExpressionFailed` (terminal) for the name of its group, and what
 * `params` throws.
 */
export async function composeRecord(
  parts: Pick<ReconcilerParts, 'covered' | 'params' | 'now' | 'defaults'>,
  action: PlannedAction,
  seen: Observation,
  requests: readonly RunRequest[],
): Promise<RunRecord> {
  const job = seen.catalog.jobs.get(action.job);
  if (!job) throw new TypeError(`a planned run of ${action.job}, which is no job`);
  const id = action.trigger?.kind === 'request' ? action.trigger.id : undefined;
  // One that was claimed before goes on as it was: in its chain, since when it waits, and with what was asked for.
  const before =
    action.reason === 'Interrupted'
      ? seen.live.find(({ record }) => record.job === action.job && record.run === action.run)?.record
      : undefined;
  const request =
    requests.find((candidate) => candidate.id === id && candidate.job === action.job) ??
    (id === undefined ? undefined : before);
  const params = request === before ? stillTaken(job.manifest.spec, before?.params ?? {}) : (request?.params ?? {});
  const record = runRecord({
    action,
    desired: withImageOfSet(job, seen),
    revision: before?.revision ?? seen.catalog.revision,
    covered: await parts.covered(job, seen.snapshot),
    request,
    params: parts.params(job, params),
    chain: before?.chain ?? chainOf(action, seen),
    now: before?.queued ?? parts.now().toISOString(),
  });
  return withPullRequestGroup(withGroup(withDefaults(record, parts.defaults ?? {})));
}
