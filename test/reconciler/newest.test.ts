import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createNewest } from '../../src/reconciler/newest.ts';

const test = suite('the newest of a list');

test('keeps so many, in their order', () => {
  const list = createNewest<number>(3);
  assert.equal(list.all(), []);
  for (let entry = 0; entry < 50; entry += 1) {
    list.add(entry);
    const from = Math.max(0, entry - 2);
    assert.equal(
      list.all(),
      Array.from({ length: entry - from + 1 }, (_, index) => from + index),
    );
  }
});

test('keeps all where there is no bound', () => {
  const list = createNewest<number>(Number.POSITIVE_INFINITY);
  for (let entry = 0; entry < 5_000; entry += 1) list.add(entry);
  assert.is(list.all().length, 5_000);
});

test.run();
