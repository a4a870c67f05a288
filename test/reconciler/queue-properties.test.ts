// test-timeout: 300s
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ActiveRun,
  type Capacities,
  decideQueue,
  PATIENCE_MS,
  PRIORITY_STEP_MS,
} from '../../src/reconciler/queue/index.ts';
import { startsByTheRules } from './queue-oracle.ts';
import {
  applied,
  aRun,
  aTask,
  capacities,
  HOUR,
  MINUTE,
  nameOf,
  SECOND,
  simulate,
  type SimulatedRun,
} from './queue-world.ts';

const NOW = Date.UTC(2026, 10, 20);
const SETS = ['small', 'large', 'absent'] as const;

/** Instants on both sides of every limit: patience, a step of priority, the queue time-out. */
const instants = fc.constantFrom(0, 1, MINUTE, PATIENCE_MS - 1, PATIENCE_MS, 59 * MINUTE, HOUR, HOUR + 1, 3 * HOUR);

const activeRuns: fc.Arbitrary<readonly ActiveRun[]> = fc
  .array(
    fc.record({
      job: fc.constantFrom('a', 'b', 'c'),
      age: instants,
      priority: fc.integer({ min: -2, max: 2 }),
      queueMs: fc.constantFrom(MINUTE, HOUR, 9 * HOUR),
      group: fc.constantFrom('g', 'h', 'own'),
      policy: fc.constantFrom<ActiveRun['policy'][]>('queue', 'queue', 'replace', 'skip', 'allow'),
      maxParallel: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      runnerSet: fc.option(fc.constantFrom(...SETS), { nil: undefined }),
      begun: fc.boolean(),
      waiting: fc.array(fc.record({ age: instants, slots: fc.integer({ min: 1, max: 5 }) }), { maxLength: 4 }),
      running: fc.array(fc.record({ slots: fc.integer({ min: 1, max: 3 }) }), { maxLength: 2 }),
    }),
    { maxLength: 14 },
  )
  .map((drafts) =>
    drafts.map(({ age, waiting, begun, running, ...draft }, index): ActiveRun => ({
      ...draft,
      run: index,
      group: draft.group === 'own' ? `${draft.job}/${index}` : draft.group,
      queued: NOW - age,
      begun,
      running: begun ? running : [],
      waiting: waiting.map((task, order) => aTask(`t${order}`, order, NOW - Math.min(age, task.age), task.slots)),
    })),
  );

const anyCapacities = fc
  .record({ attempts: fc.nat(12), small: fc.nat(4), large: fc.nat(10) })
  .map(({ attempts, small, large }) => capacities(attempts, { small, large }));

const passes = suite('one pass');

passes('starts what the rules say, in their order', () => {
  fc.assert(
    fc.property(activeRuns, anyCapacities, (runs, available) => {
      const input = { runs, capacities: available, now: NOW };
      assert.equal(decideQueue(input).starts, startsByTheRules(input));
    }),
    { numRuns: 2_000 },
  );
});

passes('does not depend on the order of its input', () => {
  const shuffled = activeRuns.chain((runs) =>
    fc.tuple(fc.constant(runs), fc.shuffledSubarray([...runs], { minLength: runs.length })),
  );
  fc.assert(
    fc.property(shuffled, anyCapacities, ([runs, others], available) => {
      const turned = others.map((run) => ({ ...run, waiting: run.waiting.toReversed() }));
      assert.equal(
        decideQueue({ runs: turned, capacities: available, now: NOW }),
        decideQueue({ runs, capacities: available, now: NOW }),
      );
    }),
    { numRuns: 500 },
  );
});

