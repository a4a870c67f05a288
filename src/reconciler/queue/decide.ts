import { applyPolicies, type GroupWait, groupWaits } from './groups.ts';
import type { ActiveRun, QueueDecision, QueueInput, TaskKey, TimedOut, Wait, Waiting } from './model.ts';
import { compareEntries, compareRuns, entryOf, type QueueEntry } from './order.ts';
import { createPools, impossible, keyOf } from './pools.ts';

/**
 * Decides what starts, what ends without a pod and what goes on waiting, and for what. Pure: it depends on its argument
 * alone, and not on the order of the runs in it. Asked again after what it said was done, it has nothing to add.
 * docs/queueing.md states the rules.
 */
export function decideQueue(input: QueueInput): QueueDecision {
  const { capacities, now } = input;
  // Sorted once: all that follows keeps this order, and sorting what is nearly sorted costs little.
  const runs = input.runs.toSorted(compareRuns);
  const present = runs.filter((run) => !isExpired(run, now));
  const expired = runs.filter((run) => isExpired(run, now));
  const { replaced, skipped, left } = applyPolicies(present);
  const askers = left.filter(({ begun }) => !begun);
  const gone = new Set(expired);
  const both = expired.length === 0 ? askers : [...askers, ...expired].sort(compareRuns);
  const groups = groupWaits(
    present.filter(({ begun }) => begun),
    both,
    // What can't start as things are holds nobody up.
    (run) => !gone.has(run) && run.waiting.some((task) => !impossible(run, task, capacities)),
  );
  const walked = walk([...left, ...expired], gone, groups, input);
  const wakeAt = askers.reduce((least, { queued, queueMs }) => Math.min(least, queued + queueMs), Infinity);
  return { ...walked, replaced, skipped, wakeAt: Number.isFinite(wakeAt) ? wakeAt : undefined };
}

const isExpired = ({ begun, queued, queueMs }: ActiveRun, now: number): boolean => !begun && now - queued >= queueMs;

/** Goes through the tasks in the order of the queue, once. Of an expired run it finds out only what it waited for. */
function walk(
  runs: readonly ActiveRun[],
  expired: ReadonlySet<ActiveRun>,
  groups: ReadonlyMap<ActiveRun, GroupWait>,
  { runs: all, capacities, now }: QueueInput,
): Pick<QueueDecision, 'starts' | 'waiting' | 'timedOut'> {
  const pools = createPools(all, capacities, now);
  const starts: TaskKey[] = [];
  const waiting: Waiting[] = [];
  const causes = new Map<ActiveRun, Wait | undefined>();
  const place = createPlaces();
  for (const entry of entriesOf(runs)) {
    const { run, task } = entry;
    const group = groups.get(run);
    const wait = impossible(run, task, capacities) ?? group?.wait ?? pools.wait(entry);
    if (expired.has(run)) {
      if (!causes.has(run)) causes.set(run, wait);
    } else if (wait) {
      pools.keep(entry, wait);
      const position = group && wait === group.wait ? group.position : place(entry, wait);
      waiting.push({ ...keyOf(entry), for: wait, position });
    } else {
      pools.take(entry);
      starts.push(keyOf(entry));
    }
  }
  const timedOut = [...expired].map((run) => timedOutOf(run, now, causes.get(run)));
  return { starts, waiting, timedOut };
}

const entriesOf = (runs: readonly ActiveRun[]): readonly QueueEntry[] =>
  runs.flatMap((run) => run.waiting.map((task) => entryOf(run, task))).sort(compareEntries);

const timedOutOf = ({ job, run, queued }: ActiveRun, now: number, wait: Wait | undefined): TimedOut => ({
  job,
  run,
  waitedMs: now - queued,
  ...(wait && { for: wait }),
});

/** Counts those that wait for the same: for the tasks of their run, for a runner set, for the source. */
function createPlaces(): (entry: QueueEntry, wait: Wait) => number {
  const sets = new Map<string, number>();
  const others = new Map<ActiveRun | 'source', number>();
  return ({ run }, { kind }) => {
    if (run.runnerSet !== undefined && kind !== 'maxParallel' && kind !== 'attempts') return next(sets, run.runnerSet);
    return next(others, kind === 'maxParallel' ? run : 'source');
  };
}

function next<T>(counts: Map<T, number>, line: T): number {
  const position = (counts.get(line) ?? 0) + 1;
  counts.set(line, position);
  return position;
}
