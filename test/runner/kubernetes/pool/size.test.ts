import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BACK_OFF_MS, type Failures, withFailure } from '../../../../src/runner/kubernetes/pool/back-off.ts';
import {
  desiredRunners,
  planSize,
  type SizedRunner,
  type SizeInput,
  type SizePlan,
} from '../../../../src/runner/kubernetes/pool/size.ts';

const NOW = Date.parse('2026-11-20T12:00:00Z');
const MINUTE = 60_000;
const base: SizeInput = {
  minRunners: 0,
  maxRunners: 20,
  scheduledMin: 0,
  idleTimeoutMs: 10 * MINUTE,
  maxLifetimeMs: 24 * 60 * MINUTE,
  parallelCreations: 10,
  template: 't',
  runners: [],
  assigned: 0,
  creating: 0,
  unseen: 0,
  retryAt: null,
  failing: false,
  now: NOW,
};
const idle = (name: string, minutes: number, more: Partial<SizedRunner> = {}): SizedRunner => {
  const since = NOW - minutes * MINUTE;
  return { name, phase: 'idle', created: since, idleSince: since, template: 't', ...more };
};
const starting = (name: string): SizedRunner => ({ ...idle(name, 0), phase: 'starting', idleSince: null });
const busy = (name: string): SizedRunner => ({ ...idle(name, 0), phase: 'busy', idleSince: null });
const removed = (input: Partial<SizeInput>): readonly string[] =>
  planSize({ ...base, ...input }).remove.map(({ name, reason }) => `${name} ${reason}`);
const created = (input: Partial<SizeInput>): number => planSize({ ...base, ...input }).create;

const sizes = suite('the size of a pool');

sizes('is what works and what is kept ready, within the scheduled and the largest number', () => {
  const table: readonly [min: number, assigned: number, scheduled: number, max: number, desired: number][] = [
    [0, 0, 0, 20, 0],
    [2, 0, 0, 20, 2],
    [2, 5, 0, 20, 7],
    [2, 5, 10, 20, 10],
    [2, 9, 10, 20, 11],
    [2, 19, 0, 20, 20],
    [2, 500, 10, 20, 20],
    [5, 0, 30, 20, 20],
    [30, 0, 0, 20, 20],
  ];
  for (const [minRunners, assigned, scheduledMin, maxRunners, desired] of table)
    assert.is(desiredRunners({ minRunners, assigned, scheduledMin, maxRunners }), desired);
});

sizes('grows by as many at once as may be created at the same time', () => {
  assert.is(created({ minRunners: 15 }), 10);
  assert.is(created({ minRunners: 15, creating: 4, unseen: 4 }), 6);
  assert.is(created({ minRunners: 15, creating: 10, unseen: 10 }), 0);
  assert.is(created({ minRunners: 15, parallelCreations: 1 }), 1);
  assert.is(created({ minRunners: 3, runners: [starting('a'), idle('b', 0)] }), 1);
  assert.is(created({ minRunners: 1, assigned: 2, runners: [busy('a'), busy('b')] }), 1);
});

sizes('counts a pod once that the watch has told of before the request for it was answered', () => {
  const runners = ['a', 'b', 'c', 'd'].map(starting);
  assert.equal(removed({ runners, assigned: 4, maxRunners: 4, creating: 4, unseen: 0 }), []);
  assert.is(created({ runners, assigned: 6, creating: 4, unseen: 0 }), 2);
});

sizes('shrinks by what has been idle for the longest, and only when the time-out has passed', () => {
  const runners = [idle('a', 11), idle('b', 30), idle('c', 9), busy('d')];
  assert.equal(removed({ runners, assigned: 1 }), ['b IdleTimeout', 'a IdleTimeout']);
  assert.equal(removed({ runners, assigned: 1, minRunners: 2 }), ['b IdleTimeout']);
  assert.equal(removed({ runners, assigned: 1, minRunners: 3 }), []);
  const { wakeAt } = planSize({ ...base, runners, assigned: 1 });
  assert.is(wakeAt, NOW + MINUTE);
});

sizes('shrinks at once below a smaller maximum, but for what works', () => {
  const runners = [busy('a'), busy('b'), starting('c'), idle('d', 1), idle('e', 2)];
  assert.equal(removed({ runners, assigned: 2, maxRunners: 3 }), ['e AboveMaximum', 'd AboveMaximum']);
  assert.equal(removed({ runners, assigned: 2, maxRunners: 1 }), [
    'e AboveMaximum',
    'd AboveMaximum',
    'c AboveMaximum',
  ]);
});

sizes('replaces what was made from another template or has grown old, but for what works', () => {
  const old = { created: NOW - 25 * 60 * MINUTE };
  const runners = [
    idle('a', 0, { template: 'before' }),
    { ...starting('b'), template: 'before' },
    { ...busy('c'), template: 'before' },
    idle('d', 1, old),
    { ...busy('e'), ...old },
  ];
  const plan = planSize({ ...base, minRunners: 3, assigned: 2, runners });
  assert.equal(
    plan.remove.map(({ name, reason }) => `${name} ${reason}`),
    ['a TemplateChanged', 'b TemplateChanged', 'd MaxLifetime'],
  );
  assert.is(plan.create, 3);
});

