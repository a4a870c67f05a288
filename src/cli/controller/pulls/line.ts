import { isCoded } from '../../../errors.ts';
import { createWake } from '../../../reconciler/wake.ts';
import { backOffMs } from '../../watch.ts';

/** Work for pull requests, by their numbers: some at a time, for each one thing at a time. */
export interface Line {
  /** Has the work done, again if it is under way: what is under way is stopped first. */
  ask(number: number): void;
  isAtWork(number: number): boolean;
  /** Resolves when nothing is under way any more; nothing more is begun. */
  close(): Promise<void>;
}

export interface LineOptions {
  /** How many at a time. */
  readonly most: number;
  /** `stop` aborts when it is asked for again, or everything ends. What it throws is tried again, later each time. */
  readonly work: (number: number, stop: AbortSignal) => Promise<void>;
  /** Told of what was thrown. */
  readonly failed: (number: number, error: unknown, retryInMs: number) => void;
  readonly signal: AbortSignal;
  readonly pauseAfter?: (failures: number) => number;
}

export function createLine(options: LineOptions): Line {
  const { most, work, failed, signal, pauseAfter = (failures) => backOffMs(failures, Math.random()) } = options;
  const wanted = new Set<number>();
  const atWork = new Map<number, { readonly stop: AbortController; readonly done: Promise<void> }>();
  const failures = new Map<number, number>();
  const closing = new AbortController();
  const ending = AbortSignal.any([signal, closing.signal]);

  const attempt = async (number: number, stop: AbortSignal): Promise<void> => {
    try {
      await work(number, stop);
      failures.delete(number);
    } catch (error) {
      if (stop.aborted) return;
      const count = (failures.get(number) ?? 0) + 1;
      failures.set(number, count);
      const retryInMs = Math.max(pauseAfter(count), (isCoded(error) && error.retryAfterMs) || 0);
      failed(number, error, Math.round(retryInMs));
      const pause = createWake();
      void pause.wait(retryInMs, ending).then(() => {
        // Asked for in between, it is on its way already.
        if (failures.get(number) === count && !atWork.has(number)) ask(number);
      });
    }
  };
  const pump = (): void => {
    for (const number of wanted) {
      if (ending.aborted || atWork.size >= most) return;
      if (atWork.has(number)) continue;
      wanted.delete(number);
      const stop = new AbortController();
      const done = attempt(number, AbortSignal.any([ending, stop.signal])).finally(() => {
        atWork.delete(number);
        pump();
      });
      atWork.set(number, { stop, done });
    }
  };
  const ask = (number: number): void => {
    if (ending.aborted) return;
    wanted.add(number);
    atWork.get(number)?.stop.abort();
    pump();
  };
  return {
    ask,
    isAtWork: (number) => atWork.has(number) || wanted.has(number),
    async close() {
      closing.abort();
      await Promise.all(Array.from(atWork.values(), ({ done }) => done));
    },
  };
}
