import { isCoded, messageOf } from '../errors.ts';
import type { Ledger, LedgerView } from '../ledger/port.ts';

/** What the ledger says. */
export interface LedgerReading {
  readonly view: LedgerView;
  /** False: the ledger can't be read now, and this is what was read of it last. Nothing is to start on it. */
  readonly fresh: boolean;
}

export interface LedgerReader {
  /** Asks the remote; while it can't be reached, less and less often. Throws where nothing was ever read. */
  read(signal: AbortSignal): Promise<LedgerReading>;
}

const PAUSE_STEP_MS = 1_000;
const PAUSE_MOST_MS = 15_000;

/**
 * Reads a ledger that may be out of reach for a while: what ends meanwhile has to be put down all the same. `trouble` is told
 * of each failure; `elapsed` are milliseconds that never go back.
 */
export function createLedgerReader(
  ledger: Ledger,
  trouble: (message: string) => void,
  elapsed: () => number = () => performance.now(),
): LedgerReader {
  let failures = 0;
  let lastRead: LedgerView | null = null;
  let notBefore = 0;
  return {
    async read(signal) {
      const last = ledger.latest() ?? lastRead;
      if (last !== null && failures > 0 && elapsed() < notBefore) return { view: last, fresh: false };
      try {
        const view = (lastRead = await ledger.read(signal));
        failures = 0;
        return { view, fresh: true };
      } catch (error) {
        if (last === null || signal.aborted || !isCoded(error) || error.errorClass !== 'transient') throw error;
        failures += 1;
        notBefore = elapsed() + Math.min(PAUSE_MOST_MS, failures * PAUSE_STEP_MS);
        trouble(`the ledger can't be read, nothing starts: ${messageOf(error)}`);
        return { view: last, fresh: false };
      }
    },
  };
}
