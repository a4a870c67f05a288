import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { canonicalJson } from '../../src/job/canonical.ts';
import { changedFields } from '../../src/job/changes.ts';
import { coveredSpec, digestOf, type DigestInputs, sha256 } from '../../src/job/digest.ts';
import { parseManifests } from '../../src/job/parse.ts';
import { jobYaml } from './world.ts';

const canonical = suite('canonical JSON');

/** The same value with the keys of every mapping the other way round. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, child]) => [key, reordered(child)]),
  );
}

canonical('means the value, and does not depend on the order of keys', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.equal(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.is(canonicalJson(reordered(value)), text);
    }),
  );
});

canonical('different values have different texts', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      const same = canonicalJson(a) === canonicalJson(b);
      assert.is(same, canonicalJson(JSON.parse(canonicalJson(a))) === canonicalJson(JSON.parse(canonicalJson(b))));
      if (same) assert.equal(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
    }),
  );
});

canonical('has one fixed form', () => {
  assert.is(
    canonicalJson({ b: [1, 'x', null, true], a: { '10': 0, '9': -0, é: 1.5e300 } }),
    '{"a":{"10":0,"9":0,"é":1.5e+300},"b":[1,"x",null,true]}',
  );
});

/** The same rules once more, without regard to speed. */
function plainly(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plainly).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${plainly(field)}`).join(',')}}`;
}

canonical('is the JSON of the value with the keys in order, whatever they are', () => {
  const keys = fc.oneof(fc.string({ unit: 'binary' }), fc.nat().map(String), fc.constantFrom('__proto__', '', 'a"b'));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      fc.oneof(fc.string({ unit: 'binary' }), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
      fc.constant(null),
      fc.array(tie('tree')),
      fc.array(fc.tuple(keys, tie('tree'))).map((fields) => Object.fromEntries(fields)),
    ),
  }));
  fc.assert(fc.property(tree, (value) => assert.is(canonicalJson(value), plainly(value))));
});

canonical('of more keys than are remembered is right as well', () => {
  const value = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`key "${(index * 7919) % 3_000}"`, 1]));
  assert.is(canonicalJson(value), plainly(value));
  assert.is(canonicalJson(value), plainly(value));
});

canonical('takes nothing that JSON can not hold', () => {
  const refused = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    undefined,
    1n,
    Symbol('x'),
    () => 1,
    new Date(0),
    new Map(),
    Array(1),
  ];
  for (const value of refused) assert.throws(() => canonicalJson({ value }), TypeError);
});

canonical.run();

const digest = suite('digest');

function digestOfYaml(text: string): string {
  const [document] = parseManifests('jobs/a.yaml', Buffer.from(text), { wasManifest: false }).documents;
  if (document?.kind !== 'job' || document.digest === null) throw new Error(JSON.stringify(document));
  return document.digest;
}

const BASE = jobYaml('a', 'image: alpine:3.20', 'env: { A: x, B: y }', 'run: echo hello');

digest('has a version and 64 digits, and never changes for this spec', () => {
  assert.is(digestOfYaml(BASE), `v1:${sha256('{"env":{"A":"x","B":"y"},"image":"alpine:3.20","run":"echo hello"}')}`);
});

digest('comments, the order of keys and layout do not change it', () => {
  const other = jobYaml(
    'a',
    '# a comment',
    'run: "echo hello"',
    'env:',
    '  B: y',
    '  "A": x   # another',
    "image: 'alpine:3.20'",
  );
  assert.is(digestOfYaml(other.replaceAll('\n', '\r\n')), digestOfYaml(BASE));
});

const UNCHANGED: readonly string[] = [
  'description: x',
  'suspend: true',
  'on: {}',
  'on: { commit: false }',
  'concurrency: { policy: queue }',
  'priority: 0',
  'keep: { runs: 3 }',
];
const CHANGED: readonly string[] = [
  'user: 1000',
  'timeouts: { run: 1h }', // as written: a default that is written down is another text
  'parameters: { A: { default: x } }',
  'files: [{ path: a, content: b }]',
  'resources: { limits: { cpu: 1 } }',
  'exitCodes: { warning: [] }',
  'logs: { maxBytes: 1Ki }',
  'pod: { serviceAccountName: x }',
  'maxParallel: 2',
];
for (const line of UNCHANGED)
  digest(`is not changed by ${line}`, () => assert.is(digestOfYaml(`${BASE}  ${line}\n`), digestOfYaml(BASE)));
for (const line of CHANGED)
  digest(`is changed by ${line}`, () => assert.is.not(digestOfYaml(`${BASE}  ${line}\n`), digestOfYaml(BASE)));

digest('is not changed by labels, annotations or the name', () => {
  const other = BASE.replace('  name: a', '  name: b\n  labels: { team: x }\n  annotations: { x: y }');
  assert.is(digestOfYaml(other), digestOfYaml(BASE));
});

digest('is changed by the image', () => {
  assert.is.not(digestOfYaml(BASE.replace('3.20', '3.21')), digestOfYaml(BASE));
});

digest('covers parameters by their defaults alone', () => {
  const of = (text: string): string => digestOfYaml(jobYaml('a', 'run: x', `parameters: { A: { ${text} } }`));
  assert.is(of('default: x, enum: [x, y], message: m'), of('default: x'));
  assert.is(of('default: x, pattern: "^x"'), of('default: x'));
  assert.is.not(of('default: y'), of('default: x'));
  assert.is.not(of(''), of('default: ""'));
});

