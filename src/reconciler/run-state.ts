import { normalizeSpec, type NormalJobSpec } from '../job/defaults.ts';
import { type Task, tasksOfRun } from '../job/fan-out.ts';
import { judgeAttempt, type Judgement } from '../outcome/judge.ts';
import type { AttemptState, LiveRun } from '../runner/port.ts';
import type { Reason } from '../schemas/index.ts';
import { decideRetry, type EndedAttempt } from './retry.ts';

/** What one task of a run is at. */
export type TaskState = { readonly task: Task; readonly attempts: readonly AttemptState[] } & (
  | {
      /** It wants an attempt, not earlier than `notBefore` (milliseconds since 1970). */
      readonly phase: 'waiting';
      readonly attempt: number;
      readonly notBefore: number;
    }
  | { readonly phase: 'running'; readonly attempt: number }
  /** How it ended; with attempts, as the last of them did. */
  | { readonly phase: 'ended'; readonly judgement: Judgement }
);

/** What a live run is at, derived from its attempts alone. */
export interface RunState {
  readonly spec: NormalJobSpec;
  /** In the order of the manifest. */
  readonly tasks: readonly TaskState[];
  /** Whether any attempt was ever made. */
  readonly begun: boolean;
  /** Whether nothing is left to be done for any task. */
  readonly ended: boolean;
  /** Running attempts that have to be cancelled, and why. */
  readonly cancels: Reason | null;
}

const ABORTING: Readonly<Record<string, ReadonlySet<string>>> = {
  never: new Set(),
  onFailure: new Set(['failed', 'timed-out', 'error']),
  onWarning: new Set(['failed', 'timed-out', 'error', 'warning']),
};

/** Most runs are the same in pass after pass: what follows from one is remembered as long as it is. */
const known = new WeakMap<LiveRun, RunState>();

/**
 * Derives the state of a run: which tasks want an attempt, which run, how the others ended; retries and `abort` included. Pure,
 * and a function of what is durable: whoever leads next comes to the same.
 */
export function runStateOf(run: LiveRun): RunState {
  const state = known.get(run) ?? derive(run);
  known.set(run, state);
  return state;
}

function derive({ record, attempts, cancelled }: LiveRun): RunState {
  const spec = normalizeSpec(record.spec);
  const byTask = Map.groupBy(attempts, ({ task }) => task);
  const tasks = tasksOfRun(record).map((task) => {
    const ofTask = [...(byTask.get(task.name) ?? [])].sort((a, b) => a.number - b.number);
    return taskState(task, ofTask, { ...record, spec });
  });
  const abort = ABORTING[record.spec.abort ?? 'never'] ?? new Set();
  const aborted = tasks.some((state) => state.phase === 'ended' && abort.has(state.judgement.result));
  const cancels = cancelled ?? (aborted ? 'Aborted' : null);
  const settled = cancels === null ? tasks : tasks.map((state) => withoutFurther(state, cancels));
  return {
    spec,
    tasks: settled,
    begun: attempts.length > 0,
    ended: settled.every(({ phase }) => phase === 'ended'),
    cancels,
  };
}

function taskState(
  task: Task,
  attempts: readonly AttemptState[],
  { job, run, spec }: { readonly job: string; readonly run: number; readonly spec: NormalJobSpec },
): TaskState {
  const last = attempts.at(-1);
  const common = { task, attempts };
  if (!last) return { ...common, phase: 'waiting', attempt: 1, notBefore: 0 };
  if (last.ending === null) return { ...common, phase: 'running', attempt: last.number };
  const ended = attempts.flatMap((attempt): EndedAttempt[] =>
    attempt.ending ? [{ attempt, judgement: judgeAttempt(attempt.ending, spec.exitCodes) }] : [],
  );
  const retry = decideRetry({ job, run, task: task.name }, ended, spec);
  if (retry.kind === 'again')
    return { ...common, phase: 'waiting', attempt: last.number + 1, notBefore: retry.notBefore };
  return { ...common, phase: 'ended', judgement: judgeAttempt(last.ending, spec.exitCodes) };
}

/** A task of a run that gets no further attempt: one that still wants one ends here. */
function withoutFurther(state: TaskState, reason: Reason): TaskState {
  if (state.phase !== 'waiting') return state;
  const { task, attempts } = state;
  const last = attempts.at(-1);
  const judgement = judgeAttempt({ kind: 'cancelled', reason, step: null }, { warning: [], skipped: [] });
  const message = judgement.message.replace(
    'ended before it started',
    `was not tried again after attempt ${last?.number}`,
  );
  const after = last === undefined ? judgement : { ...judgement, message };
  return { task, attempts, phase: 'ended', judgement: after };
}