sizes('waits before it tries again, and then tries one', () => {
  assert.is(created({ minRunners: 5, failing: true, retryAt: NOW + 1 }), 0);
  assert.is(planSize({ ...base, minRunners: 5, failing: true, retryAt: NOW + 1 }).wakeAt, NOW + 1);
  assert.is(created({ minRunners: 5, failing: true, retryAt: NOW }), 1);
  assert.is(created({ minRunners: 5, failing: true, retryAt: NOW, runners: [starting('a')] }), 0);
  assert.is(created({ minRunners: 5, failing: true, retryAt: NOW, creating: 1, unseen: 1 }), 0);
});

/** A small generator with a seed, so that a failure can be played again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function anyInput(random: (below: number) => number): SizeInput {
  const runners = Array.from({ length: random(12) }, (_, index): SizedRunner => {
    const phase = (['starting', 'idle', 'busy'] as const)[random(3)] ?? 'idle';
    const at = NOW - random(30 * 60) * MINUTE;
    const template = random(5) === 0 ? 'before' : 't';
    return { name: `r${index}`, phase, created: at, idleSince: phase === 'idle' ? at : null, template };
  });
  const works = runners.filter(({ phase }) => phase === 'busy').length;
  const creating = random(4);
  return {
    ...base,
    runners,
    minRunners: random(6),
    maxRunners: 1 + random(12),
    scheduledMin: random(8),
    assigned: works + random(5),
    creating,
    unseen: random(creating + 1),
    parallelCreations: 1 + random(5),
    failing: random(4) === 0,
    retryAt: random(3) === 0 ? NOW + random(10) - 5 : null,
  };
}

const byName = ({ remove, ...plan }: SizePlan): unknown => ({
  ...plan,
  remove: remove.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
});

sizes('holds what it promises whatever comes', () => {
  for (let seed = 1; seed <= 5_000; seed += 1) {
    const input = anyInput(randomFrom(seed));
    const plan = planSize(input);
    const gone = new Set(plan.remove.map(({ name }) => name));
    const left = input.runners.filter(({ name }) => !gone.has(name));
    const works = left.filter(({ phase }) => phase === 'busy').length;
    const why = `seed ${seed}`;
    assert.is(works, input.runners.filter(({ phase }) => phase === 'busy').length, `${why}: what works stays`);
    assert.is(gone.size, plan.remove.length, `${why}: each goes once`);
    const total = left.length + input.unseen + plan.create;
    assert.ok(total <= Math.max(input.maxRunners, works + input.unseen), `${why}: no more than the maximum`);
    assert.ok(plan.create === 0 || total <= plan.desired, `${why}: none is created beyond the desired number`);
    assert.ok(input.creating + plan.create <= Math.max(input.creating, input.parallelCreations), `${why}: in parallel`);
    assert.ok(
      left.every(({ phase, template }) => phase === 'busy' || template === input.template),
      `${why}: old templates go`,
    );
    // Asked again after it was done there is nothing left to remove.
    const [creating, unseen] = [input.creating + plan.create, input.unseen + plan.create];
    const again = planSize({ ...input, runners: left.toReversed(), creating, unseen });
    assert.equal(again.remove, [], `${why}: done once is done`);
    const turned = planSize({ ...input, runners: input.runners.toReversed() });
    assert.equal(byName(turned), byName(plan), `${why}: the order of what is there does not matter`);
  }
});

sizes('settles at the desired number', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const input = { ...anyInput(randomFrom(seed)), failing: false, retryAt: null, creating: 0, unseen: 0 };
    let runners = input.runners;
    for (let round = 0; round < 50; round += 1) {
      const now = NOW + round * input.idleTimeoutMs;
      const plan = planSize({ ...input, runners, now });
      const gone = new Set(plan.remove.map(({ name }) => name));
      const made = Array.from({ length: plan.create }, (_, index) => idle(`n${round}-${index}`, -round * 10));
      runners = [...runners.filter(({ name }) => !gone.has(name)), ...made];
    }
    const works = runners.filter(({ phase }) => phase === 'busy').length;
    const starts = runners.filter(({ phase }) => phase === 'starting').length;
    const desired = desiredRunners(input);
    assert.ok(runners.length <= Math.max(desired, works + starts), `seed ${seed}: ${runners.length} of ${desired}`);
    assert.ok(runners.length >= desired, `seed ${seed}: ${runners.length} of ${desired}`);
  }
});

sizes.run();

const failures = suite('failures to start');
const last = { reason: 'ImagePullFailed', message: 'x', isFinal: true } as const;

failures('are followed by longer and longer pauses', () => {
  let state: Failures | null = null;
  let now = NOW;
  const pauses: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    state = withFailure(state, now, now + 1_000, last);
    pauses.push((state.retryAt - state.at) / 1_000);
    now = state.retryAt + 1;
  }
  assert.equal(pauses, [0, 5, 10, 20, 40, 80, 80, 80]);
  assert.is(BACK_OFF_MS.length, 6);
});

failures('of runners that were tried together count once', () => {
  let state: Failures | null = null;
  for (let index = 0; index < 10; index += 1) state = withFailure(state, NOW + index, NOW + 1_000 + index, last);
  assert.is(state?.rounds, 1);
});

failures.run();
