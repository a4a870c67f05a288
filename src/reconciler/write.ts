import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded } from '../errors.ts';
import type { LedgerChange } from '../ledger/port.ts';
import type { ReconcilerParts } from './ports.ts';

/** The longest pause between two tries to write the ledger. */
const RETRY_MOST_MS = 15_000;
const RETRY_STEP_MS = 1_000;

/**
 * Writes, and tries again what may work later, with a wait that grows by a second each time, for as long as `recordForMs`
 * says. `late` is called once, when it has been tried for `holdPodsForMs`.
 */
export async function writeWithin(
  parts: Pick<ReconcilerParts, 'ledger' | 'recordForMs' | 'holdPodsForMs' | 'emit'>,
  change: LedgerChange,
  signal: AbortSignal,
  late: () => Promise<void> = async () => undefined,
): Promise<string | null> {
  const began = performance.now();
  let isLate = false;
  for (let tries = 1; ; tries += 1) {
    try {
      return await parts.ledger.write(change, signal);
    } catch (error) {
      const tried = performance.now() - began;
      const again = isCoded(error) && error.errorClass === 'transient' && tried < parts.recordForMs;
      if (!again || signal.aborted) throw error;
      parts.emit({ kind: 'trouble', message: `the ledger can't be written, trying again: ${error.message}` });
      if (!isLate && tried >= parts.holdPodsForMs) {
        isLate = true;
        await late();
      }
      const pause = Math.min(RETRY_MOST_MS, tries * RETRY_STEP_MS, Math.max(RETRY_STEP_MS, parts.holdPodsForMs));
      await sleep(Math.max(error.retryAfterMs ?? 0, pause), undefined, { signal });
    }
  }
}
