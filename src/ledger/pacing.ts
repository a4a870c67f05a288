/**
 * How writers share one branch. A try that lost its race has cost the server nearly as much as one that won, so what counts
 * is that few try at the same time; how many others there are, nobody knows. All waits are therefore measured in the
 * time that a try took: it grows by itself when the server is busy. Two rules bring fairness: who has lost more often
 * waits less, and who has won steps back for twice as long as it took, so that the others get their turn meanwhile, and
 * takes along at its next turn all that has finished by then.
 */

const SPREAD = 6;
const SENIORITY = 1 / 4;
const LONGEST_PAUSE_MS = 30_000;
const STEP_BACK = 2;
const LONGEST_STEP_BACK_MS = 10_000;
const FAULT_STEP_MS = 250;

/** The pause after a lost race. `lastedMs` is how long the try took; `tries` counts from 1; `random` is from 0 to below 1. */
export function pauseAfterRace(lastedMs: number, tries: number, random: number): number {
  return random * Math.min(LONGEST_PAUSE_MS, (SPREAD * lastedMs) / (1 + SENIORITY * (tries - 1)));
}

/** The pause after a fault of the network or server; `askedMs` is what the server asked for. */
export function pauseAfterFault(faults: number, askedMs: number, random: number): number {
  return askedMs + FAULT_STEP_MS * faults * (0.5 + random / 2);
}

/** For how long to step back after a success that took `tookMs` from its first try on, lost races included. */
export function stepBack(tookMs: number, lostRaces: number): number {
  return lostRaces === 0 ? 0 : Math.min(LONGEST_STEP_BACK_MS, STEP_BACK * tookMs);
}

/** For how long a writer that has met others leaves its changes for them, and does not try to push first. */
export const CROWDED_FOR_MS = 30_000;
const LOOK_LEAST_MS = 50;
/** A look costs the server a third of a push: fewer of them let the pusher get on, which is what is waited for. */
const LOOK_SPREAD = 2;
const PATIENCE = 5;
const PATIENCE_MOST = 8;
const PATIENCE_IN_ALL = 4;

/** The pause before a look at what was left, which took `lastedMs` to leave; `random` is from 0 to below 1. */
export function lookAfter(lastedMs: number, random: number): number {
  return Math.min(LONGEST_PAUSE_MS, (1 + random) * LOOK_SPREAD * Math.max(LOOK_LEAST_MS, lastedMs));
}

/**
 * Whether a writer has waited for others long enough, and pushes itself what it has left. `since` are the milliseconds since it
 * left that, and since somebody's changes were seen to be taken in: as long as that goes on, its turn will come.
 * `before` are those that were there earlier: they have their turn first, and before them whoever pushes already.
 */
export function isOutOfPatience(
  since: { readonly left: number; readonly progress: number },
  lastedMs: number,
  before: number,
): boolean {
  const patience = (1 + Math.min(PATIENCE_MOST, before)) * PATIENCE * Math.max(LOOK_LEAST_MS, lastedMs);
  return Math.min(since.left, since.progress) >= patience || since.left >= PATIENCE_IN_ALL * patience;
}

/** When to look for more of what others have left, after a round for them that took `tookMs`: they need about as long to leave it. */
export function serveAfter(tookMs: number): number {
  return Math.min(LONGEST_PAUSE_MS, Math.max(LOOK_LEAST_MS, tookMs));
}
