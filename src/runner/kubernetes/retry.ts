import { CodedError, transientError } from '../../errors.ts';
import type { Clock } from './clock.ts';
import { cancelled } from './errors.ts';

/** Whether a request may reach the server twice without doing harm. */
export type Repeat = 'safe' | 'unsafe';

export interface RetryPolicy {
  /** The first try included. */
  readonly attempts: number;
  /** No further try begins this long after the first one began. */
  readonly withinMs: number;
}

const BASE_MS = 100;
const CAP_MS = 5_000;
const MAX_RETRY_AFTER_MS = 30_000;

/** Errors after which it is certain that the server did nothing. */
const NOTHING_DONE: ReadonlySet<string> = new Set([
  'TooManyRequests',
  'QuotaBusy',
  'NamespaceNotReady',
  'WebhookUnavailable',
  'ConnectionFailed',
]);

/** Whether another try of the same request can help and does no harm. */
export const mayRetry = (error: CodedError, repeat: Repeat): boolean =>
  error.errorClass === 'transient' &&
  error.code !== 'Cancelled' &&
  (repeat === 'safe' || NOTHING_DONE.has(error.code)) &&
  (error.retryAfterMs ?? 0) <= MAX_RETRY_AFTER_MS;

/**
 * How long to wait after the n-th failure (from 1): up to 100 ms, doubled each time up to 5 s, anywhere in its upper
 * half; after what the server asked for, where it asked, so that those that it turned away do not return together.
 */
export function backOffMs(failures: number, random: number, askedMs = 0): number {
  const step = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures - 1, 20));
  return askedMs + step * (0.5 + random / 2);
}

/**
 * Runs `work` until it succeeds, fails for a reason that another try cannot change, or the policy is used up.
 * Throws the last try's error.
 */
export async function withRetries<T>(
  work: () => Promise<T>,
  options: {
    readonly policy: RetryPolicy;
    readonly repeat: Repeat;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly doing: string;
  },
): Promise<T> {
  const { policy, repeat, clock, signal, doing } = options;
  const until = clock.monotonic() + policy.withinMs;
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CodedError) || !mayRetry(error, repeat) || failures >= policy.attempts) throw error;
      const wait = backOffMs(failures, clock.random(), error.retryAfterMs);
      if (clock.monotonic() + wait >= until) throw error;
      await clock.sleep(wait, signal);
      if (signal.aborted) throw cancelled(doing);
    }
  }
}

/**
 * The error of a create: where the server may have done it all the same, `CreateUncertain`, so that the caller reads
 * before it tries again.
 */
export function createError(error: CodedError, doing: string): CodedError {
  if (error.errorClass !== 'transient' || NOTHING_DONE.has(error.code) || error.code === 'Cancelled') return error;
  return transientError('CreateUncertain', `${error.message}; whether ${doing} took place is not known`, {
    cause: error,
    hint: 'Read the object before creating it again.',
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  });
}
