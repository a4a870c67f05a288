import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createDirtyJobs } from '../../src/reconciler/dirty.ts';

const test = suite('the work queue');

test('a job that is marked twice is looked at once; its age is that of the first mark', () => {
  let now = 0;
  const jobs = createDirtyJobs(() => now);
  assert.is(jobs.oldestMs(), 0);
  jobs.add('a');
  now = 5;
  jobs.add('b');
  jobs.add('a');
  now = 7;
  assert.is(jobs.size, 2);
  assert.is(jobs.oldestMs(), 7);
  assert.equal(jobs.take(), ['a', 'b']);
  assert.is(jobs.size, 0);
  assert.is(jobs.oldestMs(), 0);
  jobs.add('a');
  now = 9;
  assert.is(jobs.oldestMs(), 2);
});

test.run();
