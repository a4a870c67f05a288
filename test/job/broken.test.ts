import { Ajv2020 } from 'ajv/dist/2020.js';
import { loadAll } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createCatalogBuilder } from '../../src/job/catalog.ts';
import type { Catalog } from '../../src/job/model.ts';
import { API_VERSION } from '../../src/job/parse.ts';
import { MESSAGE_LIMIT } from '../../src/job/words.ts';
import { schemas } from '../../src/schemas/index.ts';
import { jobYaml, snapshotOf } from './world.ts';

const BROKEN = 1_000;
const VALID = 50;
const SEED = 20_261_120;

/** Numbers from 0 up to a limit, the same ones for the same seed (mulberry32). */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const random = createRandom(SEED);
const pick = <Item>(items: readonly [Item, ...Item[]]): Item => items[random(items.length)] ?? items[0];

const manifest = (name: string): string =>
  jobYaml(
    name,
    '# what it does',
    'description: Loads and reports',
    'parameters: { REGION: { default: eu, enum: [eu, us] } }',
    'env: &env',
    '  LOG_LEVEL: info',
    '  TOKEN: { secret: { name: report, key: token } }',
    'files: [{ path: conf.yaml, content: "a: 1" }]',
    'image: alpine:3.20',
    'steps:',
    '  - name: extract',
    '    run: |',
    '      echo "::set-outcome-var rows=12"',
    '  - { name: load, command: [/load], args: [--all], env: *env, timeout: 10m }',
    'resources: { requests: { cpu: 500m }, limits: { memory: 1Gi } }',
    'timeouts: { queue: 2h, run: 30m }',
    'keep: { runs: 20, for: 90d }',
  );

type Mutation = (text: string) => Uint8Array;

const bytesOf = (text: string): Uint8Array => Buffer.from(text);

const splice = (text: string, insert: string, remove = 0): Uint8Array => {
  const at = random(text.length);
  return bytesOf(text.slice(0, at) + insert + text.slice(at + remove));
};

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  truncated: (text) => bytesOf(text.slice(0, random(text.length))),
  'bit flips': (text) => {
    const bytes = Buffer.from(text);
    for (let count = 1 + random(8); count > 0; count -= 1) {
      const at = random(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    }
    return bytes;
  },
  'random bytes within': (text) => {
    const bytes = Buffer.from(text);
    const at = random(bytes.length);
    for (let index = at; index < Math.min(bytes.length, at + 1 + random(40)); index += 1) bytes[index] = random(256);
    return bytes;
  },
  'random bytes alone': () => Buffer.from(Array.from({ length: random(2_000) }, () => random(256))),
  'NUL bytes': (text) => Buffer.concat([bytesOf(text), new Uint8Array(1 + random(100))]),
  'characters lost': (text) => splice(text, '', 1 + random(30)),
  'characters strewn in': (text) =>
    splice(
      text,
      pick([
        '{',
        '[',
        '"',
        "'",
        ': ',
        '- ',
        '\t',
        '&a ',
        '*a ',
        '!!x ',
        '|',
        '>',
        '%',
        '@',
        '---\n',
        '\u0007',
        '${{ }}',
        '\r',
      ]),
    ),
  'a line doubled': (text) => {
    const lines = text.split('\n');
    const at = random(lines.length);
    return bytesOf([...lines.slice(0, at + 1), lines[at] ?? '', ...lines.slice(at + 1)].join('\n'));
  },
  'lines in disorder': (text) => {
    const lines = text.split('\n');
    const [from, to] = [random(lines.length), random(lines.length)];
    return bytesOf(lines.toSpliced(to, 0, ...lines.splice(from, 1)).join('\n'));
  },
  'indentation off': (text) => {
    const lines = text.split('\n');
    const at = random(lines.length);
    return bytesOf(lines.map((line, index) => (index === at ? ` ${line}` : line)).join('\n'));
  },
  'values of other types': (text) =>
    bytesOf(
      text.replaceAll(/: (?=[^\s{[&|*])[^\n,}]+/g, (value) =>
        random(5) === 0 ? `: ${pick(['1', 'true', 'null', '[]', '{}', '.nan', '1e999', '""'])}` : value,
      ),
    ),
  'names of fields changed': (text) =>
    bytesOf(
      text.replaceAll(/\b\w+(?=:\s)/g, (name) =>
        random(8) === 0 ? pick([`${name}s`, name.toUpperCase(), '__proto__', 'constructor', '<<']) : name,
      ),
    ),
  'deep nesting': (text) => {
    const depth = 40 + random(20_000);
    return bytesOf(`${text}  pod: { volumes: ${pick(['[', '{a: '])}${pick(['[', '{a: ']).repeat(depth)}\n`);
  },
  'deep lists': (text) => bytesOf(`${text}---\n${'- '.repeat(30 + random(5_000))}x\n`),
  'alias bomb': (text) => {
    const size = 5 + random(40);
    const rows = Array.from(
      { length: size },
      (_, row) => `    a${row}: &a${row} [${row === 0 ? 'x, x' : `*a${row - 1}, *a${row - 1}`}]`,
    );
    return bytesOf(`${text}  pod:\n${rows.join('\n')}\n`);
  },
  'alias within itself': (text) => bytesOf(`${text}  pod: &pod\n    a: [*pod]\n`),
  'many documents': (text) => bytesOf(text + '---\na: 1\n'.repeat(90 + random(50))),
  'huge list': (text) => bytesOf(`${text}  needs: [${'1, '.repeat(random(80_000))}]\n`),
  'huge mapping': (text) =>
    bytesOf(
      `${text}  labels:\n${Array.from({ length: random(25_000) }, (_, row) => `    k${row}: ${row}\n`).join('')}`,
    ),
  'huge string': (text) =>
    bytesOf(
      `${text}  if: ${pick(['${{', '(', 'a.', '-', '/../'])}${pick(['${{', '((', '1.', '--', '../']).repeat(random(200_000))}\n`,
    ),
  'huge file': (text) => bytesOf(text + '# '.repeat(600_000 + random(100))),
  'another encoding': (text) => Buffer.from(text, pick(['utf16le', 'latin1', 'base64'])),
  'invalid UTF-8': (text) =>
    Buffer.concat([
      bytesOf(text),
      Buffer.from(pick([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80], [0xe2, 0x82]])),
    ]),
};

