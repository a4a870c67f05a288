import type { Reason } from '../../../schemas/index.ts';

/** Why a runner did not start, or did not stay. */
export interface StartFailure {
  readonly reason: Reason;
  /** A sentence. */
  readonly message: string;
  /** Another try of the same will not help: what waits for the set need not wait any longer. */
  readonly isFinal: boolean;
}

/** The failures of a set since a runner of it was last ready. Moments are milliseconds since 1970. */
export interface Failures {
  /** Rounds of tries that failed in a row: of runners that were tried together, all count once. */
  readonly rounds: number;
  readonly at: number;
  /** Not earlier than this is the next one tried. */
  readonly retryAt: number;
  readonly last: StartFailure;
}

/** The pause after the first failure, the second, …; the last one stays. */
export const BACK_OFF_MS: readonly number[] = [0, 5_000, 10_000, 20_000, 40_000, 80_000];

/** The failures with one more: of a runner that was tried at `tried`, and was found to have failed `now`. */
export function withFailure(before: Failures | null, tried: number, now: number, last: StartFailure): Failures {
  // What was tried before the last failure was known has nothing new to say about how long to wait.
  if (before && tried <= before.at) return { ...before, last: last.isFinal ? last : before.last };
  const rounds = (before?.rounds ?? 0) + 1;
  const pause = BACK_OFF_MS[Math.min(rounds, BACK_OFF_MS.length) - 1] ?? 0;
  return { rounds, at: now, retryAt: now + pause, last };
}
