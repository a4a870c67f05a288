import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogCursor } from '../../../src/runner/kubernetes/log-cursor.ts';

/** A line of a log as a container runtime keeps it: the time in nanoseconds since the beginning, and the text. */
interface Line {
  readonly nanos: number;
  readonly text: string;
}

const START = Date.parse('2026-11-20T01:30:00Z');
const stampOf = (nanos: number): string => {
  const iso = new Date(START + Math.floor(nanos / 1e6)).toISOString();
  return `${iso.slice(0, 23)}${String(nanos % 1e6).padStart(6, '0')}Z`;
};
/** What the kubelet serves from a time on: whole seconds count. */
function served(lines: readonly Line[], since: string | undefined): Buffer {
  const from = since === undefined ? 0 : (Math.floor(Date.parse(since) / 1000) * 1000 - START) * 1e6;
  return Buffer.from(
    lines
      .filter(({ nanos }) => nanos >= from)
      .map(({ nanos, text }) => `${stampOf(nanos)} ${text}\n`)
      .join(''),
  );
}

function follow(lines: readonly Line[], cuts: readonly number[], sizes: readonly number[]) {
  const taken: Buffer[] = [];
  const cursor = createLogCursor((text) => taken.push(Buffer.from(text)));
  let gaps = 0;
  for (const cut of [...cuts, Infinity]) {
    const whole = served(lines, cursor.since());
    const stream = whole.subarray(0, Math.min(whole.length, cut));
    cursor.begin();
    for (let at = 0, index = 0; at < stream.length; index += 1) {
      const size = sizes[index % sizes.length]!;
      if (cursor.push(stream.subarray(at, at + size)) === 'gap') gaps += 1;
      at += size;
    }
    if (cut === Infinity && cursor.end() === 'gap') gaps += 1;
  }
  return { text: Buffer.concat(taken).toString(), gaps };
}

const test = suite('log cursor');

const lines = fc
  .array(
    fc.record({
      step: fc.oneof(fc.constantFrom(0, 1, 900, 40_000_000), fc.nat(1_200_000_000)),
      text: fc.oneof(
        fc.string({ maxLength: 12 }),
        fc.constantFrom('', 'same', 'ä', '2026-11-20T01:30:00.000000000Z x'),
      ),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((steps) => {
    let nanos = 0;
    return steps.map(({ step, text }): Line => ({ nanos: (nanos += step), text: text.replaceAll(/[\r\n]/g, '_') }));
  });

test('takes every byte once, however streams are cut off', () => {
  fc.assert(
    fc.property(
      lines,
      fc.array(fc.nat(900), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
      (given, cuts, sizes) => {
        const { text, gaps } = follow(given, cuts, sizes);
        assert.is(text, given.map((line) => `${line.text}\n`).join(''));
        assert.is(gaps, 0);
      },
    ),
    { numRuns: 2000 },
  );
});

test('takes lines that stand in another order than their times', () => {
  const disordered = [
    { nanos: 999_999_900, text: 'a' },
    { nanos: 1_000_000_100, text: 'b' },
    { nanos: 999_999_950, text: 'c' },
    { nanos: 1_000_000_200, text: 'd' },
  ];
  for (let cut = 0; cut < 130; cut += 1) assert.is(follow(disordered, [cut], [7]).text, 'a\nb\nc\nd\n');
});

test('gives each line its time', () => {
  const seen: [string, number][] = [];
  const cursor = createLogCursor((text, at) => seen.push([text.toString(), at - START]));
  cursor.begin();
  cursor.push(
    served(
      [0, 1e6 - 1, 1e6, 2.5e9].map((nanos) => ({ nanos, text: 'x' })),
      undefined,
    ),
  );
  assert.equal(seen, [
    ['x\nx\n', 0],
    ['x\n', 1],
    ['x\n', 2500],
  ]);
});

test('says when the last line has been rotated away, and takes all that came after it', () => {
  const all = Array.from({ length: 40 }, (_, index) => ({ nanos: index * 500_000_000, text: `line ${index}` }));
  const taken: Buffer[] = [];
  const cursor = createLogCursor((text) => taken.push(Buffer.from(text)));
  cursor.begin();
  cursor.push(served(all.slice(0, 10), undefined).subarray(0, -4)); // within a line
  const rotated = all.slice(20);
  cursor.begin();
  assert.is(cursor.push(served(rotated, cursor.since())), 'gap');
  assert.match(cursor.last(), '2026-11-20T01:30:04.5');
  cursor.begin();
  assert.is(cursor.push(served(rotated, cursor.since())), 'more');
  assert.is(cursor.end(), 'more');
  const text = Buffer.concat(taken).toString();
  assert.is(
    text,
    `${all
      .slice(0, 9)
      .map((line) => `${line.text}\n`)
      .join('')}lin\n${rotated.map((line) => `${line.text}\n`).join('')}`,
  );
});

test('says at the end of a stream that the last line was not in it', () => {
  const cursor = createLogCursor(() => undefined);
  cursor.begin();
  cursor.push(served([{ nanos: 0, text: 'one' }], undefined));
  cursor.begin();
  assert.is(cursor.end(), 'gap');
});

test("keeps the kubelet's own words apart", () => {
  const taken: string[] = [];
  const cursor = createLogCursor((text) => taken.push(text.toString()));
  cursor.begin();
  cursor.push(Buffer.from(`${stampOf(0)} one\nunable to retrieve container logs for contai`));
  cursor.push(Buffer.from('nerd://abc'));
  assert.is(cursor.notice(), 'unable to retrieve container logs for containerd://abc');
  assert.equal(taken, ['one\n']);
});

test.run();
