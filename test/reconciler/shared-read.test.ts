import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { shareReads } from '../../src/reconciler/shared-read.ts';

const test = suite('a reading that many share');

/** Readings of a value that changes, each of which ends when it is told to. */
function world() {
  const begun: (() => void)[] = [];
  let value = 0;
  const read = shareReads(async () => {
    const seen = value;
    const { promise, resolve } = Promise.withResolvers<void>();
    begun.push(resolve);
    await promise;
    if (seen === 13) throw new Error('thirteen');
    return seen;
  });
  const set = (now: number): void => void (value = now);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { read, set, begun, settle };
}

test('who asks while one is under way gets what was read after that, with all others that wait', async () => {
  const { read, set, begun, settle } = world();
  const first = [read(), read()];
  await settle();
  set(1);
  const second = [read(), read(), read()];
  await settle();
  assert.is(begun.length, 1);
  begun[0]?.();
  assert.equal(await Promise.all(first), [0, 0]);
  await settle();
  begun[1]?.();
  assert.equal(await Promise.all(second), [1, 1, 1]);
  assert.is(begun.length, 2);
});

test('one that fails fails for those who share it, and the next one is begun all the same', async () => {
  const { read, set, begun, settle } = world();
  set(13);
  const first = read().catch(String);
  await settle();
  const second = read();
  set(14);
  begun[0]?.();
  assert.is(await first, 'Error: thirteen');
  await settle();
  begun[1]?.();
  assert.is(await second, 14);
});

test.run();
