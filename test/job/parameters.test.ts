import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CodedError, isCoded } from '../../src/errors.ts';
import { tasksOf } from '../../src/job/fan-out.ts';
import { resolveParameters, taskParameters, withParameters } from '../../src/job/parameters.ts';

const test = suite('parameters');

const spec = {
  run: 'x',
  parameters: {
    REGION: { default: 'eu', enum: ['eu', 'us'], message: 'eu or us' },
    DAY: { pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', message: 'a date' },
    SLOW: { default: '', pattern: '^(a+)*$' },
    NOTE: {},
  },
};

function refusal(given: Readonly<Record<string, string>>): CodedError {
  try {
    resolveParameters(spec, given);
  } catch (error) {
    if (isCoded(error, 'InvalidParameter')) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('values that are given win over defaults; what has neither is empty', () => {
  assert.equal(resolveParameters(spec, { REGION: 'us', DAY: '2026-11-20' }), {
    REGION: 'us',
    DAY: '2026-11-20',
    SLOW: '',
    NOTE: '',
  });
  assert.equal(resolveParameters({ run: 'x' }), {});
});

test('everything wrong is named at once', () => {
  const error = refusal({ REGOIN: 'us', REGION: 'asia', DAY: 'today' });
  assert.is(error.errorClass, 'usage');
  assert.is(
    error.message,
    'the job has no parameter "REGOIN"; did you mean "REGION"?; REGION: "asia" is not one of eu and us: eu or us; ' +
      'DAY: "today" does not match ^[0-9]{4}-[0-9]{2}-[0-9]{2}$: a date',
  );
});

test('a value that is needed and missing', () => {
  assert.is(refusal({}).message, 'the parameter DAY has no default and needs a value (a date)');
});

test('an unknown name with nothing near it', () => {
  assert.match(
    refusal({ DAY: '2026-11-20', XYZZY: '1' }).message,
    'the job has no parameter "XYZZY"; it has REGION, DAY, SLOW and NOTE',
  );
  assert.throws(
    () => resolveParameters({ run: 'x' }, { A: '1' }),
    (error: CodedError) =>
      error.message === 'the job has no parameter "A"; it has none' && error.hint === 'leave --param away',
  );
});

test('a pattern that would never come to an end is stopped', () => {
  assert.match(
    refusal({ DAY: '2026-11-20', SLOW: `${'a'.repeat(60)}!` }).message,
    /^SLOW: "a+…?!?" takes too long to compare with the pattern/,
  );
  assert.match(refusal({ DAY: '2026-11-20', SLOW: 'a'.repeat(1001) }).message, /has more than 1000 characters$/);
});

test('names that objects have anyway are no parameters', () => {
  assert.match(refusal({ DAY: '2026-11-20', constructor: 'x' }).message, 'the job has no parameter "constructor"');
});

test('values are bounded, and what a process can be given', () => {
  assert.match(
    refusal({ DAY: '2026-11-20', NOTE: 'ä'.repeat(2_049) }).message,
    /^NOTE: "ä+…" has 4098 bytes; a parameter may have 4096$/,
  );
  assert.is(resolveParameters(spec, { DAY: '2026-11-20', NOTE: 'x'.repeat(4_096) })['NOTE']?.length, 4_096);
  assert.match(
    refusal({ DAY: '2026-11-20', NOTE: 'a\0b' }).message,
    /holds a NUL character, which no process can be given$/,
  );
  assert.match(refusal({ DAY: '2026-11-20', NOTE: '\ud800' }).message, /holds half of a surrogate pair/);
});

test('a parameter that the matrix sets has a value per task, and none of the run', () => {
  const matrixSpec = { run: 'x', parameters: { A: { enum: ['1', '2'] }, B: {} }, matrix: { A: [1, 2] } };
  const values = resolveParameters(matrixSpec, { B: 'b' });
  assert.equal(values, { B: 'b' });
  assert.equal(
    tasksOf(matrixSpec).map((task) => taskParameters(values, task)),
    [
      { B: 'b', A: '1' },
      { B: 'b', A: '2' },
    ],
  );
  assert.throws(
    () => resolveParameters(matrixSpec, { A: '1' }),
    /^the matrix sets the parameter A, for each task; it can't be given$/,
  );
});

test('a spec with values as its defaults', () => {
  const changed = withParameters(spec, { REGION: 'us', OTHER: 'x' });
  assert.is(changed.parameters?.['REGION']?.default, 'us');
  assert.equal(changed.parameters?.['NOTE'], {});
  assert.is(spec.parameters.REGION.default, 'eu');
});

test.run();
