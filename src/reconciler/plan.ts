import type { Catalog, DesiredJob, InvalidJob } from '../job/model.ts';
import { formatProblem } from '../job/problems.ts';
import type { LedgerView } from '../ledger/port.ts';
import type { LiveRun } from '../runner/port.ts';
import type { JobStatus, PlannedAction, Trigger } from '../schemas/index.ts';

/** A wish to run one job now, whatever its triggers say. */
export interface RunRequest {
  readonly job: string;
  readonly id: string;
  readonly params: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly requestedBy?: string;
}

export interface PlanInput {
  readonly catalog: Catalog;
  readonly view: LedgerView;
  readonly live: readonly LiveRun[];
  readonly requests: readonly RunRequest[];
  /** The fields that differ from what the last commit run executed, for jobs where the digest differs and that is known. */
  readonly changes: ReadonlyMap<string, readonly string[]>;
  /** What the runner says of a job's spec. */
  readonly refuses: (job: DesiredJob) => readonly string[];
  /** False: only requests make runs (a command that runs one job). */
  readonly triggers: boolean;
}

/** Everything that the actual state says of one job. */
interface Actual {
  readonly status: JobStatus | undefined;
  readonly live: readonly LiveRun[];
  readonly nextRun: number;
  /** The digest of the newest commit run, live or recorded. */
  readonly commitDigest: string | undefined;
}

type Action = PlannedAction;

/**
 * Turns desired and actual into the list of actions that make them one: a line a job (two where a run has ended and the
 * job is also due), by job name. Pure: the plan that a person reads with `--dry-run` is the one that the loop executes.
 *
 * `keys` limits it to those jobs, so that the cost of a pass follows what changed; absent, all that are known anywhere.
 */
export function plan(input: PlanInput, keys: Iterable<string> = knownJobs(input)): readonly Action[] {
  const liveByJob = Map.groupBy(input.live, (run) => run.record.job);
  return [...new Set(keys)].sort(compare).flatMap((name) => {
    const actual = actualOf(input.view.statuses.get(name), liveByJob.get(name) ?? []);
    return planJob(name, input, actual);
  });
}

