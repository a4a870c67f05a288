import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { linesOf } from '../../../src/runner/kubernetes/lines.ts';

const test = suite('lines of a byte stream');

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(text: string, sizes: readonly number[], max?: number): Promise<{ lines: string[]; rest: string }> {
  const lines: string[] = [];
  let rest = '';
  for await (const part of linesOf(chunksOf(Buffer.from(text), sizes), max)) {
    if ('line' in part) lines.push(part.line);
    else rest = part.rest;
  }
  return { lines, rest };
}

test('however the bytes are cut, the lines are the same, and the unfinished end is told apart', async () => {
  const texts = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant('\n'))).map((parts) => parts.join(''));
  const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(texts, sizes, async (text, sizes) => {
      const lines = text.split('\n');
      const rest = lines.pop()!;
      assert.equal(await read(text, sizes), { lines, rest });
    }),
  );
});

test('a line of many megabytes in small chunks takes time in proportion', async () => {
  const text = `${'x'.repeat(24 * 1024 * 1024)}\nend`;
  const { lines, rest } = await read(text, [16_384]);
  assert.is(lines[0]!.length, 24 * 1024 * 1024);
  assert.is(rest, 'end');
});

test('a line over the limit is refused', async () => {
  try {
    await read(`${'x'.repeat(200)}\n`, [50], 100);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, RangeError);
  }
});

test('reads no further than its reader', async () => {
  let given = 0;
  const chunks = (async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      given++;
      yield Buffer.from('line\n');
    }
  })();
  for await (const part of linesOf(chunks)) {
    assert.equal(part, { line: 'line' });
    if (given === 3) break;
  }
  assert.is(given, 3);
});

test.run();
