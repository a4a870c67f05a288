import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileMasks } from '../../src/logs/mask-patterns.ts';
import { createRedactor } from '../../src/logs/redact.ts';

const masked = (text: string, ...masks: readonly string[]): string =>
  createRedactor([], compileMasks(masks)).redact(text);

function streamed(
  text: string,
  masks: readonly string[],
  sizes: readonly number[],
  secrets: readonly string[] = [],
): string {
  const parts: Buffer[] = [];
  const values = secrets.map((value) => ({ label: 's', value }));
  const stream = createRedactor(values, compileMasks(masks)).open({
    keep: (bytes) => parts.push(Buffer.from(bytes)),
    mask: () => parts.push(Buffer.from('***')),
  });
  const bytes = Buffer.from(text);
  let at = 0;
  for (const size of sizes) stream.push(bytes.subarray(at, (at += size)));
  stream.push(bytes.subarray(at));
  stream.end();
  return Buffer.concat(parts).toString();
}

const test = suite('masks');

test('mask what matches, as much of it as can be', () => {
  assert.is(masked('key AKIAABCDEFGHIJKLMNOP and AKIAshort', 'AKIA[A-Z0-9]{16}'), 'key *** and AKIAshort');
  assert.is(masked('Bearer abc.def-1 x', 'Bearer [\\w.-]+'), '*** x');
  assert.is(masked('a1b22c333', '\\d{2,}?'), 'a1b***c***');
  assert.is(masked('PassWord=x', '(?i)password=\\S*'), '***');
  assert.is(masked('cat hat bat', '(?:c|h)at'), '*** *** bat');
  assert.is(masked('größer', 'ö[^x]'), 'gr***er');
  assert.is(masked('x\\y', '\\\\'), 'x***y');
  assert.is(masked('tel 555-1234', '[0-9]{3}-[0-9]{4}', 'tel'), '*** ***');
});

test('never go over the end of a line', () => {
  assert.is(masked('token=\nabc', 'token=[^x]*'), '***\nabc');
  assert.is(masked('a \n b', 'a\\s+b'), 'a \n b');
});

test('match what Array.prototype of JavaScript matches, leftmost and longest', () => {
  const texts = fc.string({ maxLength: 40, unit: fc.constantFrom('a', 'b', 'c', ' ') });
  for (const mask of ['ab+', 'a[bc]{2}', '(?:ab|c)+', 'b c?a', '[^a ]+c'])
    fc.assert(
      fc.property(texts, (text) => {
        const wanted = text.replaceAll(new RegExp(`(?:${mask})+`, 'g'), '***'); // what touches is one mask
        assert.is(masked(text, mask), wanted);
      }),
      { numRuns: 300 },
    );
});

test('mask all that belongs to any match, also where matches of one or several masks overlap', () => {
  assert.is(masked('password=ghp_abcdefgh ok', 'password=\\w{8}', 'ghp_\\w+'), '*** ok');
  const texts = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', '1', ' ') });
  const masks = ['a[ab]{2}1', '1 +b', 'b1?b', 'aba'];
  fc.assert(
    fc.property(texts, (text) => {
      const hidden = Array.from(text, () => false);
      const whole = new RegExp(`^(?:${masks.join('|')})$`);
      for (let from = 0; from < text.length; from += 1)
        for (let to = from + 1; to <= text.length; to += 1)
          if (whole.test(text.slice(from, to))) hidden.fill(true, from, to);
      const wanted = Array.from(text, (char, at) => (hidden[at] ? '\0' : char)).join('');
      assert.is(masked(text, ...masks), wanted.replaceAll(/\0+/g, '***'));
    }),
    { numRuns: 2000 },
  );
});

test('give the same text however it is cut, beside secrets', () => {
  const text = fc.string({ maxLength: 120, unit: fc.constantFrom('a', 'b', '1', ' ', '\n') });
  fc.assert(
    fc.property(text, fc.array(fc.nat(9)), (input, sizes) => {
      const masks = ['a[ab]{2}1', '1 +b'];
      assert.is(streamed(input, masks, sizes, ['b1b1b1']), streamed(input, masks, [], ['b1b1b1']));
    }),
    { numRuns: 5000 },
  );
});

test('stay fast and small on what would make a backtracking search hang', () => {
  const hostile = `${'a'.repeat(50_000)}!`;
  assert.is(masked(hostile, '(a+)+b'), hostile);
  assert.is(masked(hostile, '(a|a)*b', '(a*)*c'), hostile);
  assert.is(masked('ab'.repeat(200_000), 'aba', 'ab.{40}c'), '***b', 'matches that overlap on and on');
  assert.is(masked(`x${'y'.repeat(20_000)} z`, 'xy+'), '*** z', 'a long match is masked to its end');
});

test('refuse what can not be searched for in linear time, with a reason', () => {
  const why = (mask: string): string => {
    try {
      compileMasks([mask]);
      return 'none';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(why('^a'), "has ^, which masks don't know");
  assert.match(why('\\bword'), "has \\b, which masks don't know");
  assert.match(why('(a)\\1'), "has \\1, which masks don't know");
  assert.match(why('(?=a)'), 'has (?, which masks know only as');
  assert.match(why('a*'), 'matches the empty text');
  assert.match(why('[a'), 'has a [ without its ]');
  assert.match(why('(a'), 'has a ( without its )');
  assert.match(why('a)'), 'has a ) without its (');
  assert.match(why('*'), 'has * with nothing before it');
  assert.match(why('a{999}'), 'repeats more than 256 times');
  assert.match(why('((a{200}){200}){200}'), 'is too large');
  assert.match(why('a{x}'), 'has a { that is no count');
  assert.match(why('[z-a]'), 'has a range that goes backwards');
});

test.run();
