import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLeftovers } from '../../../src/cli/controller/pulls/leftovers.ts';
import { createLine } from '../../../src/cli/controller/pulls/line.ts';
import { createRunTotals } from '../../../src/cli/controller/run-totals.ts';
import { createShare } from '../../../src/cli/controller/share.ts';
import { transientError } from '../../../src/errors.ts';
import type { LiveRun, Runner } from '../../../src/runner/port.ts';
import { eventually } from '../../support/cluster.ts';

const test = suite('the passes of pull requests');
const never = new AbortController().signal;

test('so many are at work at a time, each at one thing; what is asked for again stops what is under way', async () => {
  const begun: string[] = [];
  const ends = new Map<number, () => void>();
  const line = createLine({
    most: 2,
    work: (number, stop) =>
      new Promise((resolve) => {
        begun.push(`${number}`);
        const onStop = (): void => {
          begun.push(`${number} stopped`);
          resolve();
        };
        stop.addEventListener('abort', onStop);
        ends.set(number, () => {
          stop.removeEventListener('abort', onStop);
          resolve();
        });
      }),
    failed: () => assert.unreachable(),
    signal: never,
  });
  for (const number of [1, 2, 3]) line.ask(number);
  assert.equal(begun, ['1', '2']);
  line.ask(1);
  await eventually('the others', () => begun.length === 4);
  assert.equal(begun, ['1', '2', '1 stopped', '3']);
  ends.get(2)?.();
  await eventually('the first again', () => begun.length === 5);
  assert.is(begun.at(-1), '1');
  assert.not(line.isAtWork(2));
  await line.close();
  assert.equal(begun.slice(5).sort(), ['1 stopped', '3 stopped']);
  line.ask(4);
  assert.not(line.isAtWork(4));
});

test('what fails is tried again, not before its forge says so, and ends with everything', async () => {
  const pauses: number[] = [];
  let tries = 0;
  const line = createLine({
    most: 1,
    work: async () => {
      tries += 1;
      if (tries === 1) throw new Error('once');
      if (tries === 2) throw transientError('ForgeLimited', 'twice', { retryAfterMs: 30 });
    },
    failed: (_number, _error, ms) => void pauses.push(ms),
    signal: never,
    pauseAfter: (failures) => failures,
  });
  line.ask(7);
  await eventually('the third try', () => tries === 3);
  assert.equal(pauses, [1, 30]);
  await line.close();
});

const runner = (running: { count: number }): Runner =>
  ({
    list: async () =>
      [{ attempts: Array.from({ length: running.count }, () => ({ ending: null })) }] as unknown as LiveRun[],
    start: async () => undefined,
  }) as unknown as Runner;

test('attempts are counted together, and whoever waits is told of room', async () => {
  const share = createShare(10);
  const rung = { main: 0, pull: 0 };
  const [main, pull] = [share.join(() => (rung.main += 1)), share.join(() => (rung.pull += 1))];
  const ofMain = { count: 7 };
  const counted = main.counted(runner(ofMain));
  await counted.list(never);
  assert.equal([main.capacity(), pull.capacity()], [10, 3]);
  await counted.start({} as never, [], [{}, {}] as never, never, async () => false);
  assert.is(pull.capacity(), 1);
  assert.equal(rung, { main: 0, pull: 0 });
  ofMain.count = 4;
  await counted.list(never);
  assert.is(pull.capacity(), 6);
  assert.equal(rung, { main: 0, pull: 1 });
  main.leave();
  assert.is(pull.capacity(), 10);
  assert.equal(rung, { main: 0, pull: 2 });
});

test('runs are shown with those of pull requests, as long as these go on', () => {
  const totals = createRunTotals();
  totals.set('source', { active: 1, queued: 2 });
  totals.set(7, { active: 3, queued: 0 });
  assert.equal(totals.all(), { active: 4, queued: 2 });
  totals.remove(7);
  assert.equal(totals.all(), { active: 1, queued: 2 });
});

test('claims go when their time has come, and what can not be removed stays for the next time', async () => {
  let now = 0;
  let isDown = true;
  const removed: string[] = [];
  const warned: unknown[] = [];
  const leftovers = createLeftovers({
    remove: async (scope, keys) => {
      if (isDown && scope === 'a.pr-2') throw new Error('down');
      removed.push(...keys.map(({ job, run }) => `${scope} ${job} ${run}`));
    },
    keepMs: 100,
    now: () => now,
    log: { warn: (details: unknown) => warned.push(details) } as never,
  });
  leftovers.add('a.pr-1', [{ job: 'x', run: 1 }]);
  leftovers.add('a.pr-2', [{ job: 'y', run: 2 }]);
  now = 50;
  leftovers.add('a.pr-1', [{ job: 'x', run: 3 }]);
  await leftovers.sweep(never);
  assert.equal(removed, []);
  now = 100;
  await leftovers.sweep(never);
  assert.equal(removed, ['a.pr-1 x 1']);
  assert.is(warned.length, 1);
  isDown = false;
  await leftovers.sweep(never);
  now = 1_000;
  await leftovers.sweep(never);
  assert.equal(removed, ['a.pr-1 x 1', 'a.pr-2 y 2', 'a.pr-1 x 3']);
});

test.run();
