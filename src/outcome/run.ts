import type { Result } from '../schemas/index.ts';
import type { Judgement } from './judge.ts';

/** From worst to best, as a fan-out takes its result (the job reference, Execution). */
export const WORST_FIRST: readonly Result[] = [
  'error',
  'timed-out',
  'failed',
  'cancelled',
  'warning',
  'succeeded',
  'skipped',
];

/** What a run without any attempt amounts to: something ended it, and nothing was seen. */
const NOTHING_SEEN: Judgement = {
  result: 'error',
  reason: 'ControllerLost',
  message: 'the run ended without an attempt that anything is known of',
  exitCode: null,
  step: null,
};

/** A task ends like its last attempt. */
export const judgeTask = (attempts: readonly Judgement[]): Judgement => attempts.at(-1) ?? NOTHING_SEEN;

/**
 * The index of the task that decides: the first with the worst result. Tasks that `abort` cancelled count only where
 * there are no others; -1 without tasks.
 */
export function decidingTask(tasks: readonly Judgement[]): number {
  const counts = ({ result, reason }: Judgement): boolean => result !== 'cancelled' || reason !== 'Aborted';
  const considered = tasks.some(counts) ? counts : () => true;
  for (const result of WORST_FIRST) {
    const index = tasks.findIndex((task) => task.result === result && considered(task));
    if (index >= 0) return index;
  }
  return -1;
}

/** The result of a run: that of the task which decides, with its reason, message, exit code and step. */
export const judgeRun = (tasks: readonly Judgement[]): Judgement => tasks[decidingTask(tasks)] ?? NOTHING_SEEN;
