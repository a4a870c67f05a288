import type { RunKey } from '../../runner/port.ts';
import type { ActiveRun, WaitingTask } from './model.ts';

/**
 * What one more of priority is worth in waiting time. It is the default of `timeouts.queue`: runs that wait no longer than
 * that go strictly by priority, and those that may wait longer are not passed for ever.
 */
export const PRIORITY_STEP_MS = 3_600_000;

/** For how long after it was queued a task that waits for slots lets those behind it take the slots that are free. */
export const PATIENCE_MS = 300_000;

export interface QueueEntry {
  readonly run: ActiveRun;
  readonly task: WaitingTask;
  readonly rank: number;
}

/**
 * The instant that a place in the queue is judged by, in milliseconds. It depends on nothing that changes: of two that wait,
 * the same one is always first.
 */
export const rankOf = (priority: number, queued: number): number => queued - priority * PRIORITY_STEP_MS;

export const entryOf = (run: ActiveRun, task: WaitingTask): QueueEntry => ({
  run,
  task,
  rank: rankOf(run.priority, task.queued),
});

/** The order of tasks for capacity: rank, then priority, then name. */
export const compareEntries = (a: QueueEntry, b: QueueEntry): number =>
  a.rank - b.rank || b.run.priority - a.run.priority || compareNames(a.run, b.run) || a.task.order - b.task.order;

/** The order of runs within a group: rank, then priority, then name. */
export const compareRuns = (a: ActiveRun, b: ActiveRun): number =>
  rankOf(a.priority, a.queued) - rankOf(b.priority, b.queued) || b.priority - a.priority || compareNames(a, b);

/** Which run was there first; this says which one's concurrency policy counts between two. */
export const compareArrivals = (a: ActiveRun, b: ActiveRun): number => a.queued - b.queued || compareNames(a, b);

/** By job, then by number. */
export const compareNames = (a: RunKey, b: RunKey): number => (a.job < b.job ? -1 : a.job > b.job ? 1 : a.run - b.run);
