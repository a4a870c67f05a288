import { messageOf, transientError } from '../../errors.ts';
import type { RunKey } from '../port.ts';
import type { Inventory } from './inventory.ts';
import type { ReleasePoint } from './points.ts';
import { deleteClaims, releaseRuns, RUNS_A_CALL } from './release.ts';
import { runName, type Scope, unopposed } from './scope.ts';

/**
 * Runs whose outcome is recorded. What is left of them in the cluster goes a moment later, that of many with one call;
 * their claims go an hour later. A process that ends before has lost nothing: the next one finds them recorded, and lets
 * go of them.
 */
export interface Releases {
  /** Takes runs in; does nothing for those that it has. */
  add(keys: readonly RunKey[]): void;
  has(key: RunKey): boolean;
  /** Returns once nothing of an earlier run of this name is left to be removed. Throws `ReleasePending` (transient). */
  makeWay(key: RunKey): Promise<void>;
  /** A run of this name has been started. */
  forget(key: RunKey): void;
  /** Lets go of all that waits, within a limit. */
  flush(): Promise<void>;
  /** The same; what is taken in afterwards waits for another flush. */
  close(): Promise<void>;
}

export interface ReleasesOptions {
  readonly scope: Scope;
  readonly inventory: Inventory;
  readonly keepsClaims: boolean;
  readonly reached: (point: ReleasePoint) => Promise<void>;
  readonly signal: AbortSignal;
}

/** How long a run waits for others; a pod that has ended costs nothing but its place in the list. */
const TOGETHER_MS = 10_000;
const RETRY_MS = 10_000;
/** Every process that might still start a run has read the ledger by then. */
const KEEP_CLAIM_MS = 3_600_000;
const SWEEP_MS = 60_000;
/** A successor waits until this process has ended, and does what is left; a command has none. */
const FLUSH_MS = { succeeded: 1_000, alone: 30_000 } as const;

interface Released {
  readonly key: RunKey;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export function createReleases({ scope, inventory, keepsClaims, reached, signal }: ReleasesOptions): Releases {
  const released = new Map<string, Released>();
  const waiting = new Map<string, RunKey>();
  let timer: NodeJS.Timeout | undefined;
  let work: Promise<void> = Promise.resolve();

  const letGo = async (given: AbortSignal): Promise<void> => {
    const keys = [...waiting.values()];
    if (keys.length === 0 || given.aborted) return;
    try {
      await releaseRuns(scope, inventory, keys, given, reached);
      if (!keepsClaims) await deleteClaims(scope, keys, given);
      for (const key of keys) {
        waiting.delete(runName(key));
        inventory.forget(key);
      }
    } catch (error) {
      if (given.aborted) return;
      scope.log.warn(
        { runs: keys.length, error: messageOf(error) },
        'recorded runs could not be let go of; tried again',
      );
      later(RETRY_MS);
    }
  };
  const now = (given: AbortSignal = signal): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    work = work.then(() => letGo(given));
    return work;
  };
  const later = (ms: number): void => {
    timer ??= setTimeout(() => void now(), ms).unref();
  };

  const sweepClaims = async (): Promise<void> => {
    const old = [...released.values()].filter(({ at }) => scope.clock.now() - at > KEEP_CLAIM_MS);
    const keys = old.map(({ key }) => key);
    await deleteClaims(scope, keys, signal);
    for (const key of keys) released.delete(runName(key));
  };
  const sweeper = setInterval(() => {
    sweepClaims().catch((error: unknown) => scope.log.warn({ error: messageOf(error) }, 'old claims were not removed'));
  }, SWEEP_MS).unref();
  const stop = (): void => {
    clearInterval(sweeper);
    clearTimeout(timer);
  };
  signal.addEventListener('abort', stop, { once: true });
  const flush = async (): Promise<void> => {
    const limit = AbortSignal.timeout(scope.authority === unopposed ? FLUSH_MS.alone : FLUSH_MS.succeeded);
    const over = new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([now(AbortSignal.any([signal, limit])), over]);
  };

  return {
    add(keys) {
      for (const key of keys) {
        const name = runName(key);
        if (released.has(name)) continue;
        released.set(name, { key, at: scope.clock.now() });
        waiting.set(name, key);
      }
      if (waiting.size >= RUNS_A_CALL) void now();
      else if (waiting.size > 0) later(TOGETHER_MS);
    },
    has: (key) => released.has(runName(key)),
    async makeWay(key) {
      if (waiting.has(runName(key))) await now();
      if (waiting.has(runName(key)))
        throw transientError('ReleasePending', `an earlier ${key.job} #${key.run} could not be removed yet`);
    },
    forget: (key) => void released.delete(runName(key)),
    flush,
    close() {
      stop();
      return flush();
    },
  };
}
