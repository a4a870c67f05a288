import { isCoded } from '../errors.ts';
import type { Crowd } from './crowd.ts';

/** After so many refs of ours that were not as we had left them, we take it that the server only words a refusal like that. */
const LEAVE_TRIES = 3;

export interface PushOrLeave {
  /** Pushes what waits. */
  readonly push: () => Promise<void>;
  /** Leaves what waits; false: there is something in it that nobody else can take in. */
  readonly leave: () => Promise<boolean>;
}

/**
 * Brings what waits into the ledger: with a push of its own, or in a crowd by leaving it. Null: `push` did it; else the commit
 * of another writer that holds what was left. Throws what both throw; a lost race only where nothing can be left.
 */
export async function pushOrLeave(
  crowd: Crowd,
  { push, leave }: PushOrLeave,
  signal: AbortSignal,
): Promise<string | null> {
  /** False after a lost race that can be met by leaving. */
  const pushes = async (): Promise<boolean> => {
    try {
      await push();
      return true;
    } catch (error) {
      if (isCoded(error, 'RefMoved') && crowd.isCrowded()) return false;
      throw error;
    }
  };
  /** False where it is not to be left. */
  const leaves = async (): Promise<boolean> => {
    for (let tries = 1; tries <= LEAVE_TRIES; tries += 1) {
      try {
        return await leave();
      } catch (error) {
        if (isCoded(error, 'AsideRefused')) break;
        if (!isCoded(error, 'RefMoved')) throw error;
      }
    }
    crowd.refused();
    return false;
  };

  try {
    if ((!crowd.isCrowded() || crowd.leads()) && (await pushes())) return null;
    while (await leaves()) {
      for (let isOurs = true; isOurs;) {
        const waited = await crowd.wait(signal);
        if (waited.kind === 'recorded') return waited.commit;
        if (await pushes()) return null;
        isOurs = waited.kind === 'ours';
      }
    }
    await push();
    return null;
  } finally {
    if (signal.aborted) await crowd.withdraw();
  }
}
