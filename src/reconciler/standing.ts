import type { JobFacts } from '../ledger/port.ts';
import type { LiveRun } from '../runner/port.ts';
import type { JobStatus } from '../schemas/index.ts';
import { type RunWait, runId } from './dispatch.ts';

/** What has not been so for this long is not worth a commit. */
export const STATED_AFTER_MS = 10_000;
/** How many waiting runs of one job its status tells of. */
const SHOWN_WAITS = 3;

export interface StandingInput {
  /** Runs that are claimed, and whose end is not being recorded. */
  readonly live: readonly LiveRun[];
  readonly waits: ReadonlyMap<string, RunWait>;
  readonly statuses: ReadonlyMap<string, JobStatus>;
  /** Whether a job is this process's to speak of. */
  readonly isOurs: (job: string) => boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What the ledger does not say yet of runs that wait or are executed. */
export interface Standing {
  readonly facts: readonly JobFacts[];
  /** When there will be more to say if nothing changes: milliseconds since 1970. */
  readonly dueAt: number | null;
}

type Active = NonNullable<JobFacts['active']>;

/**
 * What the statuses should say of live runs, and do not: which jobs have runs that wait, and for what, and which are executed.
 * Pure. A run that waits or is executed for less than STATED_AFTER_MS goes without: its outcome is told soon enough, and a commit
 * for each start would double what the ledger costs.
 */
export function standingOf({ live, waits, statuses, isOurs, now }: StandingInput): Standing {
  const facts: JobFacts[] = [];
  let dueAt: number | null = null;
  const at = new Date(now).toISOString();
  const byJob = Map.groupBy(
    live.filter(({ record }) => isOurs(record.job) && !isRecorded(statuses.get(record.job), record.run)),
    ({ record }) => record.job,
  );
  for (const [job, runs] of byJob) {
    // Another process, which executes some of them, says how they are.
    if (runs.some(({ mine }) => !mine)) continue;
    const active = activeOf(runs, waits);
    if (active === undefined || saysSo(statuses.get(job), active)) continue;
    const due = sinceOf(runs, active) + STATED_AFTER_MS;
    if (due <= now) facts.push({ job, at, active });
    else dueAt = Math.min(dueAt ?? due, due);
  }
  for (const [job, status] of statuses)
    if (isActive(status) && isOurs(job) && !live.some(({ record }) => record.job === job))
      facts.push({ job, at, active: null });
  return { facts, dueAt };
}

/** Whether a status says that a run is under way. */
const isActive = ({ phase }: JobStatus): boolean => phase === 'Queued' || phase === 'Running';
const isRecorded = (status: JobStatus | undefined, run: number): boolean =>
  status?.lastRuns.some((known) => known.run === run) ?? false;

const isBegun = ({ attempts }: LiveRun): boolean => attempts.length > 0;
const startsOf = ({ attempts }: LiveRun): readonly number[] =>
  attempts.flatMap(({ started }) => (started === null ? [] : [Date.parse(started)]));
const hasEnded = (run: LiveRun): boolean => isBegun(run) && run.attempts.every(({ ending }) => ending !== null);

function activeOf(runs: readonly LiveRun[], waits: StandingInput['waits']): Active | undefined {
  const sorted = runs.toSorted((a, b) => a.record.run - b.record.run);
  const waiting = sorted.flatMap((run) => {
    const wait = waits.get(runId(run.record));
    if (wait) return [`run ${wait.run} waits ${wait.for}`];
    const starts = isBegun(run) && !hasEnded(run) && startsOf(run).length === 0;
    return starts ? [`run ${run.record.run} waits to start`] : [];
  });
  const isExecuted = sorted.some((run) => startsOf(run).length > 0);
  const newest = sorted.at(-1)?.record.run;
  // Between claim and decision there is nothing to say.
  if (newest === undefined || (waiting.length === 0 && !isExecuted)) return undefined;
  const shown = waiting.slice(0, SHOWN_WAITS);
  if (waiting.length > SHOWN_WAITS) shown.push('more wait');
  return {
    run: newest,
    phase: isExecuted ? 'Running' : 'Queued',
    ...(shown.length === 0 ? {} : { waiting: shown.join('; ') }),
  };
}

const saysSo = (status: JobStatus | undefined, { phase, waiting }: Active): boolean =>
  status?.phase === phase && status.waiting === waiting;

/** Since when it is so, as far as is known. */
function sinceOf(runs: readonly LiveRun[], { phase }: Active): number {
  const started = runs.flatMap(startsOf);
  if (phase === 'Running' && started.length > 0) return Math.min(...started);
  return Math.min(...runs.map(({ record }) => Date.parse(record.queued)));
}
