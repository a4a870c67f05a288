import { isDeepStrictEqual } from 'node:util';
import type { JobStatus, ManifestProblem, Outcome } from '../schemas/index.ts';
import { type JobFacts, LAST_RUNS } from './port.ts';

type Condition = JobStatus['conditions'][number];
type RunSummary = JobStatus['lastRuns'][number];
type Verdict = Omit<Condition, 'lastTransitionTime' | 'type'>;

/**
 * The status that follows from the one before and what is newly known; pure, so that it can be derived anew on any head.
 * Facts that are known already give a deep-equal status. `nextRun` never goes back, and a job that was removed and comes
 * back goes on with its numbers. Conditions keep `lastTransitionTime` as long as their status stays, as in Kubernetes.
 *
 * `source.revision` moves only with something else: a revision that leaves a job as it was leaves its status alone,
 * or every commit to the source would rewrite every status.
 */
export function applyFacts(previous: JobStatus | undefined, facts: JobFacts): JobStatus {
  const changed = derive(previous, facts, previous?.source ?? newestSource(previous, facts));
  if (previous && isDeepStrictEqual(changed, previous)) return previous;
  return derive(previous, facts, newestSource(previous, facts));
}

/** The condition of a type, if the status has it. */
export function conditionOf(status: JobStatus, type: Condition['type']): Condition | undefined {
  return status.conditions.find((condition) => condition.type === type);
}

/** A job whose manifest is gone; its status stays for its numbers and digests. */
export const isRemoved = (status: JobStatus): boolean => conditionOf(status, 'Ready')?.reason === 'Removed';

/** Whether a run is queued or executed, as far as the ledger knows. */
const isActive = ({ phase }: JobStatus): boolean => phase === 'Queued' || phase === 'Running';

/** Whether the outcome of a run is summed up in the status. */
const isRecorded = (status: JobStatus | undefined, run: number): boolean =>
  status?.lastRuns.some((known) => known.run === run) ?? false;

