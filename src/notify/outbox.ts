import { type CodedError, isCoded, messageOf } from '../errors.ts';

/** Something to be sent to another system. Nothing depends on its arrival. */
export interface Delivery {
  /** What is put in under the same key takes the place of what has not been sent yet. */
  readonly key: string;
  /** What it is, for the log: never an address that is a secret. */
  readonly what: string;
  /** Whether a later delivery will say more: it waits a moment for that one, and is the first to go where room is short. */
  readonly isPassing: boolean;
  /** Sends it. Throws CodedErrors: transient ones are tried again, others are not. */
  readonly send: (signal: AbortSignal) => Promise<void>;
}

/** What became of a try, or of a delivery that was given up. */
export type DeliveryResult = 'sent' | 'retried' | 'dropped';

/**
 * What waits to be sent to one receiver, sent one after another. Putting something in never waits, whatever the receiver does.
 */
export interface Outbox {
  put(delivery: Delivery): void;
  /** How many wait, the one that is being sent included. */
  readonly size: number;
  /** Sends what can be sent within so many ms, and stops; what is left is said and dropped. */
  close(withinMs: number): Promise<void>;
}

export interface OutboxOptions {
  /** How many may wait. */
  readonly most?: number;
  /** The pause between two requests, in ms, such as GitHub asks for. */
  readonly paceMs?: number;
  /** How long something is tried, in ms, after which it is dropped. */
  readonly giveUpAfterMs?: number;
  /** How long one that is passing waits for a later one, in ms. */
  readonly lingerMs?: number;
  /** The pause after the first failure, in ms; it doubles with each further one in a row. */
  readonly backOffMs?: number;
  readonly mostBackOffMs?: number;
  readonly counted: (result: DeliveryResult) => void;
  /** Told of what is dropped, and of the first of failures in a row. */
  readonly warn: (details: Readonly<Record<string, unknown>>, message: string) => void;
  readonly now?: () => number;
  readonly random?: () => number;
}

interface Waiting {
  readonly delivery: Delivery;
  /** When it came, and from when on it may be sent: ms since 1970. */
  readonly since: number;
  readonly notBefore: number;
}

/** A receiver that names no end of its limit is asked again within this time. */
const MOST_WAIT_MS = 3_600_000;
const SAME_AGAIN_MS = 60_000;

export function createOutbox(options: OutboxOptions): Outbox {
  const { most = 1_000, paceMs = 0, giveUpAfterMs = 5_400_000, lingerMs = 2_000 } = options;
  const { backOffMs = 1_000, mostBackOffMs = 60_000, counted, warn, now = Date.now, random = Math.random } = options;
  const waiting = new Map<string, Waiting>(); // in the order they came
  const stop = new AbortController();
  let current: Delivery | undefined;
  let failures = 0;
  let openAt = 0;
  let isClosing = false;
  let timer: NodeJS.Timeout | undefined;
  let plannedFor = Number.POSITIVE_INFINITY; // when the next look is due, in ms since 1970
  let idle: (() => void) | undefined;
  let saidLast = { kind: '', at: 0 };

  const firstWaiting = (is: (item: Waiting) => boolean): Waiting | undefined => {
    for (const item of waiting.values()) if (is(item)) return item;
    return undefined;
  };

  const drop = ({ what }: Delivery, kind: string, why: string): void => {
    counted('dropped');
    // A token without a right fails for each job alike: once a minute is enough.
    const alike = kind === saidLast.kind && now() - saidLast.at < SAME_AGAIN_MS;
    if (alike) return;
    saidLast = { kind, at: now() };
    warn({ delivery: what }, `not sent: ${why}`);
  };

  const makeRoom = (): void => {
    if (waiting.size < most) return;
    const victim = firstWaiting(({ delivery }) => delivery.isPassing) ?? firstWaiting(() => true);
    if (!victim) return;
    waiting.delete(victim.delivery.key);
    drop(victim.delivery, 'full', `more than ${most} wait`);
  };

  /** Plans the next look, for when the first may be sent. */
  const plan = (): void => {
    clearTimeout(timer);
    plannedFor = Number.POSITIVE_INFINITY;
    if (current !== undefined || stop.signal.aborted) return;
    if (waiting.size === 0) {
      idle?.();
      return;
    }
    let first = Number.POSITIVE_INFINITY;
    for (const { notBefore } of waiting.values()) first = Math.min(first, isClosing ? 0 : notBefore);
    plannedFor = Math.max(first, openAt);
    timer = setTimeout(() => void work(), Math.max(0, plannedFor - now()));
  };

  const failed = (item: Waiting, error: CodedError | undefined, thrown: unknown): void => {
    const { delivery, since } = item;
    if (error?.errorClass !== 'transient') return drop(delivery, error?.code ?? '', explained(thrown));
    const wait = Math.min(error.retryAfterMs ?? 0, MOST_WAIT_MS);
    const backOff = Math.min(mostBackOffMs, backOffMs * 2 ** failures) * (0.8 + random() * 0.4);
    failures += 1;
    const at = now();
    openAt = at + Math.max(wait, backOff);
    if (waiting.has(delivery.key)) return counted('retried'); // a later one takes its place
    if (openAt - since > giveUpAfterMs)
      return drop(delivery, error.code, `given up after ${failures} failures: ${messageOf(thrown)}`);
    counted('retried');
    if (failures === 1) warn({ delivery: delivery.what }, `tried again: ${messageOf(thrown)}`);
    // Behind the others: if it alone can't be sent, they are not kept up by it.
    waiting.set(delivery.key, { ...item, notBefore: openAt });
  };

  const work = async (): Promise<void> => {
    const at = now();
    const item = firstWaiting(({ notBefore }) => isClosing || notBefore <= at);
    if (current !== undefined || !item || stop.signal.aborted) return plan();
    const { delivery } = item;
    waiting.delete(delivery.key);
    current = delivery;
    try {
      await delivery.send(stop.signal);
      counted('sent');
      failures = 0;
      openAt = now() + paceMs;
    } catch (error) {
      if (stop.signal.aborted) drop(delivery, 'end', 'the process ends');
      else failed(item, isCoded(error) ? error : undefined, error);
    } finally {
      current = undefined;
      plan();
    }
  };

  const size = (): number => waiting.size + (current === undefined ? 0 : 1);

  return {
    put(delivery) {
      if (isClosing) return;
      const known = waiting.get(delivery.key);
      // One that takes the place of another has its place in the row, too, and no more patience than a new one.
      if (!known) makeRoom();
      const at = now();
      const notBefore = delivery.isPassing ? at + lingerMs : at;
      waiting.set(delivery.key, { delivery, since: at, notBefore });
      if (Math.max(notBefore, openAt) < plannedFor) plan();
    },
    get size() {
      return size();
    },
    async close(withinMs) {
      isClosing = true;
      if (size() > 0) {
        const limit = setTimeout(() => idle?.(), withinMs);
        await new Promise<void>((resolve) => {
          idle = resolve;
          plan();
        });
        clearTimeout(limit);
      }
      stop.abort();
      clearTimeout(timer);
      for (const { delivery } of waiting.values()) drop(delivery, 'end', 'the process ends');
      waiting.clear();
    },
  };
}

function explained(error: unknown): string {
  return isCoded(error) && error.hint !== undefined ? `${error.message}; ${error.hint}` : messageOf(error);
}
