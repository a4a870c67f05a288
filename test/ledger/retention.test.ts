import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expiredFiles } from '../../src/ledger/retention.ts';

const test = suite('ledger retention');
const filesOf = (...runs: readonly number[]): string[] => [
  'status.yaml',
  'spec.yaml',
  ...runs.flatMap((run) => [`${run}.yaml`, `${run}.1.log`, `${run}.browser.2.log`]),
];
/** Run n ended at n milliseconds. */
const expired = async (
  runs: readonly number[],
  keepRuns: number,
  forMs: number,
  now = 100,
): Promise<[number[], number]> => {
  let asked = 0;
  const names = await expiredFiles({
    names: filesOf(...runs),
    keep: { runs: keepRuns, forMs },
    now,
    finished: async (run) => {
      asked += 1;
      return run;
    },
  });
  const gone = [...new Set(names.map((name) => Number(name.split('.')[0])))];
  assert.is(names.length, gone.length * 3, 'a run goes with all of its files');
  return [gone, asked];
};

test('the newest runs stay', async () => {
  assert.equal((await expired([1, 2, 3, 4, 5], 2, 1e9))[0], [1, 2, 3]);
  assert.equal((await expired([1, 2], 2, 1e9))[0], []);
});

test('old runs go, the last one never does', async () => {
  assert.equal((await expired([10, 20, 60, 90], 50, 50))[0], [10, 20]);
  assert.equal((await expired([10, 20], 50, 5))[0], [10]);
  assert.equal((await expired([10], 0, 0))[0], []);
  assert.equal((await expired([9, 10], 0, 1e9))[0], [9]);
});

test('one run is asked for its end when nothing is old, and numbers sort as numbers', async () => {
  const runs = Array.from({ length: 12 }, (_, index) => index + 60);
  assert.equal(await expired(runs, 50, 1000), [[], 1]);
  assert.equal((await expired([9, 10, 11, 100], 2, 1e9, 0))[0], [9, 10]);
});

test('a run whose end is not known stays', async () => {
  const names = await expiredFiles({
    names: filesOf(1, 2),
    keep: { runs: 9, forMs: 0 },
    now: 1e15,
    finished: async () => null,
  });
  assert.equal(names, []);
});

test.run();
