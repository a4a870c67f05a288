import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, formatBytes, parseQuantity } from '../../src/job/quantity.ts';

const test = suite('quantity');

test('reads what Kubernetes writes', () => {
  const cases: readonly (readonly [string | number, number])[] = [
    ['500m', 0.5],
    ['1Gi', 1_073_741_824],
    ['256Ki', 262_144],
    ['1k', 1_000],
    ['1.5M', 1_500_000],
    ['2e3', 2_000],
    ['.5', 0.5],
    ['2E', 2e18],
    [7, 7],
  ];
  for (const [text, number] of cases) assert.is(parseQuantity(text), number, String(text));
});

test('refuses everything else', () => {
  for (const text of [
    '',
    'Gi',
    '1 Gi',
    '1KB',
    '1K',
    '-1',
    '1gi',
    '0x10',
    '1e',
    Number.NaN,
    -1,
    Number.POSITIVE_INFINITY,
  ])
    assert.is(parseQuantity(text), undefined, String(text));
  assert.throws(() => bytesOf('lots'), /"lots" is not a size/);
});

test('bytes are whole, and written for people', () => {
  assert.is(bytesOf('1.5'), 2);
  assert.is(bytesOf('4Mi'), 4_194_304);
  assert.is(formatBytes(1), '1 byte');
  assert.is(formatBytes(999), '999 bytes');
  assert.is(formatBytes(1_000), '1 kB');
  assert.is(formatBytes(1_250_000), '1.3 MB');
  assert.is(formatBytes(999_999), '1 MB');
});

test.run();
