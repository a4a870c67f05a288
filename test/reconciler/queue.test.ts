import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ActiveRun,
  type Capacities,
  decideQueue,
  describeReplaced,
  describeSkipped,
  describeTimedOut,
  describeWait,
  describeWaiting,
  PATIENCE_MS,
  PRIORITY_STEP_MS,
} from '../../src/reconciler/queue/index.ts';
import { aRun, aTask, capacities, executed, HOUR, MINUTE, nameOf } from './queue-world.ts';

const NOW = Date.UTC(2026, 10, 20);
const SMALL = 'linux-small';

const decide = (runs: readonly ActiveRun[], available: Capacities, now = NOW) =>
  decideQueue({ runs, capacities: available, now });
const started = (runs: readonly ActiveRun[], available: Capacities, now = NOW): readonly string[] =>
  decide(runs, available, now).starts.map(nameOf);
/** What each run waits for, as it is shown live. */
const waits = (runs: readonly ActiveRun[], available: Capacities, now = NOW): Readonly<Record<string, string>> =>
  Object.fromEntries(decide(runs, available, now).waiting.map((each) => [nameOf(each), describeWaiting(each)]));

const order = suite('order of the queue');

order('higher priority goes first, then the one that was queued first, then by name', () => {
  const runs = [
    aRun('b', 1, NOW),
    aRun('a', 2, NOW),
    aRun('a', 1, NOW),
    aRun('old', 1, NOW - MINUTE),
    aRun('urgent', 1, NOW, { priority: 1 }),
    aRun('low', 1, NOW - 59 * MINUTE, { priority: -1 }),
  ];
  assert.equal(started(runs, capacities(9)), ['urgent/1', 'old/1', 'a/1', 'a/2', 'b/1', 'low/1']);
});

order('an hour of waiting makes up for one of priority', () => {
  const urgent = aRun('urgent', 1, NOW, { priority: 2 });
  const since = (ms: number): readonly ActiveRun[] => [urgent, aRun('normal', 1, NOW - ms)];
  assert.equal(started(since(2 * PRIORITY_STEP_MS), capacities(1)), ['urgent/1']);
  assert.equal(started(since(2 * PRIORITY_STEP_MS + 1), capacities(1)), ['normal/1']);
});

order('tasks of a run start in the order of the manifest', () => {
  const waiting = [aTask('browser', 1, NOW), aTask('unit', 0, NOW), aTask('again', 2, NOW - MINUTE)];
  const { starts } = decide([aRun('test', 1, NOW, { waiting })], capacities(9));
  assert.equal(
    starts.map(({ task }) => task),
    ['again', 'unit', 'browser'],
  );
});

order.run();

const capacity = suite('capacity');

capacity('the source holds no more attempts than it may', () => {
  const busy = executed(aRun('busy', 1, NOW - HOUR), 1, 1);
  const runs = [busy, aRun('a', 1, NOW), aRun('b', 1, NOW), aRun('c', 1, NOW)];
  assert.equal(started(runs, capacities(3)), ['a/1']);
  assert.equal(waits(runs, capacities(3)), {
    'b/1': 'for capacity of the source (3 of 3 attempts), position 1',
    'c/1': 'for capacity of the source (3 of 3 attempts), position 2',
  });
  assert.equal(started(runs, capacities(1)), [], 'lowered below what runs');
});

capacity('a runner set gives no more slots than it has, and says how many are free', () => {
  const busy = executed(aRun('busy', 1, NOW - HOUR, { runnerSet: SMALL }), 3, 3);
  const big = aRun('big', 1, NOW - MINUTE, { runnerSet: SMALL, waiting: [aTask('default', 0, NOW - MINUTE, 4)] });
  const other = aRun('other', 1, NOW);
  assert.equal(started([busy, big, other], capacities(9, { [SMALL]: 8 })), ['other/1']);
  assert.equal(waits([busy, big], capacities(9, { [SMALL]: 8 })), {
    'big/1': 'for 4 slots of linux-small (2 free), position 1',
  });
});

capacity('a big task lets small ones pass while it is young, then slots are kept for it', () => {
  const world = (waited: number): readonly ActiveRun[] => [
    executed(aRun('busy', 1, NOW - HOUR, { runnerSet: SMALL }), 6),
    aRun('big', 1, NOW - waited, { runnerSet: SMALL, waiting: [aTask('default', 0, NOW - waited, 4)] }),
    aRun('small', 1, NOW, { runnerSet: SMALL }),
    aRun('elsewhere', 1, NOW, { runnerSet: 'other' }),
  ];
  const sets = capacities(9, { [SMALL]: 8, other: 1 });
  assert.equal(started(world(PATIENCE_MS - 1), sets), ['elsewhere/1', 'small/1']);
  assert.equal(started(world(PATIENCE_MS), sets), ['elsewhere/1']);
  assert.equal(waits(world(PATIENCE_MS), sets), {
    'big/1': 'for 4 slots of linux-small (2 free), position 1',
    'small/1': 'for 1 slot of linux-small (2 free, kept for task default of run 1 of big), position 2',
  });
});

