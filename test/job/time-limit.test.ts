import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withTimeLimit } from '../../src/job/time-limit.ts';

const test = suite('time limit');

test('what comes to an end gives its value, and its error', () => {
  assert.is(
    withTimeLimit(1_000, () => 'x'),
    'x',
  );
  assert.throws(
    () =>
      withTimeLimit(1_000, () => {
        throw new RangeError('too far');
      }),
    (error: unknown) => error instanceof RangeError && error.message === 'too far',
  );
});

test('what does not is ended, also where it catches everything', () => {
  const never = (): never => {
    for (;;)
      try {
        /^(a+)+$/.test(`${'a'.repeat(60)}!`);
      } catch {
        // and again
      }
  };
  assert.is(withTimeLimit(50, never), 'slow');
});

test.run();
