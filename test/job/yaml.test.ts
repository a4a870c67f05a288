import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FieldPath, Place } from '../../src/job/positions.ts';
import { readYaml } from '../../src/job/yaml.ts';

const bytes = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

const faultOf = (content: string | Uint8Array): string => {
  const { fault } = readYaml(typeof content === 'string' ? bytes(content) : content);
  return fault ? `${fault.line}:${fault.column}: ${fault.message}` : 'parses';
};

const documentsOf = (content: string | Uint8Array): readonly unknown[] => {
  const { file, fault } = readYaml(typeof content === 'string' ? bytes(content) : content);
  if (fault) throw new Error(fault.message);
  return file.documents;
};

const reading = suite('yaml: reading');

reading('an empty file, and one of comments alone, has no documents', () => {
  assert.equal(documentsOf(''), []);
  assert.equal(documentsOf('# nothing\n\n'), []);
});

reading('a byte order mark, CRLF, and several documents are fine', () => {
  assert.equal(documentsOf(bytes([0xef, 0xbb, 0xbf], 'a: 1\n')), [{ a: 1 }]);
  assert.equal(documentsOf('a: 1\r\nb: |\r\n  x\r\n  y\r\n'), [{ a: 1, b: 'x\ny\n' }]);
  assert.equal(documentsOf('---\na: 1\n---\n# none\n---\nb: 2\n...\n'), [{ a: 1 }, null, { b: 2 }]);
});

reading('values are those of YAML 1.2: yes and 012 are no surprise', () => {
  assert.equal(documentsOf('a: yes\nb: 012\nc: 0o17\nd: ~\ne: 2020-01-01\n'), [
    { a: 'yes', b: 12, c: 15, d: null, e: '2020-01-01' },
  ]);
});

reading('aliases stand for the value of their anchor', () => {
  assert.equal(documentsOf('a: &x {k: 1}\nb: *x\n'), [{ a: { k: 1 }, b: { k: 1 } }]);
});

reading('the document mark, anchors and tags do not hide a name', () => {
  assert.equal(Object.keys(documentsOf('__proto__: {a: 1}\n')[0] as object), ['__proto__']);
});

reading.run();

const faults = suite('yaml: faults');

const FAULTS: readonly (readonly [string, string | Uint8Array, string])[] = [
  ['NUL bytes', bytes('a: b', [0], 'c'), '1:5: the file holds a NUL byte; it is not text'],
  ['a file of NUL bytes', new Uint8Array(100), '1:1: the file holds a NUL byte; it is not text'],
  ['a bad byte', bytes('a: ü\nb: x', [0xff], 'z'), '2:5: the byte 0xff is not valid UTF-8'],
  ['a broken sequence', bytes('a: ü\nb: x', [0xc3, 0x28], 'z'), '2:5: the byte 0xc3 is not valid UTF-8'],
  ['a sequence cut off', bytes('a: ü\nb: ', [0xe2, 0x82]), '2:4: the byte 0xe2 is not valid UTF-8'],
  ['an encoded surrogate', bytes('a: ', [0xed, 0xa0, 0x80]), '1:4: the byte 0xed is not valid UTF-8'],
  ['UTF-16', bytes([0xff, 0xfe, 0x61, 0]), '1:1: the byte 0xff is not valid UTF-8'],
  [
    'a file that is too large',
    new Uint8Array(2 * 1024 * 1024),
    '1:1: the file has 2.0 MiB; a manifest may have 1 MiB at most',
  ],
  ['deep lists', '['.repeat(51), '1:51: lists and mappings are nested more than 50 deep'],
  ['deep blocks', '- '.repeat(60), '1:103: lists and mappings are nested more than 50 deep'],
  ['many documents', '---\na: 1\n'.repeat(101), '202:1: the file has 101 documents; at most 100 are allowed'],
  ['many aliases', `a: &a 1\nb: [${'*a, '.repeat(51)}]\n`, '2:206: a document has more than 50 aliases'],
  ['an alias within its anchor', 'a: &x\n  b: *x\n', '2:6: an alias stands within the value that it refers to'],
  [
    'an alias bomb',
    `a0: &a0 [x, x]\n${Array.from({ length: 24 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join('')}`,
    '2:10: the aliases of the document stand for more than 20000 values',
  ],
  ['an unknown alias', 'a: *x\n', '1:5: the alias *x has no anchor before it; quote the value if it begins with *'],
  ['a key twice', 'a: 1\nb: 2\na: 3\n', '3:1: this key is written twice in the same mapping'],
  ['a tab', 'a:\n\t- 1\n', '2:1: a tab is used for indentation; YAML needs spaces'],
  [
    'an open bracket',
    'a: [1, 2\n',
    '2:1: a value that began further up is not closed here; check quotes and brackets, and the indentation',
  ],
  ['an open quote', 'a: "x', '1:6: a quote is not closed'],
  [
    'two colons',
    'run: echo: hello\n',
    '1:10: this does not fit here; check the indentation, and quote values that hold ": " or begin with @ or `',
  ],
  [
    'a foreign tag',
    'a: !env X\n',
    '1:4: a YAML tag (!name) that means nothing here; quote the value if it begins with !',
  ],
  ['a list as a key', '? [a]\n: 1\n', '1:1: a list or mapping as a key; keys are plain words'],
  ['a control character', 'a: \u0007\n', '1:4: a control character that YAML does not allow'],
];

