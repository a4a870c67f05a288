import type { LiveRun } from '../runner/port.ts';
import type { Runs } from './chain.ts';
import { dispatch, type RunWait } from './dispatch.ts';

export interface WaitingInput extends Runs {
  /** All that is claimed, whoever executes it. */
  readonly live: readonly LiveRun[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * What the runs wait for that have not begun, as whoever executes them decides it. Pure. They are taken to have been given all the
 * capacity that there is: how much that is, only their own process knows.
 */
export function waitingRuns({ live, now, ...runs }: WaitingInput): readonly RunWait[] {
  const running = live.flatMap(({ attempts }) => attempts.filter(({ ending }) => ending === null)).length;
  const capacities = { attempts: running > 0 ? running : Number.POSITIVE_INFINITY, sets: new Map<string, number>() };
  const all = live.map((run) => ({ ...run, mine: true }));
  return [...dispatch({ ...runs, live: all, capacities, now }).waits.values()];
}
