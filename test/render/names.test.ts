import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { budgetName, podName, pullRequestOf, pullRequestScope, runObjectName } from '../../src/render/names.ts';

const test = suite('names');
const scope = { installation: 'prod', source: 'platform' };
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

test('a name says which run it is', () => {
  assert.match(runObjectName('claim', scope, 'nightly-report', 12), /^nightly-report-12-[a-z2-7]{10}$/);
  assert.match(budgetName(scope), /^runledger-platform-[a-z2-7]{10}$/);
});

test('the scope of a pull request is that of no source, fits into a label, and tells which it is of', () => {
  const name = 'a'.repeat(40);
  const of = pullRequestScope(name, 1_234_567_890_123);
  assert.match(of.source, /^(?=.{1,63}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
  assert.equal(pullRequestOf(of.source), { source: name, number: 1_234_567_890_123 });
  for (const none of ['platform', 'platform.pr-', 'platform.pr-0', 'platform.pr-07', 'pr-7', 'a.pr-1.pr-2', 'a.pr-1x'])
    assert.is(pullRequestOf(none), null, none);
  const budgetOf = (number: number): string => budgetName({ ...scope, ...pullRequestScope('platform', number) });
  const budgets = [budgetName(scope), budgetOf(7), budgetOf(8)];
  assert.is(new Set(budgets).size, 2);
  assert.is(budgets[1], budgets[2]);
});

test('names stay as they are: other versions have to find the objects', () => {
  const key = { job: 'hello', run: 1, task: 'default', attempt: 1 };
  assert.equal(
    [runObjectName('claim', scope, 'hello', 1), runObjectName('payload', scope, 'hello', 1), podName(scope, key)],
    ['hello-1-wmjypqlp2h', 'hello-1-opvhovzfqu', 'hello-1-jutdtt356o'],
  );
});

const job = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/);
const attempt = fc.record({
  installation: fc.string(),
  source: fc.string(),
  job,
  run: fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.maxSafeNat().map((number) => number + 1),
  ),
  task: fc.oneof(fc.constantFrom('default', 'a', 'b'), fc.string()),
  attempt: fc.integer({ min: 1, max: 10 }),
});

test('every name is a DNS label', () => {
  fc.assert(
    fc.property(attempt, (key) => {
      const names = [
        podName(key, key),
        runObjectName('claim', key, key.job, key.run),
        runObjectName('payload', key, key.job, key.run),
      ];
      for (const name of names) assert.match(name, DNS_LABEL);
      assert.is(new Set(names).size, 3);
    }),
    { numRuns: 2000 },
  );
  assert.match(budgetName({ installation: 'x', source: 'a'.repeat(40) }), DNS_LABEL);
});

test('two attempts have two names, and one attempt has one', () => {
  fc.assert(
    fc.property(attempt, attempt, (one, other) => {
      assert.is(podName(one, one) === podName(other, other), JSON.stringify(one) === JSON.stringify(other));
    }),
    { numRuns: 2000 },
  );
});

test('parts can not be shifted into each other', () => {
  const names = [
    podName({ installation: 'a', source: 'b-c' }, { job: 'x', run: 1, task: 'y', attempt: 1 }),
    podName({ installation: 'a-b', source: 'c' }, { job: 'x', run: 1, task: 'y', attempt: 1 }),
    podName({ installation: 'a","b', source: 'c' }, { job: 'x', run: 1, task: 'y', attempt: 1 }),
    podName({ installation: 'a', source: 'b-c' }, { job: 'x', run: 1, task: 'y-1', attempt: 1 }),
    podName({ installation: 'a', source: 'b-c' }, { job: 'x', run: 11, task: 'y', attempt: 1 }),
    podName({ installation: 'a', source: 'b-c' }, { job: 'x', run: 1, task: 'y', attempt: 11 }),
  ];
  assert.is(new Set(names).size, names.length);
});

test('the longest job and run are cut, and stay apart', () => {
  const long = 'a'.repeat(40);
  const names = [
    runObjectName('claim', scope, long, Number.MAX_SAFE_INTEGER),
    runObjectName('claim', scope, long, Number.MAX_SAFE_INTEGER - 1),
  ];
  for (const name of names) assert.ok(name.length <= 63, name);
  assert.is.not(names[0], names[1]);
});

test.run();