interface Mutant {
  readonly path: string;
  readonly mutation: string;
  readonly bytes: Uint8Array;
}

const names = Object.keys(MUTATIONS);
const mutants = Array.from({ length: BROKEN }, (_, index): Mutant => {
  const mutation = names[index % names.length] ?? '';
  const bytes = MUTATIONS[mutation]?.(manifest(`mutant-${index}-${'abcdefghij'[index % 10]}`)) ?? new Uint8Array();
  return { path: `mutants/${String(index).padStart(4, '0')}.yaml`, mutation, bytes };
});
const valid = Array.from(
  { length: VALID },
  (_, index) => [`valid/${index}.yaml`, manifest(`untouched-job-number-${index}`)] as const,
);

/** What a file is, found out without the code that is tested. */
function kindOf(bytes: Uint8Array): {
  readonly parses: boolean;
  readonly mentions: boolean;
  readonly documents: readonly unknown[];
} {
  const mentions = Buffer.from(bytes).includes('runledger.dev/');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { parses: true, mentions, documents: loadAll(text, { maxAliases: 50, maxDepth: 51 }) };
  } catch {
    return { parses: false, mentions, documents: [] };
  }
}

const isOurs = (document: unknown): boolean =>
  typeof document === 'object' &&
  document !== null &&
  String((document as { apiVersion?: unknown }).apiVersion).startsWith('runledger.dev/');

// It stops at the first error: on the huge ones Ajv takes minutes to collect them all.
const ajv = new Ajv2020({
  allowUnionTypes: true,
  strictRequired: false,
  schemas: Object.values(schemas),
  keywords: ['x-error'],
});
const conforms = (document: unknown): boolean => ajv.validate(String(schemas.job['$id']), document);

const test = suite('broken manifests');

let catalog: Catalog;
const reported = new Map<string, number>();
const planned = new Map<string, number>();

test.before(async () => {
  const files = Object.fromEntries([...mutants.map(({ path, bytes }) => [path, bytes] as const), ...valid]);
  catalog = await createCatalogBuilder().build(snapshotOf(files), { knownFiles: new Set() });
  const count = (counts: Map<string, number>, file: string): Map<string, number> =>
    counts.set(file, (counts.get(file) ?? 0) + 1);
  for (const { file } of catalog.problems) count(reported, file);
  for (const { problems } of catalog.invalidJobs.values()) for (const { file } of problems) count(reported, file);
  for (const { path } of catalog.jobs.values()) count(planned, path);
});

test('all valid manifests among them are planned', () => {
  for (const [path] of valid) {
    assert.is(planned.get(path), 1, path);
    assert.is(reported.get(path), undefined, path);
  }
});

for (const mutation of names) {
  test(`${mutation}: each is reported, or is no manifest, or is still a valid one`, () => {
    for (const { path, bytes } of mutants.filter((mutant) => mutant.mutation === mutation)) {
      const { parses, mentions, documents } = kindOf(bytes);
      const ours = mentions ? documents.filter(isOurs) : [];
      const isReported = reported.has(path);
      if (!parses && mentions)
        assert.ok(isReported && catalog.brokenFiles.has(path), `${path} does not parse and is not reported`);
      if (!mentions) assert.not(isReported || planned.has(path), `${path} does not mention runledger`);
      if (mentions && ours.length > 0)
        assert.ok(isReported || planned.get(path) === ours.length, `${path} is not accounted for`);
      const unsound = ours.some(
        (document) => (document as { apiVersion: unknown }).apiVersion !== API_VERSION || !conforms(document),
      );
      if (unsound) assert.ok(isReported, `${path} is refused by its schema and is not reported`);
      if (planned.has(path)) assert.ok(parses && ours.some(conforms), `${path} is planned although it is broken`);
    }
  });
}

test('most of them are broken indeed', () => {
  assert.ok(mutants.filter(({ path }) => reported.has(path)).length > BROKEN * 0.6);
  assert.ok(catalog.brokenFiles.size > BROKEN * 0.3);
});

test('every problem has a place in its file and a message that can be read', () => {
  const all = [...catalog.problems, ...[...catalog.invalidJobs.values()].flatMap(({ problems }) => problems)];
  const lineEnds = /\r\n|\r|\n/;
  const texts = new Map(mutants.map(({ path, bytes }) => [path, Buffer.from(bytes).toString().split(lineEnds)]));
  for (const problem of all) {
    const line = texts.get(problem.file)?.[problem.line - 1];
    assert.ok(line !== undefined && problem.column >= 1 && problem.column <= line.length + 1, JSON.stringify(problem));
    assert.ok(problem.message.length > 0 && problem.message.length <= MESSAGE_LIMIT, JSON.stringify(problem));
    assert.not(/[\n\0]|\[object/.test(problem.message), JSON.stringify(problem));
  }
});

test('the same files give the same catalog again', async () => {
  const some = [...valid, ...mutants.slice(0, 250).map(({ path, bytes }) => [path, bytes] as const)];
  const build = (files: typeof some): Promise<Catalog> =>
    createCatalogBuilder().build(snapshotOf(Object.fromEntries(files)), { knownFiles: new Set() });
  assert.equal(await build(some), await build(some));
});

test.run();
