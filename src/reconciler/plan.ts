import { commitTrigger } from '../job/defaults.ts';
import { tasksOf } from '../job/fan-out.ts';
import type { Catalog, DesiredJob, InvalidJob } from '../job/model.ts';
import { formatProblem } from '../job/problems.ts';
import type { LedgerView } from '../ledger/port.ts';
import type { LiveRun } from '../runner/port.ts';
import type { JobStatus, PlannedAction, Trigger } from '../schemas/index.ts';
import { chainIdle, dueChains, isChained, type Runs } from './chain.ts';
import { dueOf } from './instants.ts';
import {
  type Overtaken,
  overtakenRuns,
  type PullRequestOrder,
  pullRequestDue,
  pullRequestIdle,
} from './pull-request.ts';
import { chainOf } from './record.ts';

/** A wish to run one job now, whatever its triggers say. */
export interface RunRequest {
  readonly job: string;
  readonly id: string;
  readonly params: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly requestedBy?: string;
  /** The run whose parameters it takes. */
  readonly rerunOf?: number;
  /** The only tasks to execute; absent: all. */
  readonly tasks?: readonly string[];
}

/** The end of a run, as a person asked for it. */
export interface CancelRequest {
  readonly job: string;
  readonly run: number;
  readonly requestedBy: string;
}

export interface PlanInput {
  readonly catalog: Catalog;
  readonly view: LedgerView;
  readonly live: readonly LiveRun[];
  readonly requests: readonly RunRequest[];
  readonly cancels?: readonly CancelRequest[];
  /** The fields that differ from what the last commit run executed, for jobs where the digest differs and that is known. */
  readonly changes: ReadonlyMap<string, readonly string[]>;
  /** What the runner says of a job's spec. */
  readonly refuses: (job: DesiredJob) => readonly string[];
  /** False: only requests make runs (a command that runs one job). */
  readonly triggers: boolean;
  /** The pull request that runs are planned for: then no other trigger makes any. */
  readonly pullRequest?: PullRequestOrder | undefined;
  readonly now: Date;
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
  const { statuses } = input.view;
  const actualBy = (name: string): Actual => actualOf(statuses.get(name), liveByJob.get(name) ?? []);
  const isDue = dueIn(input, actualBy);
  const unchained = input.pullRequest !== undefined;
  const runs: Runs = { jobs: input.catalog.jobs, statuses, liveByJob, isDue, unchained };
  return [...new Set(keys)].sort(compare).flatMap((name) => planJob(name, { ...input, runs }, actualBy(name)));
}

/**
 * Whether a trigger of a job's own wants a run in a chain. Of one commit or instant, a job may have ended its run before another is
 * claimed: whoever was to claim that one was cut off, or is busy.
 */
function dueIn(input: PlanInput, actualBy: (name: string) => Actual): NonNullable<Runs['isDue']> {
  const known = new Map<string, ReadonlySet<string>>();
  const chainsOf = (name: string): ReadonlySet<string> => {
    const desired = input.catalog.jobs.get(name);
    if (!desired) return new Set();
    const due = [...dueBefore(desired, input, actualBy(name)), ...dueByCommit(desired, input, actualBy(name))];
    if (due.length === 0 || input.refuses(desired).length > 0) return new Set();
    return new Set(due.map(({ trigger }) => chainOf({ trigger }, input)));
  };
  return (name, chain) => {
    const chains = known.get(name) ?? chainsOf(name);
    known.set(name, chains);
    return chains.has(chain);
  };
}

