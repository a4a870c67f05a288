import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRests } from '../../src/reconciler/rests.ts';

const test = suite('jobs whose start has failed');
const quietly = (random = 1) =>
  createRests(
    () => undefined,
    () => random,
  );

test('are left alone at the revision at which they failed, and nowhere else', () => {
  const rests = quietly();
  rests.add('job', 'one');
  assert.ok(rests.has('job', 'one'));
  assert.not(rests.has('job', 'two'));
  assert.not(rests.has('other', 'one'));
});

test('rest longer each time, up to two minutes, and not all equally long', () => {
  const rests = quietly();
  const pauses = Array.from({ length: 8 }, () => rests.add('job', 'one'));
  assert.equal(pauses, [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]);
  assert.is(quietly(0).add('job', 'one'), 1_500);
});

test('rest for as long as the other side asked, and begin anew once they have started', () => {
  const rests = quietly();
  assert.is(rests.add('job', 'one', 60_000), 60_000);
  rests.remove('job');
  assert.not(rests.has('job', 'one'));
  assert.is(rests.add('job', 'one'), 2_000);
});

test('are told when their rest is over', async () => {
  const over: string[] = [];
  const rests = createRests((job) => over.push(job));
  rests.add('job', 'one');
  // Long enough in any case; the timer alone would not keep the process.
  for (let waited = 0; over.length === 0 && waited < 20_000; waited += 50) await sleep(50);
  assert.equal(over, ['job']);
  assert.not(rests.has('job', 'one'));
});

test.run();