passes('has one answer for every task, and none for a task that is not there', () => {
  fc.assert(
    fc.property(activeRuns, anyCapacities, (runs, available) => {
      const { starts, waiting, replaced, skipped, timedOut } = decideQueue({ runs, capacities: available, now: NOW });
      const ended = new Set([...replaced, ...skipped, ...timedOut].map(nameOf));
      assert.is(ended.size, replaced.length + skipped.length + timedOut.length, 'a run ends in one way');
      const left = runs.filter((run) => !ended.has(nameOf(run)));
      const wanted = left.flatMap((run) => run.waiting.map(({ name }) => `${nameOf(run)}/${name}`));
      const answered = [...starts, ...waiting].map((each) => `${nameOf(each)}/${each.task}`);
      assert.equal(answered.toSorted(), wanted.toSorted());
    }),
    { numRuns: 500 },
  );
});

passes('has nothing to add once what it decided is done', () => {
  fc.assert(
    fc.property(activeRuns, anyCapacities, (runs, available) => {
      const first = decideQueue({ runs, capacities: available, now: NOW });
      const second = decideQueue({ runs: applied(runs, first), capacities: available, now: NOW });
      assert.equal([second.starts, second.skipped, second.timedOut], [[], [], []]);
      assert.equal(
        second.replaced,
        first.replaced.filter(({ begun }) => begun),
        'those that were cancelled have not ended yet',
      );
      const names = ({ waiting }: typeof first): readonly string[] =>
        waiting.map((each) => `${nameOf(each)}/${each.task}`);
      assert.equal(names(second), names(first));
    }),
    { numRuns: 1_000 },
  );
});

passes.run();

