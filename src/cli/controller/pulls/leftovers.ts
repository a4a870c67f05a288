import type { Logger } from 'pino';
import { messageOf } from '../../../errors.ts';
import type { RunKey } from '../../../runner/port.ts';

/** Claims of pull requests whose runs are recorded: their passes end before it is time to remove them. */
export interface Leftovers {
  add(scope: string, keys: readonly RunKey[]): void;
  /** Removes those that have been kept for long enough; never rejects: what fails is tried at the next call. */
  sweep(signal: AbortSignal): Promise<void>;
}

export interface LeftoverOptions {
  /** Removes claims, and what they own. */
  readonly remove: (scope: string, keys: readonly RunKey[], signal: AbortSignal) => Promise<void>;
  /** How long claims are kept: every process that might still start a run has read the ledger by then. */
  readonly keepMs: number;
  readonly now: () => number;
  readonly log: Pick<Logger, 'warn'>;
}

export function createLeftovers({ remove, keepMs, now, log }: LeftoverOptions): Leftovers {
  let kept: { readonly scope: string; readonly key: RunKey; readonly at: number }[] = [];
  return {
    add: (scope, keys) => kept.push(...keys.map(({ job, run }) => ({ scope, key: { job, run }, at: now() }))),
    async sweep(signal) {
      const old = kept.filter(({ at }) => now() - at >= keepMs);
      for (const [scope, claims] of Map.groupBy(old, (one) => one.scope)) {
        try {
          await remove(
            scope,
            claims.map(({ key }) => key),
            signal,
          );
          const gone = new Set(claims);
          kept = kept.filter((one) => !gone.has(one));
        } catch (error) {
          if (!signal.aborted) log.warn({ scope, error: messageOf(error) }, 'old claims were not removed');
        }
      }
    },
  };
}