capacity('what can never start is named and holds nobody up', () => {
  const tooBig = { group: 'g', waiting: [aTask('default', 0, NOW - HOUR, 9)], runnerSet: SMALL };
  const runs = [
    aRun('huge', 1, NOW - HOUR, tooBig),
    aRun('lost', 1, NOW - HOUR, { group: 'g', runnerSet: 'gone' }),
    aRun('small', 1, NOW, { group: 'g', runnerSet: SMALL }),
  ];
  assert.equal(started(runs, capacities(9, { [SMALL]: 8 })), ['small/1']);
  assert.equal(waits(runs, capacities(9, { [SMALL]: 8 })), {
    'huge/1': 'for 9 slots of linux-small, which has 8 in all, position 1',
    'lost/1': 'for runner set gone, which does not exist, position 1',
  });
});

capacity('maxParallel counts the tasks of one run', () => {
  const waiting = ['a', 'b', 'c'].map((name, index) => aTask(name, index, NOW));
  const run = { ...aRun('fan', 1, NOW, { maxParallel: 2 }), begun: true, waiting, running: [{ slots: 1 }] };
  const { starts, waiting: left } = decide([run, aRun('other', 1, NOW)], capacities(9));
  assert.equal(
    starts.map(({ task }) => task),
    ['a', 'default'],
  );
  assert.equal(left.map(describeWaiting), [
    'for another task of its run to end (maxParallel 2), position 1',
    'for another task of its run to end (maxParallel 2), position 2',
  ]);
});

capacity.run();

const groups = suite('concurrency groups');

const inGroup = (job: string, queued: number, policy: ActiveRun['policy'], more: Partial<ActiveRun> = {}): ActiveRun =>
  aRun(job, 1, queued, { group: 'reports', policy, ...more });

groups('queue: one after the other, each waiting for the one before it', () => {
  const holder = { ...executed(inGroup('nightly', NOW - HOUR, 'queue')), run: 12 };
  const runs = [inGroup('b', NOW - 1, 'queue'), holder, inGroup('c', NOW, 'queue'), aRun('free', 1, NOW)];
  assert.equal(started(runs, capacities(9)), ['free/1'], 'held between two attempts too');
  assert.equal(waits(runs, capacities(9)), {
    'b/1': 'for run 12 of nightly in group reports, position 1',
    'c/1': 'for run 1 of b in group reports, position 2',
  });
  assert.equal(started(runs.slice(0, 1).concat(runs.slice(2)), capacities(9)), ['b/1', 'free/1']);
});

groups('queue: priority counts in a group, but the group is not passed while its next run lacks capacity', () => {
  const hurry = inGroup('hurry', NOW, 'queue', { priority: 1, runnerSet: SMALL, waiting: [aTask('x', 0, NOW, 2)] });
  const runs = [
    inGroup('early', NOW - MINUTE, 'queue'),
    hurry,
    executed(aRun('busy', 1, NOW, { runnerSet: SMALL }), 1),
  ];
  assert.equal(started(runs, capacities(9, { [SMALL]: 2 })), []);
  assert.equal(Object.keys(waits(runs, capacities(9, { [SMALL]: 2 }))), ['hurry/1', 'early/1']);
});

groups('allow: runs beside those before it; one that came before it and excludes others starts too', () => {
  const runs = [
    executed(inGroup('first', NOW - 2, 'queue'), 1),
    inGroup('beside', NOW - 1, 'allow'),
    inGroup('alone', NOW, 'queue'),
  ];
  assert.equal(started(runs, capacities(9)), ['beside/1']);
  const later = [inGroup('alone', NOW - 1, 'queue'), executed(inGroup('beside', NOW, 'allow'), 1)];
  assert.equal(started(later, capacities(9)), ['alone/1'], 'the arriving run said that it runs beside others');
  const passed = [inGroup('beside', NOW - 1, 'allow'), executed(inGroup('alone', NOW, 'queue', { priority: 1 }), 1)];
  assert.equal(started(passed, capacities(9)), [], 'a later run that excludes it has begun');
});

groups('skip: ends at once if another run was there, and waits for capacity like any other if not', () => {
  const { skipped, starts } = decide(
    [inGroup('first', NOW - 1, 'queue'), inGroup('second', NOW, 'skip')],
    capacities(9),
  );
  assert.equal(starts.map(nameOf), ['first/1']);
  assert.equal(skipped.map(describeSkipped), ['skipped: run 1 of first in group reports was there before it']);
  const full = [executed(aRun('busy', 1, NOW), 1), inGroup('only', NOW - 1, 'skip'), inGroup('later', NOW, 'queue')];
  const { skipped: none, waiting } = decide(full, capacities(1));
  assert.equal(none, []);
  assert.equal(waiting.map(nameOf), ['only/1', 'later/1']);
  const later = [executed(inGroup('replaced', NOW - 3, 'queue'), 1), inGroup('r', NOW - 2, 'replace')];
  const [gone] = decide([...later, inGroup('s', NOW, 'skip')], capacities(9)).skipped;
  assert.equal(gone?.because, { job: 'r', run: 1 });
});