function derive(previous: JobStatus | undefined, facts: JobFacts, source: JobStatus['source']): JobStatus {
  const lastRuns = mergeRuns(previous?.lastRuns ?? [], facts);
  const problems = facts.manifest ? (facts.manifest.problems ?? []) : (previous?.problems ?? []);
  const conditions = deriveConditions(previous, facts, problems, lastRuns[0], facts.finished?.outcome);
  const phase = derivePhase(previous, facts, conditions);
  const waiting =
    phase !== 'Queued' && phase !== 'Running' ? undefined : (activeIn(previous, facts) ?? previous)?.waiting;
  const lastCommitDigest = facts.commit?.digest ?? previous?.lastCommitDigest;
  const lastInstant = laterOf(previous?.lastInstant, facts.finished?.outcome.trigger);
  // What passes while a job is suspended or gone is never made up for: coming back, its schedules begin anew.
  const isOff = facts.manifest !== undefined && facts.manifest.state !== 'valid';
  const isStopped = facts.manifest?.state === 'suspended' || facts.manifest?.state === 'removed';
  const schedule = isStopped ? undefined : facts.schedule === null ? undefined : (facts.schedule ?? previous?.schedule);
  // Whatever is known by its blob id stays true of that content.
  const judged = facts.manifest?.judged ?? previous?.judged;
  const invalid = conditions.some((condition) => condition.type === 'Valid' && condition.status === 'False');
  return {
    apiVersion: 'runledger.dev/v1',
    kind: 'JobStatus',
    job: facts.job,
    source,
    ...(judged === undefined ? {} : { judged }),
    phase,
    conditions,
    lastRuns,
    next: isOff ? [] : [...(facts.next ?? previous?.next ?? [])],
    ...(waiting === undefined ? {} : { waiting }),
    nextRun: Math.max(previous?.nextRun ?? 1, (facts.active?.run ?? 0) + 1, (facts.finished?.outcome.run ?? 0) + 1),
    ...(lastCommitDigest === undefined ? {} : { lastCommitDigest }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(lastInstant === undefined ? {} : { lastInstant }),
    ...(invalid && problems.length > 0 ? { problems: [...problems] } : {}),
  };
}

function newestSource(previous: JobStatus | undefined, facts: JobFacts): JobStatus['source'] {
  const ran = facts.finished?.outcome.source;
  return {
    path: facts.manifest?.path ?? previous?.source.path ?? ran?.path ?? 'unknown',
    revision: facts.manifest?.revision ?? previous?.source.revision ?? ran?.revision ?? 'none',
  };
}

function mergeRuns(known: readonly RunSummary[], { finished, passedOver }: JobFacts): RunSummary[] {
  const outcome = finished?.outcome;
  if (!outcome) return [...known];
  return [
    { ...summaryOf(outcome), ...(passedOver === undefined ? {} : { digest: passedOver }) },
    ...known.filter((run) => run.run !== outcome.run),
  ]
    .sort((a, b) => b.run - a.run)
    .slice(0, LAST_RUNS);
}

function summaryOf(outcome: Outcome): RunSummary {
  const { run, result, reason, exitCode, trigger, source, chain, times } = outcome;
  return {
    run,
    result,
    reason,
    exitCode,
    trigger,
    revision: source.revision,
    ...(chain === source.revision ? {} : { chain }),
    ...(times.started === undefined ? {} : { started: times.started }),
    finished: times.finished,
  };
}

function deriveConditions(
  previous: JobStatus | undefined,
  facts: JobFacts,
  problems: readonly ManifestProblem[],
  newest: RunSummary | undefined,
  outcome: Outcome | undefined,
): Condition[] {
  const before = (type: Condition['type']): Condition | undefined => previous && conditionOf(previous, type);
  const verdicts: readonly (readonly [Condition['type'], Verdict | undefined])[] = [
    ['Valid', validVerdict(facts, problems) ?? before('Valid')],
    ['Ready', readyVerdict(facts) ?? before('Ready')],
    // Only the newest run speaks for the job; one that is recorded late changes nothing here.
    ['Succeeded', outcome && outcome.run === newest?.run ? succeededVerdict(outcome) : before('Succeeded')],
  ];
  return verdicts.flatMap(([type, verdict]) => {
    if (!verdict) return [];
    const old = before(type);
    const { status, reason, message } = verdict;
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : facts.at;
    return [{ type, status, reason, message, lastTransitionTime }];
  });
}

function validVerdict(facts: JobFacts, problems: readonly ManifestProblem[]): Verdict | undefined {
  switch (facts.manifest?.state) {
    case 'valid':
    case 'suspended':
      return { status: 'True', reason: 'Parsed', message: 'the manifest is valid' };
    case 'invalid': {
      const count = Math.max(1, problems.length);
      const message = `the manifest has ${count} problem${count === 1 ? '' : 's'}`;
      return { status: 'False', reason: 'InvalidManifest', message };
    }
    case 'removed':
    case undefined:
      return undefined;
  }
}

function readyVerdict(facts: JobFacts): Verdict | undefined {
  switch (facts.manifest?.state) {
    case 'valid':
      return { status: 'True', reason: 'Ready', message: 'the job can run' };
    case 'suspended':
      return { status: 'False', reason: 'Suspended', message: 'the manifest suspends the job' };
    case 'invalid':
      return { status: 'False', reason: 'InvalidManifest', message: 'no new runs until the manifest is repaired' };
    case 'removed':
      return { status: 'False', reason: 'Removed', message: 'the manifest is gone' };
    case undefined:
      return undefined;
  }
}

/** A run that was skipped says nothing about whether the job works. */
function succeededVerdict(outcome: Outcome): Verdict {
  const { result, reason, message } = outcome;
  const status = result === 'succeeded' || result === 'warning' ? 'True' : result === 'skipped' ? 'Unknown' : 'False';
  return { status, reason, message: message === '' ? result : message };
}

/** What is said of live runs, unless the newest of them has been recorded meanwhile. */
const activeIn = (previous: JobStatus | undefined, { active }: JobFacts): JobFacts['active'] =>
  active && isRecorded(previous, active.run) ? undefined : active;

/** A run that is under way says more than what the manifest holds for the next one. */
function derivePhase(
  previous: JobStatus | undefined,
  facts: JobFacts,
  conditions: readonly Condition[],
): JobStatus['phase'] {
  const active = activeIn(previous, facts);
  if (active) return active.phase;
  const wasActive = previous !== undefined && isActive(previous);
  const newestEnded = facts.finished !== undefined && facts.finished.outcome.run >= (previous?.nextRun ?? 1) - 1;
  if (active === undefined && wasActive && !newestEnded) return previous.phase;
  const ready = conditions.find((condition) => condition.type === 'Ready');
  if (ready?.reason === 'InvalidManifest') return 'Invalid';
  return ready?.reason === 'Suspended' ? 'Suspended' : 'Idle';
}

function laterOf(known: string | undefined, trigger: Outcome['trigger'] | undefined): string | undefined {
  if (trigger?.kind !== 'schedule') return known;
  return known !== undefined && Date.parse(known) >= Date.parse(trigger.at) ? known : trigger.at;
}