/** Small, fast numbers from a seed. */
function dice(seed: number): (sides: number) => number {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

interface Traffic {
  readonly tasks: number;
  /** All arrive within this time, at whole minutes. */
  readonly withinMinutes: number;
  readonly longestMinutes: number;
  /** Each with the most slots that a task takes of it. */
  readonly sets: Readonly<Record<string, number>>;
  readonly more?: (roll: (sides: number) => number) => Partial<ActiveRun>;
}

function traffic(seed: number, { tasks, withinMinutes, longestMinutes, sets, more }: Traffic): readonly SimulatedRun[] {
  const roll = dice(seed);
  const names = Object.keys(sets);
  const specs: SimulatedRun[] = [];
  for (let left = tasks; left > 0;) {
    const size = Math.min(left, roll(3) === 0 ? 1 + roll(16) : 1);
    left -= size;
    const queued = NOW + roll(withinMinutes) * MINUTE;
    const runnerSet = names.length === 0 ? undefined : names[roll(names.length)]!;
    const most = runnerSet === undefined ? 1 : sets[runnerSet]!;
    const waiting = Array.from({ length: size }, (_, order) =>
      aTask(`t${order}`, order, queued, roll(4) === 0 ? 1 + roll(most) : 1),
    );
    const run = aRun(`job${roll(50)}`, specs.length, queued, {
      runnerSet,
      waiting,
      priority: roll(5) - 2,
      ...more?.(roll),
    });
    const durations = new Map(waiting.map(({ name }) => [name, (1 + roll(longestMinutes)) * MINUTE]));
    specs.push({ run, durations });
  }
  return specs;
}

interface Lived {
  readonly rank: number;
  readonly queued: number;
  readonly start: number;
  /** Slots times milliseconds. */
  readonly work: number;
}

/** What became of every task, by runner set, in the order in which they started. */
function lived(specs: readonly SimulatedRun[], available: Capacities): ReadonlyMap<string, readonly Lived[]> {
  const endings = simulate(specs, available);
  const all = specs.flatMap(({ run, durations }) =>
    run.waiting.map(({ name, queued, slots }) => {
      const start = endings.get(nameOf(run))?.starts.get(name);
      assert.is.not(start, undefined, `${nameOf(run)} ${name} never started`);
      const rank = queued - run.priority * PRIORITY_STEP_MS;
      return { set: run.runnerSet ?? '', rank, queued, start: start!, work: slots * durations.get(name)! };
    }),
  );
  return Map.groupBy(
    all.sort((a, b) => a.start - b.start),
    ({ set }) => set,
  );
}

/**
 * The bound of docs/queueing.md. From `patience` after it was queued on, a task is passed by none that is behind it, and
 * at least `busy` units work for as long as it waits. So it starts when those before it and what ran already are done with.
 */
function assertBound(tasks: readonly Lived[], patience: number, busy: number, running: number): void {
  const done = [0];
  for (const { work } of tasks) done.push(done.at(-1)! + work);
  for (const [index, task] of tasks.entries()) {
    const from = task.queued + patience;
    let first = index;
    while (first > 0 && tasks[first - 1]!.start >= from) {
      first -= 1;
      const other = tasks[first]!;
      const passed = other.start < task.start && other.rank > task.rank;
      if (passed) assert.unreachable(`a task that was queued at ${task.queued} was passed at ${other.start}`);
    }
    const most = from + (done[index]! - done[first]! + running) / busy;
    if (task.start > most) assert.unreachable(`started at ${task.start}, later than ${most}`);
  }
}

const simulation = suite('10,000 tasks');

simulation('on runner sets: never over-committed, no big task starved, none passed once its patience is over', () => {
  const size: Readonly<Record<string, number>> = { small: 120, large: 200, tiny: 60 };
  const most: Readonly<Record<string, number>> = { small: 40, large: 100, tiny: 30 };
  const available = capacities(10_000, size);
  const specs = traffic(1, { tasks: 10_000, withinMinutes: 60, longestMinutes: 10, sets: most });
  for (const [set, tasks] of lived(specs, available)) {
    assertBound(tasks, PATIENCE_MS, size[set]! - most[set]! + 1, size[set]! * 10 * MINUTE);
  }
});

simulation('on the capacity of the source alone: no task is ever passed by one behind it', () => {
  const specs = traffic(3, { tasks: 10_000, withinMinutes: 30, longestMinutes: 6, sets: {} });
  for (const tasks of lived(specs, capacities(500)).values()) assertBound(tasks, 0, 500, 500 * 6 * MINUTE);
});

simulation('with groups, maxParallel and both capacities short: every run is worked off', () => {
  const specs = traffic(4, {
    tasks: 10_000,
    withinMinutes: 120,
    longestMinutes: 4,
    sets: { small: 10, large: 40 },
    more: (roll) => ({
      group: `group${roll(400)}`,
      policy: roll(4) === 0 ? 'allow' : 'queue',
      maxParallel: roll(2) === 0 ? undefined : 1 + roll(4),
    }),
  });
  const available = capacities(250, { small: 200, large: 300 });
  const again = simulate(specs.toReversed(), available);
  assert.equal(simulate(specs, available), again);
  assert.ok([...again.values()].every(({ end }) => end === 'ran'));
});

simulation.run();

const worlds = suite('random worlds, lived through');

worlds('every run ends in a way that its policy allows, and nothing is ever over-committed', () => {
  const seeds = fc.record({
    seed: fc.integer(),
    tasks: fc.integer({ min: 1, max: 60 }),
    groups: fc.constantFrom(2, 8),
  });
  fc.assert(
    fc.property(seeds, ({ seed, tasks, groups }) => {
      const specs = traffic(seed, {
        tasks,
        withinMinutes: 20,
        longestMinutes: 9,
        sets: { small: 4, large: 8 },
        more: (roll) => ({
          group: `group${roll(groups)}`,
          policy: (['queue', 'allow', 'replace', 'skip'] as const)[roll(4)]!,
          maxParallel: roll(2) === 0 ? undefined : 1 + roll(4),
          ...(roll(4) === 0 ? { queueMs: (1 + roll(20)) * MINUTE } : {}),
        }),
      });
      const endings = simulate(specs, capacities(6, { small: 4, large: 10 }));
      assert.is(endings.size, specs.length);
      for (const { run } of specs) {
        const { end, starts } = endings.get(nameOf(run))!;
        if (end === 'skipped') assert.is(run.policy, 'skip');
        if (end === 'replaced' || end === 'cancelled') {
          assert.ok(specs.some((other) => other.run.group === run.group && other.run.policy === 'replace'));
        }
        if (end === 'timedOut') assert.ok(run.queueMs <= 20 * MINUTE);
        if (end === 'ran') assert.is(starts.size, run.waiting.length);
        const latest = end === 'ran' ? Math.min(...starts.values()) : 0;
        assert.ok(latest < run.queued + run.queueMs, 'no first pod after the queue time-out');
      }
    }),
    { numRuns: 150 },
  );
});

worlds('without groups, a task starts within two longest durations for each task before it', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 80 }), (seed, tasks) => {
      const specs = traffic(seed, { tasks, withinMinutes: 15, longestMinutes: 9, sets: { small: 4, large: 10 } });
      const all = [...lived(specs, capacities(5, { small: 4, large: 10 })).values()].flat();
      for (const task of all) {
        const from = task.queued + PATIENCE_MS;
        const before = all.filter(
          ({ rank, start }) => rank <= task.rank && start >= from && start <= task.start,
        ).length;
        assert.ok(task.start <= from + 2 * 9 * MINUTE * before + 2 * 9 * MINUTE);
      }
    }),
    { numRuns: 100 },
  );
});

