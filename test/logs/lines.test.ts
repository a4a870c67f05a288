import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLineReader, printable } from '../../src/logs/lines.ts';

interface Seen {
  readonly text: string;
  readonly colours: string;
  readonly last: boolean;
}

function read(chunks: readonly (string | Uint8Array)[], maxLine = 16384): Seen[] {
  const seen: Seen[] = [];
  const reader = createLineReader({
    maxLine,
    onPiece: ({ bytes, colours, last }) =>
      seen.push({ text: bytes.toString(), colours: JSON.stringify(colours), last }),
  });
  for (const chunk of chunks) reader.push(Buffer.from(chunk as string));
  reader.end();
  return seen;
}
const lines = (input: string | Uint8Array): string[] => read([input]).map(({ text }) => text);

const reader = suite('lines');

reader('splits at line breaks, and ends a line without one at the end', () => {
  assert.equal(lines('one\ntwo\r\n\nthree'), ['one', 'two', '', 'three']);
  assert.equal(lines(''), []);
  assert.equal(lines('\n'), ['']);
});

reader('keeps the last state of a progress bar', () => {
  assert.equal(lines('10%\r50%\r100%\ndone\n'), ['100%', 'done']);
  assert.equal(lines('10%\r\x1b[K20%\r'), ['20%']);
  assert.equal(lines('a\r\r\nb\n'), ['a', 'b']);
});

reader('makes control bytes and invalid UTF-8 printable and keeps valid characters', () => {
  assert.equal(lines(Buffer.from([0x61, 0x00, 0x07, 0x7f, 0x62])), ['a\\x00\\x07\\x7fb']);
  assert.equal(lines('tab\tÄ漢😀'), ['tab\tÄ漢😀']);
  assert.equal(lines(Buffer.from([0xff, 0x41, 0xc3, 0x42, 0xe6, 0xbc, 0x43])), ['\\xffA\\xc3B\\xe6\\xbcC']);
  assert.equal(lines(Buffer.from([0xc0, 0xaf])), ['\\xc0\\xaf'], 'overlong');
  assert.equal(lines(Buffer.from([0xed, 0xa0, 0x80])), ['\\xed\\xa0\\x80'], 'a surrogate');
  assert.equal(lines(Buffer.from([0xf0, 0x9f, 0x98])), ['\\xf0\\x9f\\x98'], 'cut off at the end');
  assert.equal(lines('\u009b31m'), ['\\x9b31m'], 'a C1 control that some terminals obey');
});

reader('takes terminal sequences out and remembers where colours were', () => {
  const [line] = read(['\x1b[1;31mred\x1b[0m \x1b[2Jplain\x1b]0;title\x07!\x1b(B\x1b]8;;http://x\x1b\\link']);
  assert.is(line?.text, 'red plain!link');
  assert.is(line?.colours, '[{"offset":0,"sequence":"\\u001b[1;31m"},{"offset":3,"sequence":"\\u001b[0m"}]');
});

reader('prints what only looks like a terminal sequence', () => {
  assert.equal(lines('a\x1b\nb'), ['a\\x1b', 'b']);
  assert.equal(lines(`\x1b[${'1;'.repeat(60)}m`)[0]?.startsWith('\\x1b[1;1;'), true);
  assert.equal(lines('\x1b]0;never ended\nnext'), ['', 'next']);
  assert.equal(lines('cut\x1b[3'), ['cut\\x1b[3']);
});

reader('hands a long line out in pieces that cut no character', () => {
  const seen = read(['ä'.repeat(150), '\nx\n'], 129);
  assert.equal(
    seen.map(({ text, last }) => [Buffer.byteLength(text), last]),
    [
      [128, false],
      [128, false],
      [44, true],
      [1, true],
    ],
  );
});

reader('holds no more than a line of memory for a line of 50 MB', () => {
  let pieces = 0;
  let bytes = 0;
  const long = createLineReader({ maxLine: 1000, onPiece: (piece) => ((pieces += 1), (bytes += piece.bytes.length)) });
  const chunk = Buffer.alloc(50_000, 'x');
  for (let n = 0; n < 1000; n += 1) long.push(chunk);
  long.end();
  assert.is(bytes, 50_000_000);
  assert.is(pieces, 50_000);
});

const anyBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc
        .constantFrom('\r', '\n', '\r\n', '\x1b[31m', '\x1b[K', '\x1b]0;t\x07', '\x1b', 'ä', '😀', 'abc'.repeat(60))
        .map((text) => Uint8Array.from(Buffer.from(text))),
    ),
  )
  .map((parts) => Buffer.concat(parts));

reader('gives the same lines however the bytes are cut', () => {
  fc.assert(
    fc.property(anyBytes, fc.array(fc.nat(30)), (bytes, sizes) => {
      const chunks: Buffer[] = [];
      let at = 0;
      for (const size of sizes) chunks.push(bytes.subarray(at, (at += size)));
      chunks.push(bytes.subarray(at));
      assert.equal(read(chunks, 130), read([bytes], 130));
    }),
    { numRuns: 1000 },
  );
});

reader('makes anything printable, and leaves printable text as it is', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      const once = printable(bytes);
      // oxlint-disable-next-line no-control-regex
      assert.not.match(once.toString(), /[\0-\x08\x0b-\x1f\x7f-\x9f\ufffd]/);
      assert.equal(printable(once), once);
    }),
    { numRuns: 500 },
  );
});

reader.run();
