import { deepStrictEqual } from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { type ActiveRun, decideQueue, type QueueInput } from '../src/reconciler/queue/index.ts';
import { startsByTheRules } from '../test/reconciler/queue-oracle.ts';
import { aRun, aTask, capacities, executed, MINUTE } from '../test/reconciler/queue-world.ts';
import { printReport, type Row } from './report.ts';

const TASKS = 10_000;
const ROUNDS = 200;
const NAIVE_ROUNDS = 5;
const NOW = Date.UTC(2026, 10, 20);

/**
 * One planning pass over 10,000 queued tasks. Goal: under 50 ms. Beside it, in the same run: the rules written down as they
 * are read, with everything sorted and looked at again after each start; both start the same tasks in the same order.
 */
export async function run(): Promise<void> {
  const worlds: readonly (readonly [string, QueueInput, boolean])[] = [
    ['runs of 4 tasks, 20 runner sets, 50 starts', mixed(), true],
    ['single runs, nothing can start', full(), false],
    ['single runs in one group', oneGroup(), false],
    ['single runs that all start', allStart(), false],
  ];
  const rows = worlds.flatMap(([name, input, compared]): readonly Row[] => {
    const naive = compared ? measure(() => startsByTheRules(input), NAIVE_ROUNDS) : undefined;
    if (naive) deepStrictEqual(decideQueue(input).starts, startsByTheRules(input));
    const values = measure(() => decideQueue(input), ROUNDS);
    const goal = { unit: 'ms', goal: 50 } as const;
    const row: Row = { name, values, ...goal, ...(naive && { against: naive }) };
    return naive ? [row, { name: 'the same, sorted again after each start', unit: 'ms', values: naive }] : [row];
  });
  printReport('queue', `a pass over ${TASKS} queued tasks`, rows);
}

function measure(work: () => unknown, rounds: number): readonly number[] {
  return Array.from({ length: rounds }, () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  });
}

/** Instants in no order, as runs are listed by job. */
const queuedAt = (index: number): number => NOW - ((index * 7_919) % 60) * MINUTE - (index % 977);

function mixed(): QueueInput {
  const sets = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`set-${index}`, 40]));
  const waiting = Array.from({ length: TASKS / 4 }, (_, index): ActiveRun => {
    const queued = queuedAt(index);
    return aRun(`job-${index % 500}`, index, queued, {
      priority: index % 3,
      group: `job-${index % 500}`,
      policy: index % 5 === 0 ? 'allow' : 'queue',
      maxParallel: index % 2 === 0 ? 2 : undefined,
      runnerSet: index % 4 === 0 ? undefined : `set-${index % 20}`,
      waiting: Array.from({ length: 4 }, (_, order) => aTask(`t${order}`, order, queued, 1 + ((index + order) % 8))),
    });
  });
  const running = Array.from({ length: 50 }, (_, index) =>
    executed(aRun(`busy-${index}`, 1, NOW - MINUTE, { runnerSet: `set-${index % 20}` }), 8),
  );
  return { runs: [...waiting, ...running], capacities: capacities(100, sets), now: NOW };
}

const singles = (more: Partial<ActiveRun> = {}): readonly ActiveRun[] =>
  Array.from({ length: TASKS }, (_, index) => aRun(`job-${index}`, 1, queuedAt(index), more));

const full = (): QueueInput => ({ runs: singles(), capacities: capacities(0), now: NOW });
const oneGroup = (): QueueInput => ({ runs: singles({ group: 'one' }), capacities: capacities(100), now: NOW });
const allStart = (): QueueInput => ({ runs: singles(), capacities: capacities(TASKS), now: NOW });
