import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { ReconcilerParts } from './ports.ts';

/**
 * Looks at the ledger every `ledgerEveryMs`, and rings when something new is asked for there. What cannot be read is said once, and
 * asked again. Resolves when the signal aborts.
 */
export async function watchLedger(
  { ledger, ledgerEveryMs, emit }: Pick<ReconcilerParts, 'ledger' | 'ledgerEveryMs' | 'emit'>,
  ring: () => void,
  signal: AbortSignal,
): Promise<void> {
  let isSaid = false;
  let known = ledger.latest()?.requests;
  while (!signal.aborted) {
    await sleep(ledgerEveryMs * (0.9 + Math.random() * 0.2), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const { requests } = await ledger.read(signal);
      if (requests !== known && requests.size > 0) ring();
      known = requests;
      isSaid = false;
    } catch (error) {
      if (!isSaid && !signal.aborted)
        emit({ kind: 'trouble', message: `the ledger can't be read: ${messageOf(error)}` });
      isSaid = true;
    }
  }
}
