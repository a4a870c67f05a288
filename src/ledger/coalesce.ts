import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded, messageOf, transientError } from '../errors.ts';

/** One call that waits to be done. */
export interface Turn<Item, Result> {
  readonly item: Item;
  /** True once a try has sent it off, whatever became of that. */
  sent: boolean;
  /** Both do nothing once the call is settled. */
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface Retry {
  readonly waiting: number;
  readonly tries: number;
  readonly pauseMs: number;
  readonly error: unknown;
}

export interface CoalescerOptions<Item, Result> {
  /** Settles what it can of the batch; throws when the rest has to be tried again. `tries` counts from 1. */
  readonly attempt: (batch: readonly Turn<Item, Result>[], tries: number, signal: AbortSignal) => Promise<void>;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** For how many milliseconds a call is tried again. */
  readonly limitMs: number;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly onRetry?: (retry: Retry) => void;
}

/** The longest pause grows by this with each try up to the bound: linear, so that nobody is left behind for long. */
const PAUSE_STEP_MS = 100;
const PAUSE_BOUND_MS = 1500;
/** How often a fault other than a lost race is tried before the callers hear of it: they have their own back-off. */
const FAULT_TRIES = 3;

/**
 * Calls that come while one attempt is under way wait, and go together into the next one, and so do those that have to be
 * tried again. A call rejects with its signal's reason when that aborts, with `LedgerBusy` (transient) when the limit is
 * over, and with whatever else `attempt` threw.
 */
export function createCoalescer<Item, Result>(
  options: CoalescerOptions<Item, Result>,
): (item: Item, signal: AbortSignal) => Promise<Result> {
  const waiting = new Map<Turn<Item, Result>, { readonly signal: AbortSignal; readonly limit: AbortSignal }>();
  let running = false;

  const giveUp = (batch: readonly Turn<Item, Result>[], error: unknown, faults: number): void => {
    for (const turn of batch) {
      const overdue = waiting.get(turn)?.limit.aborted ?? false;
      const again =
        isCoded(error, 'RefMoved') || (isCoded(error) && error.errorClass === 'transient' && faults < FAULT_TRIES);
      if (options.signal.aborted) turn.reject(options.signal.reason);
      else if (overdue) turn.reject(busy(options.limitMs, error));
      else if (!again) turn.reject(error);
    }
  };

  const pause = async (tries: number, error: unknown): Promise<void> => {
    const asked = isCoded(error) ? (error.retryAfterMs ?? 0) : 0;
    const pauseMs = Math.min(
      options.limitMs,
      asked + options.random() * Math.min(PAUSE_BOUND_MS, PAUSE_STEP_MS * tries),
    );
    options.onRetry?.({ waiting: waiting.size, tries, pauseMs, error });
    await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => undefined);
  };

  const run = async (): Promise<void> => {
    let [tries, faults] = [0, 0];
    while (waiting.size > 0) {
      const batch = [...waiting.keys()];
      tries += 1;
      const flight = inFlight([...waiting.values()], options);
      try {
        await options.attempt(batch, tries, flight.signal);
        [tries, faults] = [0, 0];
      } catch (error) {
        faults += isCoded(error, 'RefMoved') ? 0 : 1;
        giveUp(batch, error, faults);
        if (waiting.size > 0) await pause(tries, error);
        if (!batch.some((turn) => waiting.has(turn))) [tries, faults] = [0, 0];
      } finally {
        flight.end();
      }
    }
    running = false;
  };

  return (item, signal) =>
    new Promise<Result>((resolve, reject) => {
      const settle = (act: () => void): void => {
        signal.removeEventListener('abort', aborted);
        if (waiting.delete(turn)) act();
      };
      const aborted = (): void => turn.reject(signal.reason);
      const turn: Turn<Item, Result> = {
        item,
        sent: false,
        resolve: (result) => settle(() => resolve(result)),
        reject: (error) => settle(() => reject(error)),
      };
      waiting.set(turn, { signal, limit: AbortSignal.timeout(options.limitMs) });
      signal.addEventListener('abort', aborted);
      if (signal.aborted) aborted();
      else if (!running) {
        running = true;
        // Calls made in the same turn of the event loop go together.
        queueMicrotask(() => void run());
      }
    });
}

/** A signal for one attempt: it aborts at the end of everything, at the limit, or when no caller waits any more. */
function inFlight(
  callers: readonly { readonly signal: AbortSignal }[],
  options: { readonly signal: AbortSignal; readonly limitMs: number },
): { readonly signal: AbortSignal; end(): void } {
  const alone = new AbortController();
  const check = (): void => {
    if (callers.every(({ signal }) => signal.aborted)) alone.abort(callers[0]?.signal.reason);
  };
  for (const { signal } of callers) signal.addEventListener('abort', check);
  return {
    signal: AbortSignal.any([options.signal, alone.signal, AbortSignal.timeout(options.limitMs)]),
    end: () => {
      for (const { signal } of callers) signal.removeEventListener('abort', check);
    },
  };
}

const busy = (limitMs: number, cause: unknown): Error =>
  transientError(
    'LedgerBusy',
    `the ledger took no change within ${Math.round(limitMs / 1000)} s: ${messageOf(cause)}`,
    {
      hint: 'nothing is lost: it is tried again; many writers share this branch, or its remote is slow',
      cause,
    },
  );