/** Every job that the manifests, the ledger or the runner know of. */
export function knownJobs({ catalog, view, live }: Pick<PlanInput, 'catalog' | 'view' | 'live'>): ReadonlySet<string> {
  const running = live.map((run) => run.record.job);
  return new Set([...catalog.jobs.keys(), ...catalog.invalidJobs.keys(), ...view.statuses.keys(), ...running]);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function actualOf(status: JobStatus | undefined, runs: readonly LiveRun[]): Actual {
  const live = runs.toSorted((a, b) => a.record.run - b.record.run);
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

type JobInput = PlanInput & { readonly runs: Runs };

function planJob(name: string, input: JobInput, actual: Actual): readonly Action[] {
  const overtaken = overtakenRuns(input.pullRequest, actual.live);
  const why = input.pullRequest?.overtakes;
  if (why !== undefined && overtaken.length > 0) {
    const runs = new Set(overtaken.map(({ record }) => record.run));
    const left = { ...actual, live: actual.live.filter(({ record }) => !runs.has(record.run)) };
    const ending = overtaken.filter(({ parked, cancelled }) => !parked && cancelled === undefined);
    const rest = planJob(name, input, left).filter(
      ({ action }) => action === 'run' || action === 'record' || action === 'cancel',
    );
    return [...ending.map((run) => overtakenAction(run, why)), ...rest];
  }
  const cancels = (input.cancels ?? []).filter(({ job }) => job === name);
  const others = plannedActions(name, input, actual);
  if (cancels.length === 0) return others;
  const changing = others.filter(({ action }) => action === 'run' || action === 'record');
  return [...cancels.map((cancel) => cancelAction(cancel, actual)), ...changing];
}

function overtakenAction({ record: { job, run, trigger, path } }: LiveRun, why: Overtaken): Action {
  const since = why === 'Superseded' ? 'the pull request has moved on' : 'the pull request was closed';
  return { job, action: 'cancel', run, trigger, path, reason: why, message: `cancels: run ${run}, since ${since}` };
}

function cancelAction({ job, run, requestedBy }: CancelRequest, { live }: Actual): Action {
  const record = live.find((one) => one.record.run === run)?.record;
  const known = record === undefined ? {} : { trigger: record.trigger, path: record.path };
  return {
    job,
    action: 'cancel',
    run,
    ...known,
    reason: 'CancelRequested',
    message: `cancels: run ${run}, as ${requestedBy} asked`,
  };
}

function plannedActions(name: string, input: JobInput, actual: Actual): readonly Action[] {
  const desired = input.catalog.jobs.get(name);
  if (desired) return desiredActions(desired, input, actual);
  const action = absentAction(name, input, actual);
  return action ? [action] : [];
}

/** A job with a valid manifest: what is due, or else the one line that says why nothing is. */
function desiredActions(desired: DesiredJob, input: JobInput, actual: Actual): readonly Action[] {
  const { name: job, path } = desired;
  const cutOff = actual.live
    .filter((run) => isCutOff(run, desired, input))
    .map(({ record }) => claimAgain(record, desired));
  const outdated = actual.live
    .filter((run) => isOutdated(run, desired) && !isCutOff(run, desired, input))
    .map(({ record }) => supersededAction(record));
  const due = dueRuns(desired, input, actual);
  const refused = due.length > 0 ? input.refuses(desired) : [];
  if (refused.length > 0 && due.length > 0) {
    const message = `refused: this runner can't do ${refused.join(', ')}; use --runner kubernetes`;
    return [...outdated, ...cutOff, { job, action: 'invalid', path, reason: 'Refused', message }];
  }
  const runs = due.map((run, index): Action =>
    Object.assign({ job, action: 'run' as const, run: actual.nextRun + index, path }, run),
  );
  if (outdated.length + cutOff.length + runs.length > 0) return [...outdated, ...cutOff, ...runs];
  const active = actual.live.find((run) => run.cancelled === undefined) ?? actual.live[0];
  if (active) return [activeAction(desired, active)];
  if (desired.outline.suspend === true)
    return [{ job, action: 'suspended', path, reason: 'Suspended', message: 'suspended: spec.suspend is true' }];
  return [unchangedAction(desired, input, actual)];
}

/**
 * A run whose claim alone is there, and that is to be executed as the job is now, under its own number: its start was cut off, or the
 * job has changed while it waited. Of a change, runs of commits and pull requests are the exception: others take their place.
 */
function isCutOff(run: LiveRun, desired: DesiredJob, { refuses }: PlanInput): boolean {
  const { record, partial } = run;
  if (!isClaimAlone(run)) return false;
  if (record.digest === desired.digest) return partial === true;
  if (isOfRevision(record.trigger) || refuses(desired).length > 0) return false;
  const names =
    record.tasks === undefined ? undefined : new Set(tasksOf(desired.manifest.spec).map(({ name }) => name));
  return names === undefined || (record.tasks ?? []).every((task) => names.has(task));
}

/** Whether a run is for what a revision says: of another revision there is another run. */
const isOfRevision = ({ kind }: Trigger): boolean => kind === 'commit' || kind === 'pullRequest';

const isClaimAlone = ({ mine, held, parked, cancelled }: LiveRun): boolean =>
  mine && !held && !parked && cancelled === undefined;

function claimAgain({ job, run, trigger, digest }: LiveRun['record'], desired: DesiredJob): Action {
  const why = digest === desired.digest ? 'its start was cut off' : 'the job has changed while it waited';
  return { job, action: 'run', run, trigger, path: desired.path, reason: 'Interrupted', message: `runs: ${why}` };
}

type Due = Pick<Action, 'reason' | 'message' | 'changes'> & { readonly trigger: Trigger };

/** The runs that are due and not claimed yet, in the order of their numbers. */
function dueRuns(desired: DesiredJob, input: JobInput, actual: Actual): readonly Due[] {
  return [
    ...dueBefore(desired, input, actual),
    ...dueByNeeds(desired, input, actual),
    ...dueByCommit(desired, input, actual),
  ];
}

const obeysTriggers = ({ outline }: DesiredJob, { triggers }: PlanInput): boolean =>
  triggers && outline.suspend !== true;

/** Whether what a branch holds starts runs: for a pull request, nothing but the pull request does. */
const obeysRevision = (desired: DesiredJob, input: PlanInput): boolean =>
  obeysTriggers(desired, input) && input.pullRequest === undefined;

/** By requests, and by the pull request or instants. */
function dueBefore(desired: DesiredJob, input: PlanInput, actual: Actual): readonly Due[] {
  const requested = input.requests
    .filter((request) => request.job === desired.name && !isServed(request, actual))
    .map(({ id, rerunOf }): Due => ({
      trigger: { kind: 'request', id },
      reason: 'Requested',
      message: `runs: requested${rerunOf === undefined ? '' : ` as a rerun of run ${rerunOf}`}`,
    }));
  if (!obeysTriggers(desired, input)) return requested;
  if (input.pullRequest) return [...requested, ...pullRequestDue(desired.name, input.pullRequest, actual)];
  const instants = dueOf(desired, actual.status, actual.live, input.now).due.map((at): Due => ({
    trigger: { kind: 'schedule', at },
    reason: 'Scheduled',
    message: `runs: scheduled at ${at}`,
  }));
  return [...requested, ...instants];
}

function dueByNeeds(desired: DesiredJob, input: JobInput, { status }: Actual): readonly Due[] {
  const since = status && readySince(status);
  if (!obeysRevision(desired, input) || !isChained(desired.outline) || since === undefined) return [];
  return dueChains(desired, since, input.runs).map(({ trigger }): Due => ({
    trigger,
    reason: 'NeedsMet',
    message: `runs: run ${trigger.run} of ${trigger.job} has ended`,
  }));
}

/** Where the `commit` trigger wants a run: another digest than that of the newest commit run, and none that was passed over at this revision. */
function dueByCommit(desired: DesiredJob, input: PlanInput, actual: Actual): readonly Due[] {
  const { commitDigest, status } = actual;
  if (!obeysRevision(desired, input) || commitTrigger(desired.outline) === false) return [];
  if (desired.digest === commitDigest) return [];
  const wasPassedOver = (status?.lastRuns ?? []).some(
    ({ digest, trigger }) =>
      digest === desired.digest && trigger.kind === 'commit' && trigger.revision === input.catalog.revision,
  );
  return wasPassedOver ? [] : [commitDue(desired, input, actual)];
}

/** Since when the job can run: RFC 3339. */
const readySince = ({ conditions }: JobStatus): string | undefined =>
  conditions.find(({ type, status }) => type === 'Ready' && status === 'True')?.lastTransitionTime;

/** A request makes one run, ever: not again while its run is live, nor once it is in the ledger. */
function isServed({ id }: RunRequest, { live, status }: Actual): boolean {
  const triggers = [
    ...live.map(({ record }) => record.trigger),
    ...(status?.lastRuns ?? []).map(({ trigger }) => trigger),
  ];
  return triggers.some((trigger) => trigger.kind === 'request' && trigger.id === id);
}

/**
 * Whether a run was claimed for what the job does not say any more, and nothing of it is put down. While the job still says it,
 * the run goes on under its number, whoever claimed it.
 */
const isOutdated = (run: LiveRun, { digest }: DesiredJob): boolean => isClaimAlone(run) && run.record.digest !== digest;

function supersededAction({ job, run, trigger, path }: LiveRun['record']): Action {
  const message = `records: the job has changed before run ${run} was started`;
  return { job, action: 'record', run, trigger, path, reason: 'Superseded', message };
}

function activeAction({ name: job, path }: DesiredJob, { record, attempts, mine }: LiveRun): Action {
  const { run, trigger } = record;
  const isOver = attempts.length > 0 && attempts.every(({ ending }) => ending !== null);
  const word = attempts.length === 0 ? 'is queued' : isOver && mine ? 'has ended and is recorded' : 'is running';
  return {
    job,
    action: isOver && mine ? 'record' : 'wait',
    run,
    trigger,
    path,
    reason: isOver && mine ? 'Ended' : 'AlreadyRunning',
    message: `${isOver && mine ? 'records' : 'nothing'}: run ${run} ${word}`,
  };
}

function commitDue(desired: DesiredJob, input: PlanInput, actual: Actual): Due {
  const trigger: Trigger = { kind: 'commit', revision: input.catalog.revision };
  if (actual.commitDigest === undefined) return { trigger, reason: 'New', message: 'runs: never ran before' };
  const changes = input.changes.get(desired.name);
  const message = changes === undefined ? 'runs: spec changed' : `runs: ${changedIn(changes)}`;
  return {
    trigger,
    reason: 'Changed',
    message,
    ...(changes && changes.length > 0 ? { changes: [...changes] } : {}),
  };
}

const SHOWN_CHANGES = 5;

function changedIn(changes: readonly string[]): string {
  if (changes.length === 0) return 'spec changed';
  const shown = changes.slice(0, SHOWN_CHANGES).join(', ');
  const more = changes.length > SHOWN_CHANGES ? ` and ${changes.length - SHOWN_CHANGES} more` : '';
  return `spec changed in ${changes.length} ${changes.length === 1 ? 'field' : 'fields'}: ${shown}${more}`;
}

function unchangedAction(desired: DesiredJob, input: JobInput, actual: Actual): Action {
  const { triggers, now, pullRequest } = input;
  const { name: job, path } = desired;
  const { outline } = desired;
  const last = actual.nextRun - 1;
  const common = { job, action: 'none', path, ...(last > 0 ? { run: last } : {}) } as const;
  if (triggers && pullRequest)
    return { ...common, reason: 'NotTriggered', message: `nothing: ${pullRequestIdle(desired, pullRequest)}` };
  if (triggers && commitTrigger(outline) !== false) {
    const since = last > 0 ? `unchanged since run ${last}` : 'never ran';
    return { ...common, reason: 'Unchanged', message: `nothing: ${since}` };
  }
  if (triggers && isChained(outline))
    return { ...common, reason: 'NotTriggered', message: `nothing: ${chainIdle(desired, last, input.runs)}` };
  const next = triggers ? dueOf(desired, actual.status, actual.live, now).phrase : undefined;
  return { ...common, reason: 'NotTriggered', message: `nothing: ${next ?? 'runs on request only'}` };
}

/** A job that no valid manifest holds: invalid, in a file that does not parse now, or removed. */
function absentAction(job: string, input: PlanInput, actual: Actual): Action | undefined {
  const invalid = input.catalog.invalidJobs.get(job) ?? brokenFile(job, input.catalog, actual);
  if (invalid) return invalidAction(invalid);
  const running = actual.live.find((run) => !run.parked && run.cancelled === undefined);
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
function brokenFile(name: string, { brokenFiles }: Catalog, { status, live }: Actual): InvalidJob | undefined {
  const held = [status?.source?.path, ...live.map(({ record }) => record.path)];
  const path = held.find((known) => known !== undefined && brokenFiles.has(known));
  const problems = path === undefined ? undefined : brokenFiles.get(path);
  return path !== undefined && problems ? { name, path, problems } : undefined;
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
