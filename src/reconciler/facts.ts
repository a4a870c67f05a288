import type { Catalog, DesiredJob } from '../job/model.ts';
import type { JobFacts } from '../ledger/port.ts';
import type { JobStatus, ManifestProblem, PlannedAction, Reason } from '../schemas/index.ts';
import type { Snapshot } from '../sources/port.ts';
import { isChained } from './chain.ts';
import { dueOf } from './instants.ts';
import type { RunEnd } from './dispatch.ts';
import { isRemoved } from './plan.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';

type ManifestFacts = NonNullable<JobFacts['manifest']>;

/**
 * What an action says of a job's manifest that the ledger does not know yet; undefined when its status says so already.
 * A job that is valid and has never run is not worth a commit: its first run's outcome brings its status.
 *
 * `revision` and `at` go into the facts alone: a new commit that leaves a job as it was changes no status.
 */
export function manifestFacts(
  action: PlannedAction,
  status: JobStatus | undefined,
  revision: string,
  at: string,
): JobFacts | undefined {
  const manifest = manifestOf(action, revision);
  if (manifest === undefined || isKnown(manifest, status)) return undefined;
  return { job: action.job, at, manifest };
}

/**
 * What has to stand on the ledger before a job can be started by its schedules or by the jobs that it needs: since when it is
 * there as it is. Undefined when its status says so already, or when it is neither.
 */
export function triggerFacts(
  desired: DesiredJob,
  { action }: PlannedAction,
  status: JobStatus | undefined,
  { revision, committed }: Pick<Snapshot, 'revision' | 'committed'>,
  now: Date,
): JobFacts | undefined {
  const { outline } = desired;
  if (outline.suspend === true || action === 'invalid') return undefined;
  const { of, next } = dueOf(desired, status, [], now);
  const isNew = status === undefined || isRemoved(status);
  const hasChanged = status?.schedule?.of !== of;
  if (of === undefined && !hasChanged && !(isNew && isChained(outline))) return undefined;
  if (of !== undefined && !hasChanged && !isNew) return undefined;
  // A schedule that comes back after a suspension counts from now on, and a new one from the commit that brought it.
  const resumed = status !== undefined && (readiness(status) === 'Suspended' || isRemoved(status));
  const since = !resumed && committed !== undefined && committed < now.toISOString() ? committed : now.toISOString();
  return {
    job: desired.name,
    at: now.toISOString(),
    manifest: { state: 'valid', path: desired.path, revision, ...judgedOf(desired) },
    schedule: of === undefined ? null : { of, since },
    next,
  };
}

function manifestOf({ action, reason, path, problems }: PlannedAction, revision: string): ManifestFacts | undefined {
  const place = path === undefined ? { revision } : { revision, path };
  switch (action) {
    case 'none':
    case 'wait':
      return { state: 'valid', ...place };
    case 'suspended':
      return { state: 'suspended', ...place };
    case 'removed':
      return { state: 'removed', ...place };
    case 'invalid':
      // What one runner can't do says nothing of the manifest.
      return reason === 'Refused' ? undefined : { state: 'invalid', ...place, problems: problems ?? [] };
    case 'run':
    case 'record':
    case 'cancel':
      return undefined;
  }
}

/** The reason of the condition Ready; the phase may say instead that a run is under way. */
const readiness = ({ conditions, phase }: JobStatus): string =>
  conditions.find(({ type }) => type === 'Ready')?.reason ?? (phase === 'Invalid' ? 'InvalidManifest' : phase);

function isKnown(manifest: ManifestFacts, status: JobStatus | undefined): boolean {
  if (status === undefined) return manifest.state === 'valid';
  const { state, path } = manifest;
  if (state === 'removed') return isRemoved(status);
  if (isRemoved(status) || status.source?.path !== path) return false;
  const ready = readiness(status);
  if (state === 'invalid') return ready === 'InvalidManifest' && sameProblems(status.problems, manifest.problems);
  if (state === 'suspended') return ready === 'Suspended';
  return ready !== 'InvalidManifest' && ready !== 'Suspended';
}

/** Endings without a pod, after which the spec still waits to be executed. */
const PASSED_OVER: ReadonlySet<Reason> = new Set([
  'Superseded',
  'UpstreamFailed',
  'UpstreamSkipped',
  'QueueTimeout',
  'ConcurrencySkipped',
  'JobRemoved',
  'PullRequestClosed',
  'CancelRequested',
]);

const judgedOf = ({ judged }: DesiredJob): Pick<ManifestFacts, 'judged'> => (judged ? { judged } : {});

/** What the end of a run tells the ledger. */
export function finishedFacts(
  parts: Pick<ReconcilerParts, 'now' | 'finish'>,
  { run, unstarted }: RunEnd,
  { catalog, view, live }: Pick<Observation, 'catalog' | 'view' | 'live'>,
): JobFacts & Required<Pick<JobFacts, 'finished'>> {
  const now = parts.now();
  const at = now.toISOString();
  const { job, trigger, digest, covered } = run.record;
  const desired = catalog.jobs.get(job);
  const state = desired?.outline.suspend === true ? 'suspended' : 'valid';
  const finished = run.parked ?? parts.finish(run, unstarted, at);
  const executed = run.attempts.length > 0 || run.parked !== undefined || !PASSED_OVER.has(finished.outcome.reason);
  const others = live.filter(({ record }) => record.job === job && record.run !== run.record.run);
  return {
    job,
    at,
    finished,
    ...(trigger.kind === 'commit' && executed ? { commit: { digest, spec: covered } } : {}),
    ...(trigger.kind === 'commit' && !executed ? { passedOver: digest } : {}),
    ...(desired ? { manifest: { state, path: desired.path, revision: catalog.revision, ...judgedOf(desired) } } : {}),
    ...(desired ? { next: dueOf(desired, view.statuses.get(job), others, now).next } : {}),
  };
}

const sameProblems = (a: readonly ManifestProblem[] = [], b: readonly ManifestProblem[] = []): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

/** The problems that belong to no job, for `invalid.yaml`; undefined when the ledger has them already. */
export function unattributed(
  catalog: Catalog,
  recorded: readonly ManifestProblem[],
): readonly ManifestProblem[] | undefined {
  return sameProblems(catalog.problems, recorded) ? undefined : catalog.problems;
}

/** What the manifests of a revision mean for statuses, where the ledger does not say so yet. */
export function statusFacts(
  parts: ReconcilerParts,
  { snapshot, view, catalog }: Observation,
  actions: readonly PlannedAction[],
  { triggers, pullRequest }: SettleOptions,
): { readonly facts: readonly JobFacts[]; readonly invalid?: Catalog['problems'] } {
  // A command that runs one job has not looked at the others, and a pull request is no word about what is in force.
  if (!triggers || pullRequest) return { facts: [] };
  const at = parts.now().toISOString();
  const jobs = new Map(actions.map((action) => [action.job, action]));
  const facts = [...jobs.values()].flatMap((action) => {
    const status = view.statuses.get(action.job);
    const desired = catalog.jobs.get(action.job);
    const timed = desired && triggerFacts(desired, action, status, snapshot, parts.now());
    return timed ?? manifestFacts(action, status, catalog.revision, at) ?? [];
  });
  const invalid = unattributed(catalog, view.invalid);
  return invalid === undefined ? { facts } : { facts, invalid };
}
