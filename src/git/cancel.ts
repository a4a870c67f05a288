import { setTimeout as delay } from 'node:timers/promises';
import { transientError } from '../errors.ts';

/** The error for work that its caller's signal has ended. */
export const cancelled = (what: string) => transientError('Cancelled', `${what} was cancelled`);

/** Throws `Cancelled` once the signal has aborted. */
export function throwIfCancelled(signal: AbortSignal, what: string): void {
  if (signal.aborted) throw cancelled(what);
}

/** Waits for so many milliseconds; throws `Cancelled` when the signal aborts meanwhile. */
export async function pause(ms: number, signal: AbortSignal, what: string): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    throw cancelled(what);
  }
}
