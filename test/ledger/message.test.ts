import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commitMessage, runLine, type CommitContent } from '../../src/ledger/message.ts';
import { applyFacts } from '../../src/ledger/status.ts';
import { duration, oneLine } from '../../src/ledger/text.ts';
import type { Outcome, Result } from '../../src/schemas/index.ts';
import { manifestFacts, outcomeOf, REVISION } from './fixtures.ts';

const test = suite('ledger messages');
const message = (outcomes: readonly Outcome[], more: Partial<CommitContent> = {}): string =>
  commitMessage({ outcomes, statuses: [], requests: [], ...more });
const subject = (text: string): string => text.split('\n')[0]!;
/** What the real git reads as trailers. */
const trailers = (text: string): string[] =>
  execFileSync('git', ['interpret-trailers', '--parse'], { input: text, encoding: 'utf8' }).trim().split('\n');

test('one run', () => {
  const text = message([outcomeOf({ run: 12 })]);
  assert.is(subject(text), 'nightly-report run 12 succeeded in 3m12s');
  assert.equal(trailers(text), [
    'Runledger-Run: nightly-report/12',
    'Runledger-Result: succeeded',
    `Source-Revision: ${REVISION}`,
  ]);
});

test('every result reads well', () => {
  const line = (result: Result, text?: string): string =>
    runLine(outcomeOf({ run: 13, result, ...(text === undefined ? {} : { message: text }) }));
  assert.is(line('failed'), 'nightly-report run 13 failed: step "load" ended with exit code 3');
  assert.is(line('warning', 'exit code 42'), 'nightly-report run 13 succeeded with a warning in 3m12s: exit code 42');
  assert.is(line('skipped', 'build failed'), 'nightly-report run 13 was skipped: build failed');
  assert.is(line('timed-out', 'longer than 1h'), 'nightly-report run 13 timed out: longer than 1h');
  assert.is(line('cancelled', 'asked for'), 'nightly-report run 13 was cancelled: asked for');
  assert.is(line('error', 'the machine went away'), 'nightly-report run 13 ended in an error: the machine went away');
  assert.is(line('error', ''), 'nightly-report run 13 ended in an error');
});

test('several runs are counted and listed, the worst first', () => {
  const outcomes = [1, 2, 3, 4, 5].map((run) => outcomeOf({ run, result: run === 4 ? 'failed' : 'succeeded' }));
  const text = message(outcomes);
  assert.is(subject(text), '5 runs: 4 succeeded, 1 failed');
  assert.match(text.split('\n')[2]!, /^- nightly-report run 4 failed: /);
  assert.is(trailers(text).filter((line) => line.startsWith('Runledger-Run')).length, 5);
});

test('a thousand runs do not make a thousand lines', () => {
  const text = message(Array.from({ length: 1000 }, (_, index) => outcomeOf({ run: index + 1 })));
  assert.is(subject(text), '1000 runs: 1000 succeeded');
  assert.match(text, /^- and 980 more$/m);
  assert.ok(text.length < 10_000, `${text.length}`);
  assert.is(trailers(text).length, 201);
});

test('status-only commits say what happened', () => {
  const change = (job: string, state: 'valid' | 'invalid' | 'suspended' | 'removed', before = true) => {
    const old = before ? applyFacts(undefined, manifestFacts(job, 'valid')) : undefined;
    return { before: old, after: applyFacts(old, manifestFacts(job, state)) };
  };
  const subjectOf = (...statuses: CommitContent['statuses']): string => subject(message([], { statuses }));
  assert.is(
    subjectOf(change('a', 'suspended'), change('b', 'suspended'), change('c', 'suspended')),
    '3 jobs suspended',
  );
  assert.is(
    subjectOf(change('a', 'suspended'), change('b', 'removed'), change('c', 'removed')),
    '2 jobs removed, 1 suspended',
  );
  assert.is(subjectOf(change('a', 'removed')), 'a removed');
  assert.is(subjectOf(change('a', 'valid', false)), 'a added');
  assert.is(subjectOf(change('a', 'invalid')), 'a invalid: jobs/a.yaml:12:7: "5 minutes" is not a duration; write 5m');
  assert.is(subject(message([], { invalid: 2 })), '2 invalid manifest problems');
  assert.is(subject(message([], { invalid: 0 })), 'no invalid manifests any more');
  assert.is(subject(message([])), 'README brought up to date');
});

test('what a job says can neither forge a trailer nor leave its line', () => {
  const evil = 'boom\n\nRunledger-Run: other/1\r\u2028Runledger-Result: succeeded\u001b[2J\u202e\u0000 \ud800 end';
  for (const outcomes of [
    [outcomeOf({ result: 'failed', message: evil })],
    [1, 2].map((run) => outcomeOf({ run, result: 'failed', message: evil })),
  ]) {
    const text = message(outcomes);
    assert.equal([...new Set(trailers(text).filter((line) => line.includes('other/1')))], []);
    // oxlint-disable-next-line no-control-regex
    assert.not.match(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]/);
    assert.ok(text.isWellFormed());
  }
  assert.ok(subject(message([outcomeOf({ result: 'failed', message: 'x'.repeat(5000) })])).length <= 100);
});

test('text helpers', () => {
  assert.is(oneLine('  a\n\tb  ', 10), 'a b');
  assert.is(oneLine('🙂🙂🙂🙂', 3), '🙂🙂…');
  const cases: readonly (readonly [number, string])[] = [
    [0, '0s'],
    [440, '440ms'],
    [9960, '10s'],
    [59_600, '1m'],
    [192_000, '3m12s'],
    [3_600_000, '1h'],
    [3_900_000, '1h5m'],
    [90_061_000, '1d1h'],
    [-5, '0s'],
  ];
  for (const [ms, text] of cases) assert.is(duration(ms), text);
});

test.run();
