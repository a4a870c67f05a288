import { setTimeout as delay } from 'node:timers/promises';

/** Time and chance as the parts of this folder need them; tests pass their own. */
export interface Clock {
  /** Milliseconds since 1970, as the machine's clock has it; it may jump. */
  now(): number;
  /** Milliseconds that never run backwards; they may stand still while the machine sleeps. */
  monotonic(): number;
  /** Resolves after so many milliseconds, or once the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 up to 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
  random: Math.random,
};

/** Where these parts tell what they do; a pino logger is one. No field holds a credential. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
