import { eachOf } from '../each-of.ts';
import type { LiveRun } from '../runner/port.ts';
import type { PlannedAction } from '../schemas/index.ts';

/** A run that is planned, and as it is going to be once it is claimed. */
export interface PlannedRun {
  readonly action: PlannedAction;
  readonly run: LiveRun;
}

/** Claims runs when it is their turn, those of one job in the order of their numbers: who is cut off leaves only later ones. */
export interface Claims {
  /** Whether the run is claimed, now if it was not; true for one that needs no claim. */
  claim(run: LiveRun): Promise<boolean>;
  /** Claims those whose turn has not come. */
  rest(): Promise<void>;
}

/** How many runs are claimed at the same time. */
const CLAIMS_AT_ONCE = 16;

/**
 * Claims for planned runs. `claimOne` claims one, and says whether it could; it is asked once for each, and for none of a job
 * after the first that it could not.
 */
export function createClaims(
  planned: readonly PlannedRun[],
  claimOne: (planned: PlannedRun) => Promise<boolean>,
): Claims {
  const turns = new Map<LiveRun, () => Promise<boolean>>();
  const lastOf = new Map<string, () => Promise<boolean>>();
  for (const one of planned) {
    const before = lastOf.get(one.action.job);
    let turn: Promise<boolean> | undefined;
    const claim = async (): Promise<boolean> => (before ? await before() : true) && claimOne(one);
    const once = (): Promise<boolean> => (turn ??= claim());
    turns.set(one.run, once);
    lastOf.set(one.action.job, once);
  }
  return {
    claim: async (run) => (await turns.get(run)?.()) ?? true,
    rest: () => eachOf([...turns.values()], CLAIMS_AT_ONCE, async (once) => void (await once())),
  };
}