for (const [name, content, expected] of FAULTS) faults(name, () => assert.is(faultOf(content), expected));

faults('columns count characters, also beyond the basic plane', () => {
  assert.is(faultOf('😀😀: {a: 1, a: 2}\n'), '1:12: this key is written twice in the same mapping');
});

faults('what is just within the limits parses', () => {
  assert.is(faultOf('['.repeat(50) + ']'.repeat(50)), 'parses');
  assert.is(faultOf('---\na: 1\n'.repeat(100)), 'parses');
  assert.is(faultOf(`a: &a 1\nb: [${'*a, '.repeat(50)}]\n`), 'parses');
});

faults.run();

const places = suite('yaml: places');

const TEXT = `# a comment
---
first: 1
---
a: plain
b: "quoted"
c: |-  # a comment with | in it
  a script
d:
  - x
  - name: y
    run: |
      z
e: &anchor
  f: 1
g: *anchor
h:
"a b": {i: [1, 2]}
`;

const at = (document: number, path: FieldPath, place: Place): string => {
  const { file } = readYaml(Buffer.from(TEXT));
  const { line, column } = file?.locate(document, path, place) ?? { line: 0, column: 0 };
  return `${line}:${column}`;
};

places('keys and values', () => {
  assert.is(at(0, ['first'], 'value'), '3:8');
  assert.is(at(1, ['a'], 'key'), '5:1');
  assert.is(at(1, ['a'], 'value'), '5:4');
  assert.is(at(1, ['b'], 'value'), '6:4');
  assert.is(at(1, ['c'], 'value'), '7:4');
  assert.is(at(1, ['d', 0], 'value'), '10:5');
  assert.is(at(1, ['d', 1], 'key'), '11:5');
  assert.is(at(1, ['d', 1, 'run'], 'value'), '12:10');
  assert.is(at(1, ['a b', 'i', 1], 'value'), '18:16');
});

places('an alias where it stands, what is below it at the anchor', () => {
  assert.is(at(1, ['g'], 'value'), '16:4');
  assert.is(at(1, ['g', 'f'], 'value'), '15:6');
});

places('what is not written: at the key it is missing from', () => {
  assert.is(at(1, ['h'], 'value'), '17:1');
  assert.is(at(1, ['e', 'missing'], 'value'), '14:1');
  assert.is(at(1, ['missing'], 'key'), '5:1');
  assert.is(at(1, ['a', 'b', 'c'], 'value'), '5:1');
});

places.run();
