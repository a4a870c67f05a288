import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRedactor } from '../../src/logs/redact.ts';

const secret = (value: string) => ({ label: 'secret report/token', value });
const redacted = (text: string, ...values: string[]): string => createRedactor(values.map(secret)).redact(text);

/** Pushes the text in parts of the given sizes through one stream. */
function streamed(text: string, values: readonly string[], sizes: readonly number[]): string {
  const parts: Buffer[] = [];
  const stream = createRedactor(values.map(secret)).open({
    keep: (bytes, offset) => parts.push(Buffer.from(bytes)) + offset,
    mask: () => parts.push(Buffer.from('***')),
  });
  const bytes = Buffer.from(text);
  let at = 0;
  for (const size of sizes) stream.push(bytes.subarray(at, (at += size)));
  stream.push(bytes.subarray(at));
  stream.end();
  return Buffer.concat(parts).toString();
}

const redactor = suite('redact');

redactor('masks a value wherever it stands', () => {
  assert.is(redacted('a hunter22 b hunter22', 'hunter22'), 'a *** b ***');
  assert.is(redacted('hunter2', 'hunter22'), 'hunter2');
  assert.is(redacted('hhunter22', 'hunter22'), 'h***');
});

redactor('masks what overlaps and what touches as one', () => {
  assert.is(redacted('xabcdefghiy', 'abcdef', 'defghi'), 'x***y');
  assert.is(redacted('xabcdefabcdefy', 'abcdef'), 'x***y');
  assert.is(redacted('abcdefgh1', 'abcdef', 'abcdefgh'), '***1');
});

redactor('masks each line of a value of several lines, and lines too short for it within the whole', () => {
  const key = '-----BEGIN KEY-----\r\nMIIEvQIBADAN\r\nabc\r\n-----END KEY-----\r\n';
  assert.is(redacted('  MIIEvQIBADAN  ', key), '  ***  ');
  assert.is(redacted(`x\n${key.replaceAll('\r', '')}y`, key), 'x\n***y');
  assert.is(redacted('ab\ncd\nef', 'ab\ncd\nef'), '***');
  assert.is(redacted('ab', 'ab\ncd\nef'), 'ab');
});

redactor('masks base64 in all three alignments', () => {
  for (const before of ['', 'x', 'xy', 'xyz', 'user:'])
    for (const after of ['', '1', '22', '333']) {
      const text = Buffer.from(`${before}s3cr?t>value~${after}`);
      for (const encoding of ['base64', 'base64url'] as const) {
        const shown = redacted(text.toString(encoding), 's3cr?t>value~');
        assert.match(shown, '***');
        assert.ok(shown.length <= 3 + Math.ceil(((before.length + after.length + 2) * 8) / 6) + 3, shown);
      }
    }
});

redactor('masks base64 that is broken into lines', () => {
  const key = 'k'.repeat(30) + 'ey!'.repeat(40);
  const wrapped = Buffer.from(key).toString('base64').replace(/.{76}/g, '$&\n');
  assert.is(redacted(wrapped, key), '***');
});

redactor('masks URL-encoded and JSON-escaped values', () => {
  const value = 'p/ss w"rd\n+ü!';
  const json = JSON.stringify(value).slice(1, -1);
  assert.is(redacted(`?t=${encodeURIComponent(value)}&x`, value), '?t=***&x');
  assert.is(redacted(`?t=${encodeURIComponent(value).toLowerCase()}&x`, value), '?t=***&x');
  assert.is(redacted(new URLSearchParams({ t: value }).toString(), value), 't=***');
  assert.is(redacted(`{"t":"${json}"}`, value), '{"t":"***"}');
  assert.is(redacted(`{"t":"${json.replace('ü', '\\u00fc')}"}`, value), '{"t":"***"}');
});

redactor('refuses values under six characters, and names them without showing them', () => {
  const empty = createRedactor();
  const warning = empty.add({ label: 'secret report/pin', value: '12345' });
  assert.match(String(warning), 'secret report/pin has fewer than 6 characters');
  assert.not.match(String(warning), '12345');
  assert.is(empty.redact('12345'), '12345');
  assert.is(empty.add({ label: 'x', value: '123456' }), undefined);
  assert.is(typeof empty.add({ label: 'spaces', value: '        ' }), 'string');
});

redactor('masks what is added from then on, what was kept back included', () => {
  const parts: string[] = [];
  const masks = createRedactor([secret('abcdefgh')]);
  const stream = masks.open({ keep: (bytes) => parts.push(bytes.toString()), mask: () => parts.push('***') });
  stream.push(Buffer.from('later1 abcdef'));
  masks.add(secret('later1'));
  masks.add(secret('abcdef12'));
  stream.push(Buffer.from('12 later1'));
  stream.end();
  assert.is(parts.join(''), 'later1 *** ***');
});

redactor('keeps offsets of what passes', () => {
  const seen: [string, number][] = [];
  const stream = createRedactor([secret('secret')]).open({
    keep: (bytes, offset) => seen.push([bytes.toString(), offset]),
    mask: () => undefined,
  });
  for (const part of ['ab sec', 'ret cd']) stream.push(Buffer.from(part));
  stream.end();
  assert.equal(seen, [
    ['ab ', 0],
    [' cd', 9],
  ]);
});

const value = fc
  .string({ minLength: 6, maxLength: 40, unit: fc.constantFrom(...Array.from('abcAB01+/=%\\" \nä😀-~.')) })
  .filter((text) => Array.from(text.trim()).length >= 6);

redactor('lets no secret survive in any form, however it is cut', () => {
  const forms = (text: string): string[] => [
    text,
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
    Buffer.from(text).toString('base64'),
    Buffer.from(text).toString('base64url'),
  ];
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 4 }),
      fc.string(),
      fc.array(fc.nat(20)),
      (values, noise, sizes) => {
        const all = values.flatMap(forms);
        const out = streamed(all.join(noise), values, sizes);
        for (const form of all) assert.not.ok(out.includes(form), JSON.stringify([form, out]));
      },
    ),
    { numRuns: 300 },
  );
});

redactor('gives the same text however it is cut', () => {
  const few = fc.string({ minLength: 6, maxLength: 12, unit: fc.constantFrom('a', 'b') });
  const text = fc.string({ maxLength: 200, unit: fc.constantFrom('a', 'b', '\n') });
  fc.assert(
    fc.property(fc.array(few, { maxLength: 5 }), text, fc.array(fc.nat(15)), (values, input, sizes) => {
      assert.is(streamed(input, values, sizes), redacted(input, ...values));
    }),
    { numRuns: 1000 },
  );
});

redactor('masks exactly what a search for every form would mask', () => {
  const few = fc.string({ minLength: 6, maxLength: 9, unit: fc.constantFrom('a', 'b') });
  const text = fc.string({ maxLength: 120, unit: fc.constantFrom('a', 'b', 'c') });
  fc.assert(
    fc.property(fc.array(few, { maxLength: 4 }), text, (values, input) => {
      const covered = Array.from(input, () => false);
      for (const wanted of values)
        for (let at = input.indexOf(wanted); at >= 0; at = input.indexOf(wanted, at + 1))
          covered.fill(true, at, at + wanted.length);
      const expected = Array.from(input, (letter, at) => (covered[at] ? '\0' : letter)).join('');
      assert.is(redacted(input, ...values), expected.replace(/\0+/g, '***'));
    }),
    { numRuns: 1000 },
  );
});

redactor.run();
