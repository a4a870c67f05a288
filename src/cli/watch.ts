import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isCoded, messageOf } from '../errors.ts';
import type { SettleOptions } from '../reconciler/ports.ts';
import { createWake } from '../reconciler/wake.ts';
import { EXIT } from './exit.ts';
import type { StopSignals } from './signals.ts';
import type { Workshop } from './workshop.ts';

/** A source is looked at this often even if nobody says that it changed. */
const RESYNC_MS = 600_000;
const BACK_OFF_STEP_MS = 2_000;
const BACK_OFF_MOST_MS = 300_000;

/**
 * Reconciles whenever the source changes, until a signal comes. A pass that fails is said and tried again, later each time;
 * the last good revision stays in force meanwhile.
 */
export async function watchLoop(
  workshop: Workshop,
  options: SettleOptions,
  stop: StopSignals,
  log: Logger,
): Promise<number> {
  const wake = createWake();
  const watching = workshop.repository.source.watch(() => wake.ring(), stop.soft);
  let failures = 0;
  let watchFailed: Error | undefined;
  watching.catch((error: unknown) => {
    watchFailed = error instanceof Error ? error : new Error(String(error));
    wake.ring();
  });
  while (!stop.soft.aborted) {
    if (watchFailed !== undefined) throw watchFailed;
    try {
      await workshop.reconciler.settle(options, stop.soft, stop.hard);
      failures = 0;
    } catch (error) {
      if (stop.hard.aborted || (isCoded(error) && error.errorClass === 'usage')) throw error;
      failures += 1;
      const pause = Math.min(BACK_OFF_MOST_MS, failures * BACK_OFF_STEP_MS) * (0.9 + Math.random() * 0.2);
      log.error({ retryInMs: Math.round(pause) }, messageOf(error));
      await sleep(pause, undefined, { signal: stop.soft }).catch(() => undefined);
      continue;
    }
    if (!stop.soft.aborted) await wake.wait(RESYNC_MS, stop.soft);
  }
  await watching.catch(() => undefined);
  return EXIT.interrupted;
}