const inputs = (
  from: Readonly<Record<string, string>>,
  paths: Readonly<Record<string, string>> = {},
): DigestInputs => ({
  fromFiles: new Map(Object.entries(from)),
  commitPaths: new Map(Object.entries(paths)),
});

digest('covers the content of files of the repository, and which files a commit counts', () => {
  const spec = { run: 'x', files: [{ path: 'a', from: 'a.sh' }], on: { commit: { paths: ['data/**'] } } };
  const base = digestOf(spec, inputs({ 'a.sh': 'one' }, { 'data/x': '1' }));
  assert.is(digestOf(spec, inputs({ 'a.sh': 'one' }, { 'data/x': '1' })), base);
  assert.is.not(digestOf(spec, inputs({ 'a.sh': 'two' }, { 'data/x': '1' })), base);
  assert.is.not(digestOf(spec, inputs({ 'a.sh': 'one' }, { 'data/x': '2' })), base);
  assert.is.not(digestOf(spec, inputs({ 'a.sh': 'one' }, { 'data/y': '1' })), base);
  assert.throws(() => digestOf(spec, inputs({})), /no hash is known of a\.sh/);
});

digest('of very many files one hash stands for all, and still tells them apart', () => {
  const many = (last: string): Record<string, string> =>
    Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`data/${index}`, index === 299 ? last : 'x']));
  const covered = coveredSpec({ run: 'x' }, inputs({}, many('a')));
  assert.ok(canonicalJson(covered).length < 300);
  assert.is.not(canonicalJson(covered), canonicalJson(coveredSpec({ run: 'x' }, inputs({}, many('b')))));
});

digest.run();

const changes = suite('changed fields');

const between = (
  before: Parameters<typeof coveredSpec>[0],
  after: Parameters<typeof coveredSpec>[0],
): readonly string[] => changedFields(coveredSpec(before), coveredSpec(after));

changes('are named by their paths, in the order of names', () => {
  assert.equal(
    between(
      { run: 'x', image: 'a', env: { LOG_LEVEL: 'info', B: 'x' }, timeouts: { run: '1h' } },
      {
        run: 'x',
        image: 'b',
        env: { LOG_LEVEL: 'debug', B: 'x', 'C.D': 'y' },
        resources: { limits: { cpu: 1, memory: 2 } },
      },
    ),
    ['spec.env[C.D]', 'spec.env.LOG_LEVEL', 'spec.image', 'spec.resources', 'spec.timeouts'],
  );
});

changes('of steps go by their names', () => {
  const extract = { name: 'extract', run: 'x' };
  const load = { name: 'load', command: ['/load'], args: ['--all'] };
  assert.equal(between({ steps: [extract, load] }, { steps: [extract, { ...load, args: [] }] }), [
    'spec.steps.load.args',
  ]);
  assert.equal(between({ steps: [extract, load] }, { steps: [{ name: 'init', run: 'y' }, extract, load] }), [
    'spec.steps.init',
  ]);
  assert.equal(between({ steps: [extract, load] }, { steps: [load, extract] }), ['spec.steps (order)']);
  assert.equal(between({ run: 'x' }, { steps: [extract] }), ['spec.run', 'spec.steps']);
});

changes('of files go by their paths, and say when only the content changed', () => {
  const files = [
    { path: 'bin/report.sh', from: 'report.sh' },
    { path: 'conf', content: 'x' },
  ];
  const before = coveredSpec({ run: 'x', files }, inputs({ 'report.sh': 'one' }));
  const after = coveredSpec({ run: 'x', files }, inputs({ 'report.sh': 'two' }));
  assert.equal(changedFields(before, after), ['spec.files[bin/report.sh] (content)']);
  assert.equal(
    between({ run: 'x', files: files.slice(1) }, { run: 'x', files: [{ path: 'conf', content: 'y', mode: '0755' }] }),
    ['spec.files[conf].content', 'spec.files[conf].mode'],
  );
});

changes('of parameters and of files that a commit counts', () => {
  assert.equal(
    changedFields(
      coveredSpec({ run: 'x', parameters: { A: { default: 'x' } } }, inputs({}, { 'data/a': '1', 'data/b': '1' })),
      coveredSpec({ run: 'x', parameters: { A: { default: 'y' } } }, inputs({}, { 'data/a': '2', 'data/c': '1' })),
    ),
    [
      'spec.on.commit.paths[data/a] (content)',
      'spec.on.commit.paths[data/b] (content)',
      'spec.on.commit.paths[data/c] (content)',
      'spec.parameters.A.default',
    ],
  );
});

changes('there are some exactly when the digests differ', () => {
  const spec = fc.record(
    {
      run: fc.constantFrom('x', 'y'),
      image: fc.constantFrom('a', 'b'),
      env: fc.dictionary(fc.constantFrom('A', 'B', 'C'), fc.constantFrom('1', '2')),
      steps: fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c'), run: fc.constantFrom('x', 'y') }), {
        selector: ({ name }) => name,
      }),
      description: fc.string(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(spec, spec, (before, after) => {
      assert.is(between(before, after).length === 0, digestOf(before) === digestOf(after));
    }),
  );
});

changes.run();
