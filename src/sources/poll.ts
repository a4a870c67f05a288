import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, messageOf, transientError } from '../errors.ts';

/** Time as the poll loop needs it; tests pass their own. */
export interface PollClock {
  /** Resolves after so many ms, or once the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 to 1. */
  random(): number;
}

export interface PollNotice {
  readonly kind: 'pollFailed';
  readonly error: CodedError;
  readonly retryInMs: number;
}

export interface PollOptions {
  /** Looks, and says whether there is something new. */
  readonly look: (signal: AbortSignal) => Promise<boolean>;
  readonly changed: () => void;
  readonly intervalMs: number;
  readonly clock: PollClock;
  readonly notice: (notice: PollNotice) => void;
}

const JITTER = 0.1;
const MAX_BACK_OFF_MS = 300_000;

export const systemClock: PollClock = {
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
  random: Math.random,
};

/**
 * How long to wait after a failure, the n-th in a row: the interval, doubled each time up to 5 minutes (never below
 * the interval), and at least what the server asked for. What waits for a person is looked for at the usual pace.
 */
export function backOffMs(error: CodedError, failures: number, intervalMs: number): number {
  if (error.errorClass === 'waiting') return intervalMs;
  const doubled = intervalMs * 2 ** Math.min(failures, 30);
  return Math.max(Math.min(doubled, Math.max(MAX_BACK_OFF_MS, intervalMs)), error.retryAfterMs ?? 0);
}

const asCoded = (error: unknown): CodedError =>
  error instanceof CodedError ? error : transientError('PollFailed', messageOf(error), { cause: error });

/** Looks again and again until the signal aborts, with a jitter of ±10 % so that many pollers do not march in step. */
export async function poll(
  { look, changed, intervalMs, clock, notice }: PollOptions,
  signal: AbortSignal,
): Promise<void> {
  let wait = intervalMs;
  let failures = 0;
  while (!signal.aborted) {
    await clock.sleep(wait * (1 - JITTER + 2 * JITTER * clock.random()), signal);
    if (signal.aborted) return;
    try {
      if (await look(signal)) changed();
      failures = 0;
      wait = intervalMs;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const coded = asCoded(error);
      wait = backOffMs(coded, failures, intervalMs);
      notice({ kind: 'pollFailed', error: coded, retryInMs: wait });
    }
  }
}
