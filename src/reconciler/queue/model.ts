import type { RunKey } from '../../runner/port.ts';
import type { Concurrency } from '../../schemas/index.ts';

export type ConcurrencyPolicy = NonNullable<Concurrency['policy']>;

/** A task that wants an attempt now. A task in the pause before a retry is not here yet. */
export interface WaitingTask {
  readonly name: string;
  /** Its place in the manifest's list of tasks. */
  readonly order: number;
  /** The units of the run's runner set that it takes; 1 or more. */
  readonly slots: number;
  /**
   * Since when it waits, in milliseconds since the epoch: the run's `queued`, or the end of the pause before a further
   * attempt.
   */
  readonly queued: number;
}

/** A run that has not ended: it waits, it is executed, or both, task by task. */
export interface ActiveRun extends RunKey {
  readonly priority: number;
  /** Milliseconds since the epoch; never changes. */
  readonly queued: number;
  /** `timeouts.queue` in milliseconds: from `queued` to the first pod. */
  readonly queueMs: number;
  readonly group: string;
  readonly policy: ConcurrencyPolicy;
  readonly maxParallel?: number | undefined;
  /** The runner set that its tasks need; absent: none. */
  readonly runnerSet?: string | undefined;
  /** Whether its first pod was created. From then on it holds its group until it has ended, in pauses between attempts too. */
  readonly begun: boolean;
  readonly waiting: readonly WaitingTask[];
  /** Its attempts that have not ended. */
  readonly running: readonly { readonly slots: number }[];
}

export interface Capacities {
  /** `Config.concurrency`: attempts of the source at once. */
  readonly attempts: number;
  /** The slots of each runner set that exists. */
  readonly sets: ReadonlyMap<string, number>;
  /** How many attempts each of them can have at once, however few slots they take; absent: as many as there are slots. */
  readonly runners?: ReadonlyMap<string, number>;
}

/** Everything that the decision depends on. All of it is read from live objects, the ledger and the manifests. */
export interface QueueInput {
  readonly runs: readonly ActiveRun[];
  readonly capacities: Capacities;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface TaskKey extends RunKey {
  readonly task: string;
}

/** What a task waits for. `describeWait` has a sentence for it. */
export type Wait =
  /** A run of its group that has begun or is before it; `run` of `job` is one such. */
  | ({ readonly kind: 'group'; readonly group: string } & RunKey)
  | { readonly kind: 'maxParallel'; readonly limit: number }
  | {
      readonly kind: 'slots';
      readonly runnerSet: string;
      readonly slots: number;
      readonly free: number;
      /** The task before it that the free slots are kept for. */
      readonly keptFor?: TaskKey;
    }
  /** The set has no further runner, whatever its slots. */
  | { readonly kind: 'runners'; readonly runnerSet: string; readonly limit: number }
  /** More than the set has in all. */
  | { readonly kind: 'tooBig'; readonly runnerSet: string; readonly slots: number; readonly capacity: number }
  | { readonly kind: 'noSet'; readonly runnerSet: string }
  | { readonly kind: 'attempts'; readonly used: number; readonly capacity: number };

export interface Waiting extends TaskKey {
  readonly for: Wait;
  /** Its place, from 1, among all that wait for the same. It changes often: for live display only. */
  readonly position: number;
}

/** A run that another one takes the place of. */
export interface Replaced extends RunKey {
  readonly group: string;
  readonly by: RunKey;
  /** True: it is being executed and has to be cancelled. False: it ends without a pod. Both with the reason Superseded. */
  readonly begun: boolean;
}

/** A run that ends without a pod, with the reason ConcurrencySkipped. */
export interface Skipped extends RunKey {
  readonly group: string;
  readonly because: RunKey;
}

/** A run that ends without a pod, with the reason QueueTimeout. */
export interface TimedOut extends RunKey {
  readonly waitedMs: number;
  /** What it waits for at its end; absent when that has just become free. */
  readonly for?: Wait;
}

export interface QueueDecision {
  /** The tasks that get an attempt now, in this order. */
  readonly starts: readonly TaskKey[];
  readonly replaced: readonly Replaced[];
  readonly skipped: readonly Skipped[];
  readonly timedOut: readonly TimedOut[];
  /** Every other task that waits, in the order of the queue. */
  readonly waiting: readonly Waiting[];
  /** When to decide again if nothing else happens: the next queue time-out, in milliseconds since the epoch. */
  readonly wakeAt: number | undefined;
}
