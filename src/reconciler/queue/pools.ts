import type { ActiveRun, Capacities, TaskKey, Wait, WaitingTask } from './model.ts';
import { PATIENCE_MS, type QueueEntry } from './order.ts';

/** What is left of every capacity while the queue is gone through in its order. */
export interface Pools {
  /** What a task that is possible has to wait for; undefined: it may start. */
  wait(entry: QueueEntry): Wait | undefined;
  take(entry: QueueEntry): void;
  /** Keeps the free slots of its set from all that come after it, if it has waited for long enough. */
  keep(entry: QueueEntry, wait: Wait): void;
}

export const keyOf = ({ run: { job, run }, task }: QueueEntry): TaskKey => ({ job, run, task: task.name });

interface SetPool {
  free: number;
  /** Attempts that it can have besides. */
  runners: number;
  readonly limit: number;
  keptFor: TaskKey | undefined;
}

export function createPools(runs: readonly ActiveRun[], capacities: Capacities, now: number): Pools {
  const sets = new Map<string, SetPool>();
  for (const [name, free] of capacities.sets) {
    const limit = capacities.runners?.get(name) ?? Number.POSITIVE_INFINITY;
    sets.set(name, { free, runners: limit, limit, keptFor: undefined });
  }
  const parallel = new Map<ActiveRun, number>();
  let used = 0;

  const occupy = (run: ActiveRun, slots: number): void => {
    used += 1;
    parallel.set(run, (parallel.get(run) ?? 0) + 1);
    const set = run.runnerSet === undefined ? undefined : sets.get(run.runnerSet);
    if (!set) return;
    set.free -= slots;
    set.runners -= 1;
  };
  for (const run of runs) for (const { slots } of run.running) occupy(run, slots);

  return {
    wait({ run, task }) {
      const limit = run.maxParallel;
      if (limit !== undefined && (parallel.get(run) ?? 0) >= limit) return { kind: 'maxParallel', limit };
      const set = run.runnerSet === undefined ? undefined : sets.get(run.runnerSet);
      const short = run.runnerSet !== undefined && set && slotsWait(run.runnerSet, task.slots, set);
      if (short) return short;
      if (run.runnerSet !== undefined && set && set.runners <= 0)
        return { kind: 'runners', runnerSet: run.runnerSet, limit: set.limit };
      return used < capacities.attempts ? undefined : { kind: 'attempts', used, capacity: capacities.attempts };
    },
    take: ({ run, task }) => occupy(run, task.slots),
    keep(entry, wait) {
      if (wait.kind !== 'slots' || now - entry.task.queued < PATIENCE_MS) return;
      const set = sets.get(wait.runnerSet);
      if (set) set.keptFor ??= keyOf(entry);
    },
  };
}

function slotsWait(runnerSet: string, slots: number, { free, keptFor }: SetPool): Wait | undefined {
  if (slots <= free && !keptFor) return undefined;
  return { kind: 'slots', runnerSet, slots, free: Math.max(0, free), ...(keptFor && { keptFor }) };
}

/** What a task waits for that can't ever start with these capacities; undefined: it can. */
export function impossible({ runnerSet }: ActiveRun, { slots }: WaitingTask, { sets }: Capacities): Wait | undefined {
  if (runnerSet === undefined) return undefined;
  const capacity = sets.get(runnerSet);
  if (capacity === undefined) return { kind: 'noSet', runnerSet };
  return slots > capacity ? { kind: 'tooBig', runnerSet, slots, capacity } : undefined;
}
