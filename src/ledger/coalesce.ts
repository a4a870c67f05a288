import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded, messageOf, transientError } from '../errors.ts';
import { pauseAfterFault, pauseAfterRace, stepBack } from './pacing.ts';

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
  /** Settles what it can of what is `waiting`, now or later; throws when the rest has to be tried again. `tries` counts from 1. */
  readonly attempt: (waiting: () => readonly Turn<Item, Result>[], tries: number, signal: AbortSignal) => Promise<void>;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** For how many milliseconds a call is tried again. */
  readonly limitMs: number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Milliseconds from any fixed point; never goes back. */
  readonly elapsed: () => number;
  readonly onRetry?: (retry: Retry) => void;
}

/** How often a fault other than a lost race is tried before the callers hear of it: they have their own back-off. */
const FAULT_TRIES = 3;

interface Count {
  races: number;
  faults: number;
}

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
  let notBefore = Number.NEGATIVE_INFINITY;

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

  const wait = async (ms: number): Promise<void> => {
    if (ms > 0) await sleep(ms, undefined, { signal: options.signal }).catch(() => undefined);
  };

  const pause = async (count: Count, lastedMs: number, error: unknown): Promise<void> => {
    const asked = isCoded(error) ? (error.retryAfterMs ?? 0) : 0;
    const pauseMs = isCoded(error, 'RefMoved')
      ? pauseAfterRace(lastedMs, count.races, options.random())
      : pauseAfterFault(count.faults, asked, options.random());
    options.onRetry?.({ waiting: waiting.size, tries: count.races + count.faults, pauseMs, error });
    await wait(Math.min(pauseMs, options.limitMs));
  };

  /** Tries until all of the first batch, and what has joined it, is settled. Returns how long to step back then. */
  const round = async (): Promise<number> => {
    const [count, began] = [{ races: 0, faults: 0 }, options.elapsed()];
    while (waiting.size > 0) {
      const batch = [...waiting.keys()];
      const flight = inFlight([...waiting.values()], options);
      const started = options.elapsed();
      try {
        await options.attempt(() => [...waiting.keys()], count.races + count.faults + 1, flight.signal);
        return stepBack(options.elapsed() - began, count.races);
      } catch (error) {
        count[isCoded(error, 'RefMoved') ? 'races' : 'faults'] += 1;
        giveUp(batch, error, count.faults);
        if (!batch.some((turn) => waiting.has(turn))) return 0;
        await pause(count, options.elapsed() - started, error);
      } finally {
        flight.end();
      }
    }
    return 0;
  };

  const run = async (): Promise<void> => {
    while (waiting.size > 0) {
      await wait(notBefore - options.elapsed());
      const back = await round();
      notBefore = options.elapsed() + back;
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
