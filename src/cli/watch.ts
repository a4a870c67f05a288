import type { Logger } from 'pino';
import { isCoded, messageOf } from '../errors.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import { createWake } from '../reconciler/wake.ts';
import type { Source } from '../sources/port.ts';
import { EXIT } from './exit.ts';
import type { StopSignals } from './signals.ts';

const BACK_OFF_STEP_MS = 2_000;
const BACK_OFF_MOST_MS = 300_000;

export interface Watch {
  /** The source may have something new: looks now, whatever it waits for. */
  poke(): void;
  /**
   * Reconciles whenever the source changes, until a signal comes. What fails is said and tried again, later each time, or at
   * once when the source has changed; the last good revision stays in force meanwhile. Throws what trying again can't help.
   */
  run(stop: StopSignals): Promise<number>;
}

/** How long to wait after so many failures in a row, in milliseconds; with a jitter, `random` being from 0 to 1. */
export const backOffMs = (failures: number, random: number): number =>
  Math.min(BACK_OFF_MOST_MS, failures * BACK_OFF_STEP_MS) * (0.9 + random * 0.2);

/** A watch of a source that nobody has begun yet. */
export function createWatch(
  { source, reconciler }: { readonly source: Source; readonly reconciler: Reconciler },
  log: Logger,
  pauseAfter: (failures: number, random: number) => number = backOffMs,
): Watch {
  // What rings during a pass that fails is kept: that pass may have come too early for it.
  const pause = createWake();
  const poke = (): void => {
    reconciler.sourceChanged();
    pause.ring();
  };
  const options = { triggers: true, requests: [], goOn: true };
  return {
    poke,
    async run(stop) {
      const broken = new AbortController();
      const watching = source.watch(poke, stop.soft).catch((error: unknown) => broken.abort(error));
      const ending = AbortSignal.any([stop.hard, broken.signal]);
      let failures = 0;
      while (!stop.soft.aborted) {
        const began = performance.now();
        try {
          await reconciler.settle(options, stop.soft, ending);
        } catch (error) {
          if (ending.aborted || (isCoded(error) && error.errorClass === 'usage')) throw error;
          // What went well for long is not in a row with what failed before.
          if (performance.now() - began > BACK_OFF_MOST_MS) failures = 0;
          failures += 1;
          const ms = pauseAfter(failures, Math.random());
          log.error({ retryInMs: Math.round(ms) }, messageOf(error));
          await pause.wait(ms, AbortSignal.any([stop.soft, ending]));
        }
      }
      await watching;
      return EXIT.interrupted;
    },
  };
}
