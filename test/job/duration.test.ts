import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { durationMs, formatDuration, parseDuration, suggestDuration } from '../../src/job/duration.ts';

const test = suite('duration');

test('reads days, hours, minutes and seconds', () => {
  assert.is(parseDuration('90s'), 90_000);
  assert.is(parseDuration('5m'), 300_000);
  assert.is(parseDuration('1h30m'), 5_400_000);
  assert.is(parseDuration('180d'), 15_552_000_000);
  assert.is(parseDuration('1d2h3m4s'), 93_784_000);
  assert.is(parseDuration('0s'), 0);
});

test('refuses everything else', () => {
  for (const text of ['', '5', '5 m', '5 minutes', '1m1h', '1m1m', '-5m', '1.5h', '5M', ' 5m', '5m ', '٥m', '100ms'])
    assert.is(parseDuration(text), undefined, JSON.stringify(text));
  assert.throws(() => durationMs('soon'), /"soon" is not a duration/);
});

test('writes what it reads', () => {
  fc.assert(
    fc.property(fc.nat(2_000_000_000), (seconds) => {
      assert.is(parseDuration(formatDuration(seconds * 1000)), seconds * 1000);
    }),
  );
  assert.is(formatDuration(192_400), '3m12s');
  assert.is(formatDuration(15_552_000_000), '180d');
  assert.is(formatDuration(499), '0s');
  assert.is(formatDuration(59_999), '1m');
});

test('guesses what was meant', () => {
  assert.is(suggestDuration('5 minutes'), '5m');
  assert.is(suggestDuration('1 hour and 30 min'), '1h30m');
  assert.is(suggestDuration('1.5h'), '1h30m');
  assert.is(suggestDuration('2 weeks'), '14d');
  assert.is(suggestDuration(90), '1m30s');
  assert.is(suggestDuration('90'), '1m30s');
  for (const text of ['soon', '5 parsecs', '', '5m or so', '1'.repeat(1000)])
    assert.is(suggestDuration(text), undefined, text);
});

test.run();
