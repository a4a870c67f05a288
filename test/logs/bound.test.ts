import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createBoundedLog, humanBytes } from '../../src/logs/bound.ts';

const NOTE = 80;
const grouped = new Intl.NumberFormat('en-US');

/** What the log has to be, by way of holding all of it. */
function expected(pushes: readonly Push[], maxBytes: number): string {
  const room = Math.max(0, maxBytes - NOTE);
  const lines = pushes.flatMap(({ texts, prefix }) => texts.map((text) => `${prefix}${text}\n`));
  const total = lines.join('').length;
  if (total <= room) return lines.join('');
  let head = '';
  let next = 0;
  while (next < lines.length && head.length + lines[next]!.length <= Math.floor(room / 2)) head += lines[next++]!;
  let tail = '';
  let kept = lines.length;
  while (kept > next && head.length + tail.length + lines[kept - 1]!.length <= room) tail = lines[--kept]! + tail;
  const left = kept - next;
  const bytes = humanBytes(total - head.length - tail.length);
  return `${head}… ${grouped.format(left)} line${left === 1 ? '' : 's'} (${bytes}) left out …\n${tail}`;
}

interface Push {
  readonly texts: readonly string[];
  readonly prefix: string;
}

const pushOf = (longest: number, most: number): fc.Arbitrary<Push> =>
  fc.record({
    texts: fc.array(
      fc.nat(longest).map((length) => 'x'.repeat(length)),
      { minLength: 1, maxLength: most },
    ),
    prefix: fc.constantFrom('', 'a ', '10:00 build stdout ', '10:01 build stdout '),
  });

const test = suite('bounded log');

for (const { name, longest, most, maxBytes, numRuns } of [
  { name: 'a few short lines', longest: 20, most: 4, maxBytes: 300, numRuns: 2000 },
  { name: 'no room at all', longest: 5, most: 3, maxBytes: 60, numRuns: 200 },
  { name: 'many lines at once', longest: 200, most: 600, maxBytes: 100_000, numRuns: 100 },
  { name: 'lines longer than what is kept', longest: 90_000, most: 3, maxBytes: 40_000, numRuns: 100 },
])
  test(`keeps the first and the newest whole lines, stamped: ${name}`, () => {
    fc.assert(
      fc.property(fc.array(pushOf(longest, most), { maxLength: 12 }), (pushes) => {
        const log = createBoundedLog(maxBytes);
        for (const { texts, prefix } of pushes)
          log.push(Buffer.from(texts.map((text) => `${text}\n`).join('')), Buffer.from(prefix));
        assert.is(log.content().toString(), expected(pushes, maxBytes));
      }),
      { numRuns },
    );
  });

test('does not keep what it was handed', () => {
  const log = createBoundedLog(10_000);
  const lines = Buffer.from(`${'a'.repeat(99)}\n`.repeat(60));
  for (let round = 0; round < 5; round += 1) log.push(lines, Buffer.from('t '));
  const before = log.content();
  lines.fill('b');
  assert.equal(log.content(), before);
});

test.run();