groups('replace: the newest one ends all that were there before it, and starts when they have ended', () => {
  const active = {
    ...executed(inGroup('active', NOW - 4, 'queue'), 1),
    waiting: [aTask('more', 1, NOW - 4)],
  };
  const runs = [
    active,
    inGroup('waits', NOW - 3, 'queue'),
    inGroup('older', NOW - 2, 'replace'),
    inGroup('newest', NOW - 1, 'replace'),
    inGroup('after', NOW, 'queue'),
  ];
  const { replaced, starts, waiting } = decide(runs, capacities(9));
  assert.equal(
    replaced.map(({ job, begun, by }) => [job, begun, by.job]),
    [
      ['active', true, 'newest'],
      ['older', false, 'newest'],
      ['waits', false, 'newest'],
    ],
  );
  assert.is(describeReplaced(replaced[0]!), 'replaced by run 1 of newest in group reports');
  assert.equal(starts, [], 'no further task of a run that is replaced');
  assert.equal(waiting.map(describeWaiting), [
    'for run 1 of active in group reports, position 1',
    'for run 1 of newest in group reports, position 2',
  ]);
  assert.equal(started(runs.slice(3), capacities(9)), ['newest/1']);
});

groups('groups of equal jobs do not touch each other', () => {
  const runs = ['x', 'y'].map((group, index) => aRun('job', index + 1, NOW, { group, policy: 'replace' }));
  assert.is(decide(runs, capacities(9)).starts.length, 2);
  assert.equal(decide(runs, capacities(9)).replaced, []);
});

groups.run();

const timeouts = suite('queue time-out');

timeouts('ends a run that has not begun, whatever has become free, and says what it waited for', () => {
  const busy = executed(aRun('busy', 1, NOW - HOUR), 1);
  const late = aRun('late', 1, NOW - HOUR, { queueMs: HOUR });
  const runs = [busy, late, aRun('next', 1, NOW)];
  const { timedOut, starts, waiting } = decide(runs, capacities(1));
  assert.equal(timedOut.map(describeTimedOut), ['waited 1h in the queue, last for capacity of the source']);
  assert.equal(starts, []);
  assert.equal(waiting.map(nameOf), ['next/1']);
  const free = decide(runs, capacities(2));
  assert.equal(free.timedOut.map(describeTimedOut), ['waited 1h in the queue']);
  assert.equal(free.starts.map(nameOf), ['next/1']);
});

timeouts('does not end a run that has begun, nor one a moment before', () => {
  const begun = { ...aRun('begun', 1, NOW - 2 * HOUR, { queueMs: HOUR }), begun: true };
  const young = aRun('young', 1, NOW - HOUR + 1, { queueMs: HOUR });
  const { timedOut, wakeAt } = decide([begun, young], capacities(0));
  assert.equal(timedOut, []);
  assert.is(wakeAt, NOW + 1);
  assert.is(decide([begun], capacities(0)).wakeAt, undefined);
});

timeouts('a run that timed out is nobody to wait for, to skip for or to be replaced by', () => {
  const expired = { group: 'g', queueMs: MINUTE };
  const runs = [
    aRun('queued', 1, NOW - 9 * MINUTE, { ...expired, queueMs: HOUR }),
    aRun('replace', 1, NOW - 2 * MINUTE, { ...expired, policy: 'replace' }),
  ];
  const { timedOut, starts, replaced } = decide(runs, capacities(9));
  assert.equal([timedOut.map(nameOf), starts.map(nameOf), replaced], [['replace/1'], ['queued/1'], []]);
  const skip = [aRun('gone', 1, NOW - HOUR, expired), aRun('skip', 1, NOW, { group: 'g', policy: 'skip' })];
  assert.equal(started(skip, capacities(9)), ['skip/1']);
});

timeouts('a run without a task that waits ends too', () => {
  const { timedOut } = decide([aRun('odd', 1, NOW - HOUR, { waiting: [], queueMs: MINUTE })], capacities(9));
  assert.equal(timedOut, [{ job: 'odd', run: 1, waitedMs: HOUR }]);
});

timeouts.run();

const sentences = suite('sentences');

sentences('what is committed holds no figure of the moment', () => {
  const runs = (used: number): readonly ActiveRun[] => [
    executed(aRun('busy', 1, NOW - HOUR, { runnerSet: SMALL }), used),
    aRun('big', 1, NOW, { runnerSet: SMALL, waiting: [aTask('default', 0, NOW, 4)] }),
  ];
  const at = (used: number): readonly string[] =>
    decide(runs(used), capacities(9, { [SMALL]: 8 })).waiting.map(({ for: wait }) => describeWait(wait));
  assert.equal(at(5), ['for 4 slots of linux-small']);
  assert.equal(at(6), at(5));
});

sentences.run();
