import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isCoded, messageOf } from '../errors.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { Source } from '../sources/port.ts';
import { EXIT } from './exit.ts';
import type { StopSignals } from './signals.ts';

const BACK_OFF_STEP_MS = 2_000;
const BACK_OFF_MOST_MS = 300_000;

/**
 * Reconciles whenever the source changes, until a signal comes. What fails is said and tried again, later each time; the last
 * good revision stays in force meanwhile.
 */
export async function watchLoop(
  { source, reconciler }: { readonly source: Source; readonly reconciler: Reconciler },
  stop: StopSignals,
  log: Logger,
): Promise<number> {
  const options = { triggers: true, requests: [], goOn: true };
  const broken = new AbortController();
  const watching = source
    .watch(() => reconciler.sourceChanged(), stop.soft)
    .catch((error: unknown) => broken.abort(error));
  const ending = AbortSignal.any([stop.hard, broken.signal]);
  for (let failures = 1; !stop.soft.aborted; failures += 1) {
    try {
      await reconciler.settle(options, stop.soft, ending);
    } catch (error) {
      if (ending.aborted || (isCoded(error) && error.errorClass === 'usage')) throw error;
      const pause = Math.min(BACK_OFF_MOST_MS, failures * BACK_OFF_STEP_MS) * (0.9 + Math.random() * 0.2);
      log.error({ retryInMs: Math.round(pause) }, messageOf(error));
      await sleep(pause, undefined, { signal: stop.soft }).catch(() => undefined);
    }
  }
  await watching;
  return EXIT.interrupted;
}