worlds.run();

const streams = suite('streams that never end');

/** A run every so often, for six hours: more than there is capacity for. */
const stream = (every: number, lasts: number, more: (index: number) => Partial<ActiveRun>): readonly SimulatedRun[] =>
  Array.from({ length: (6 * HOUR) / every }, (_, index) => ({
    run: aRun('stream', index, NOW + index * every, more(index)),
    durations: new Map([['default', lasts]]),
  }));

function waited(one: ActiveRun, others: readonly SimulatedRun[], available: Capacities): number {
  const durations = new Map(one.waiting.map(({ name }) => [name, MINUTE]));
  const { starts } = simulate([...others, { run: one, durations }], available).get(nameOf(one))!;
  return Math.min(...starts.values()) - one.queued;
}

streams('of small tasks: a task as big as the set starts once its patience and the longest small task are over', () => {
  const small = stream(20 * SECOND, 90 * SECOND, () => ({ runnerSet: 'small' }));
  const queued = NOW + HOUR;
  const big = aRun('big', 1, queued, { runnerSet: 'small', waiting: [aTask('default', 0, queued, 6)] });
  const time = waited(big, small, capacities(100, { small: 6 }));
  assert.ok(time >= PATIENCE_MS, 'small ones pass a young one');
  assert.ok(time <= PATIENCE_MS + 90 * SECOND, `waited ${time}`);
});

streams('of higher priority: it delays by an hour for each step, and no longer', () => {
  const urgent = stream(MINUTE, 2 * MINUTE, () => ({ priority: 3 }));
  const low = aRun('low', 1, NOW, { priority: 1 });
  const time = waited(low, urgent, capacities(1));
  assert.ok(time >= 2 * PRIORITY_STEP_MS, `waited ${time}`);
  // Two minutes for each that was queued within two hours, one a minute.
  assert.ok(time <= 2 * 2 * PRIORITY_STEP_MS + 4 * MINUTE, `waited ${time}`);
});

streams('of higher priority in one group: the same', () => {
  const urgent = stream(MINUTE, MINUTE, () => ({ priority: 1, group: 'g' }));
  const time = waited(aRun('low', 1, NOW, { group: 'g' }), urgent, capacities(10));
  assert.ok(time >= PRIORITY_STEP_MS && time <= PRIORITY_STEP_MS + 2 * MINUTE, `waited ${time}`);
});

streams('of runs with allow: one that excludes others waits only for those that were there before it', () => {
  const beside = stream(MINUTE, 5 * MINUTE, () => ({ policy: 'allow', group: 'g' }));
  const time = waited(aRun('alone', 1, NOW + HOUR, { group: 'g' }), beside, capacities(100));
  assert.ok(time > 0 && time <= 5 * MINUTE, `waited ${time}`);
});

streams.run();