/** Every job that the manifests, the ledger or the runner know of. */
export function knownJobs({ catalog, view, live }: Pick<PlanInput, 'catalog' | 'view' | 'live'>): ReadonlySet<string> {
  const running = live.map((run) => run.record.job);
  return new Set([...catalog.jobs.keys(), ...catalog.invalidJobs.keys(), ...view.statuses.keys(), ...running]);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function actualOf(status: JobStatus | undefined, live: readonly LiveRun[]): Actual {
  const newestCommit = live
    .filter((run) => run.record.trigger.kind === 'commit')
    .reduce<LiveRun | undefined>(
      (newest, run) => (newest && newest.record.run > run.record.run ? newest : run),
      undefined,
    );
  return {
    status,
    live,
    nextRun: live.reduce((next, run) => Math.max(next, run.record.run + 1), status?.nextRun ?? 1),
    commitDigest: newestCommit?.record.digest ?? status?.lastCommitDigest,
  };
}

function planJob(name: string, input: PlanInput, actual: Actual): readonly Action[] {
  const ended = actual.live.filter((run) => run.phase === 'ended' && run.mine).map(recordAction);
  const desired = input.catalog.jobs.get(name);
  const next = desired ? desiredAction(desired, input, actual) : absentAction(name, input, actual);
  return next ? [...ended, next] : ended;
}

function recordAction(run: Pick<LiveRun, 'record'>): Action {
  const { job, run: number, path, trigger } = run.record;
  return {
    job,
    action: 'record',
    run: number,
    trigger,
    path,
    reason: 'Ended',
    message: `records: run ${number} has ended`,
  };
}

/** A job with a valid manifest. */
function desiredAction(desired: DesiredJob, input: PlanInput, actual: Actual): Action {
  const { name: job, path } = desired;
  const refused = input.refuses(desired);
  const active = actual.live.find((run) => run.phase !== 'ended' || !run.mine);
  const request = input.requests.find((candidate) => candidate.job === job && !isServed(candidate, actual));
  if (active?.phase === 'interrupted') return interruptedAction(desired, active);
  if (active) return activeAction(desired, active, actual);
  if (refused.length > 0 && (request || isDue(desired, input, actual))) {
    const message = `refused: this runner can't do ${refused.join(', ')}; use --runner kubernetes`;
    return { job, action: 'invalid', path, reason: 'Refused', message };
  }
  if (request) {
    const trigger: Trigger = { kind: 'request', id: request.id };
    return { job, action: 'run', run: actual.nextRun, trigger, path, reason: 'Requested', message: 'runs: requested' };
  }
  if (desired.manifest.spec.suspend === true) {
    return { job, action: 'suspended', path, reason: 'Suspended', message: 'suspended: spec.suspend is true' };
  }
  return isDue(desired, input, actual) ? commitAction(desired, input, actual) : unchangedAction(desired, input, actual);
}

/** A request makes one run, ever: not again while its run is live, nor once it is in the ledger. */
function isServed({ id }: RunRequest, { live, status }: Actual): boolean {
  const triggers = [
    ...live.map(({ record }) => record.trigger),
    ...(status?.lastRuns ?? []).map(({ trigger }) => trigger),
  ];
  return triggers.some((trigger) => trigger.kind === 'request' && trigger.id === id);
}

/** Whether the `commit` trigger wants a run: `on` absent or `commit` not false, and another digest than last time. */
function isDue(desired: DesiredJob, { triggers }: PlanInput, actual: Actual): boolean {
  if (!triggers || desired.manifest.spec.suspend === true || !runsOnCommit(desired)) return false;
  return desired.digest !== actual.commitDigest;
}

/** What is written under `on` replaces the default `{ commit: true }`. */
function runsOnCommit({ manifest }: DesiredJob): boolean {
  const { on } = manifest.spec;
  return on === undefined || (on.commit !== undefined && on.commit !== false);
}

/**
 * A run that was claimed, and whose start was cut off: it is started under its own number as long as the job still says what
 * it was claimed for, and recorded as what it is otherwise.
 */
function interruptedAction(desired: DesiredJob, { record }: LiveRun): Action {
  const { job, run, trigger, digest, path } = record;
  if (digest !== desired.digest) return recordAction({ record });
  return { job, action: 'run', run, trigger, path, reason: 'Interrupted', message: `runs: its start was cut off` };
}

function activeAction(desired: DesiredJob, active: LiveRun, actual: Actual): Action {
  const { name: job, path } = desired;
  const { run, trigger } = active.record;
  const word = active.phase === 'queued' ? 'is queued' : 'is running';
  const changed = runsOnCommit(desired) && desired.digest !== actual.commitDigest;
  const message = changed ? `waits: its spec changed, and run ${run} ${word}` : `nothing: run ${run} ${word}`;
  return { job, action: 'wait', run, trigger, path, reason: 'AlreadyRunning', message };
}

function commitAction(desired: DesiredJob, input: PlanInput, actual: Actual): Action {
  const { name: job, path } = desired;
  const trigger: Trigger = { kind: 'commit', revision: input.catalog.revision };
  const common = { job, action: 'run', run: actual.nextRun, trigger, path } as const;
  if (actual.commitDigest === undefined) return { ...common, reason: 'New', message: 'runs: never ran before' };
  const changes = input.changes.get(job);
  const message = changes === undefined ? 'runs: spec changed' : `runs: ${changedIn(changes)}`;
  return { ...common, reason: 'Changed', message, ...(changes && changes.length > 0 ? { changes: [...changes] } : {}) };
}

const SHOWN_CHANGES = 5;

function changedIn(changes: readonly string[]): string {
  if (changes.length === 0) return 'spec changed';
  const shown = changes.slice(0, SHOWN_CHANGES).join(', ');
  const more = changes.length > SHOWN_CHANGES ? ` and ${changes.length - SHOWN_CHANGES} more` : '';
  return `spec changed in ${changes.length} ${changes.length === 1 ? 'field' : 'fields'}: ${shown}${more}`;
}

function unchangedAction(desired: DesiredJob, { triggers }: PlanInput, actual: Actual): Action {
  const { name: job, path } = desired;
  const last = actual.nextRun - 1;
  const since = last > 0 ? `unchanged since run ${last}` : 'never ran';
  const onRequest = !triggers || !runsOnCommit(desired);
  const message = onRequest ? `nothing: runs on request only` : `nothing: ${since}`;
  return {
    job,
    action: 'none',
    path,
    reason: onRequest ? 'NotTriggered' : 'Unchanged',
    message,
    ...(last > 0 ? { run: last } : {}),
  };
}

/** A job that no valid manifest holds: invalid, in a file that does not parse now, or removed. */
function absentAction(job: string, input: PlanInput, actual: Actual): Action | undefined {
  const invalid = input.catalog.invalidJobs.get(job) ?? brokenFile(job, input.catalog, actual.status);
  if (invalid) return invalidAction(invalid);
  const running = actual.live.find((run) => run.phase !== 'ended');
  if (running?.phase === 'interrupted') return recordAction(running);
  if (running && input.triggers) {
    const { run, trigger, path } = running.record;
    const message = `cancels: run ${run}, since the job is no longer in ${path}`;
    return { job, action: 'cancel', run, trigger, path, reason: 'JobRemoved', message };
  }
  if (actual.status === undefined || isRemoved(actual.status)) return undefined;
  const path = actual.status.source?.path;
  const message = `removed: no longer in ${path ?? 'the repository'}; its history stays`;
  return { job, action: 'removed', reason: 'Removed', message, ...(path === undefined ? {} : { path }) };
}

/** A file that no longer parses makes its jobs Invalid, never removed. */
function brokenFile(job: string, catalog: Catalog, status: JobStatus | undefined): InvalidJob | undefined {
  const path = status?.source?.path;
  const problems = path === undefined ? undefined : catalog.brokenFiles.get(path);
  return path !== undefined && problems ? { name: job, path, problems } : undefined;
}

function invalidAction({ name, path, problems }: InvalidJob): Action {
  const [first, ...others] = problems;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  const message = `invalid: ${first ? formatProblem(first) : path}${more}`;
  return { job: name, action: 'invalid', path, reason: 'Invalid', message, problems: [...problems] };
}

/** Whether the ledger knows already that the job is gone. */
export const isRemoved = (status: JobStatus): boolean =>
  status.conditions.some(({ type, reason }) => type === 'Ready' && reason === 'Removed');
