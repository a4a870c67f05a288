import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eachOf } from '../src/each-of.ts';

const test = suite('each of');

test('does the work for every item, and never for more at a time than it may', async () => {
  let open = 0;
  let most = 0;
  const done: number[] = [];
  await eachOf([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setImmediate(resolve));
    open -= 1;
    done.push(item);
  });
  assert.equal(
    done.sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7],
  );
  assert.is(most, 3);
});

test('rejects with what the work threw, and does nothing for no items', async () => {
  const failing = eachOf([1, 2], 1, async (item) => {
    throw new Error(`no ${item}`);
  });
  assert.match(String(await failing.catch((error: unknown) => error)), 'no 1');
  await eachOf([], 4, async () => {
    throw new Error('called');
  });
});

test.run();
