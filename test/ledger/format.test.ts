import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import {
  checkFormat,
  decode,
  decodeIndex,
  decodeSpec,
  encode,
  encodeIndex,
  encodeSpec,
} from '../../src/ledger/format.ts';
import { applyFacts } from '../../src/ledger/status.ts';
import type { Outcome } from '../../src/schemas/index.ts';
import { finishedFacts, manifestFacts, outcomeOf } from './fixtures.ts';

const test = suite('ledger format');
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const coded = (code: string) => (error: Error) => isCoded(error, code);
const shuffled = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).reverse()) as T;

test('an outcome is written in the order of the examples, whatever order it was made in', () => {
  const outcome = outcomeOf({ run: 12, result: 'failed' });
  const written = text(encode('outcome', outcome, 'x'));
  assert.is(written, text(encode('outcome', shuffled(outcome), 'x')));
  assert.equal(written.split('\n').slice(0, 9), [
    'apiVersion: runledger.dev/v1',
    'kind: Outcome',
    'job: nightly-report',
    'run: 12',
    'result: failed',
    'reason: ExitCode',
    'message: step "load" ended with exit code 3',
    'exitCode: 3',
    'trigger:',
  ]);
  assert.match(written, /^ {2}queued: "2026-11-20T/m);
  assert.match(written, /^ {2}rows: "1204"$/m);
});

test('any text comes back as it was', () => {
  const names = fc.string({ minLength: 1, unit: 'grapheme' });
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }).map((value) => value.toWellFormed()),
  );
  fc.assert(
    fc.property(fc.dictionary(names, texts), texts, (vars, message) => {
      const outcome: Outcome = { ...outcomeOf(), message, vars };
      const bytes = encode('outcome', outcome, 'x');
      assert.equal(decode('outcome', bytes, 'x'), JSON.parse(JSON.stringify(outcome)));
      assert.equal(encode('outcome', decode('outcome', bytes, 'x'), 'x'), bytes);
    }),
    { numRuns: 300 },
  );
});

test('a spec comes back as it was', () => {
  const spec = {
    image: 'alpine:3.20',
    steps: [{ name: 'a', run: 'echo "x"\nexit 3\n' }],
    env: { yes: 'no', N: '012' },
  };
  assert.equal(decodeSpec(encodeSpec(spec), 'spec.yaml'), spec);
  assert.throws(() => decodeSpec(Buffer.from('- a\n'), 'spec.yaml'), coded('LedgerFileInvalid'));
});

test('what does not conform is neither written nor read', () => {
  const wrong = { ...outcomeOf(), result: 'fine' } as unknown as Outcome;
  assert.throws(() => encode('outcome', wrong, 'jobs/3e/b/1.yaml'), coded('LedgerDocumentInvalid'));
  const files = ['', 'a: [', 'a: 1', '- 1', 'a: &x 1\nb: *x', `${'['.repeat(100)}${']'.repeat(100)}`, '\u0000'];
  for (const file of files) {
    const read = (): unknown => decode('outcome', Buffer.from(file), 'jobs/3e/b/1.yaml');
    assert.throws(
      read,
      (error: Error) => isCoded(error, 'LedgerFileInvalid') && error.message.includes('jobs/3e/b/1.yaml'),
      file,
    );
  }
});

test('a newer ledger, and what is no ledger, is refused', () => {
  checkFormat(Buffer.from('1\n'), 'b');
  const newer = (error: Error): boolean => isCoded(error, 'LedgerTooNew') && error.hint!.includes('upgrade');
  assert.throws(() => checkFormat(Buffer.from('2\n'), 'b'), newer);
  assert.throws(() => checkFormat(Buffer.from('v1'), 'b'), coded('LedgerFileInvalid'));
  assert.throws(() => checkFormat(undefined, 'main'), coded('NotALedger'));
});

test('an index answers for the folder it was made of, and for no other', () => {
  const status = applyFacts(applyFacts(undefined, manifestFacts('b', 'invalid')), finishedFacts({ job: 'b', run: 2 }));
  const [folder, other] = ['a'.repeat(40), 'b'.repeat(40)];
  const index = decodeIndex(encodeIndex([{ folder, status }]));
  assert.equal(index.statusOf('b', folder), status);
  assert.is(index.statusOf('b', other), undefined);
  assert.is(index.statusOf('c', folder), undefined);
  for (const broken of [
    '',
    '{',
    'null',
    '[]',
    '{"version":1,"jobs":[null,1]}',
    '{"version":9,"jobs":[]}',
    `{"version":1,"jobs":[{"folder":"${folder}","status":{"job":"b"}}]}`,
  ]) {
    assert.is(decodeIndex(Buffer.from(broken)).statusOf('b', folder), undefined, broken);
  }
});

test.run();
