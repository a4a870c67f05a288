// test-timeout: 300s
import { dump, load, loadAll } from 'js-yaml';
import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { validateJob } from '../../src/job/validate.ts';
import { YAML_LIMITS } from '../../src/job/yaml.ts';
import { tasksOf } from '../../src/job/fan-out.ts';
import { SYSTEMS } from '../../src/convert/system.ts';
import type { Job } from '../../src/schemas/index.ts';
import { recordOf, renderRun } from '../render/world.ts';
import { allOf, convert, type Fixture, fixtures, problemsOf } from './world.ts';

/** Samples, each with what it becomes. `RUNLEDGER_TEST_WRITE=convert` writes that anew; what changes in it is to be read. */
const samples = suite('samples of every system');

samples('there is one of each', () => {
  assert.equal([...new Set(fixtures.map(({ system }) => system))], [...SYSTEMS]);
});

for (const { system, name, text, target } of fixtures)
  samples(`${system}: ${name}`, () => {
    const said = allOf(convert(system, text, true));
    if (process.env['RUNLEDGER_TEST_WRITE'] === 'convert') writeFileSync(target, said);
    assert.fixture(said, readFileSync(target, 'utf8'));
  });

samples('what comes out is valid, and renders to pods', () => {
  let count = 0;
  for (const { system, name, text } of fixtures)
    for (const job of convert(system, text, true).jobs) {
      const manifest = load(job.text) as Job;
      assert.equal(validateJob(manifest, 'jobs/a.yaml').findings, undefined, `${system}/${name}`);
      if (manifest.spec.needs) continue; // its templates are filled in when the needed jobs have run
      const record = recordOf(manifest);
      for (const task of tasksOf(record.spec).slice(0, 3))
        if (!task.matrix || Object.keys(task.matrix).length === 0)
          renderRun(record, { address: 'http://runledger:8080' }, task.name);
      count += 1;
    }
  assert.ok(count >= SYSTEMS.length);
});

samples('the same file becomes the same text', () => {
  for (const { system, text } of fixtures) assert.is(allOf(convert(system, text)), allOf(convert(system, text)));
});

samples.run();

const complete = suite('nothing is lost silently');

type Path = readonly (string | number)[];

/** What the cluster writes into its objects: it says nothing about the job. */
const OF_THE_CLUSTER =
  /^(items\.\d+\.)?(status\b|metadata\.(uid|creationTimestamp|generation|resourceVersion|managedFields))/;
/** Values that are not said for what they are: secrets, and how an agent reaches its server. */
const UNSAID =
  /^(variables\.1\.value|ssh_public_keys\.\d+|compose\.image_pull_credentials\.\d+\..*\.value|callbacks\.\w+|logger\.(url|token))$/;
/** Objects of other kinds are named, and passed over as a whole. */
const isPassedOver = (document: unknown): boolean => !/"kind":"\w*(Job|List)"/.test(JSON.stringify(document));

interface Spot {
  readonly fixture: Fixture;
  readonly document: number;
  readonly path: Path;
  readonly value: unknown;
}

function* spotsOf(fixture: Fixture): Generator<Spot> {
  for (const [document, root] of loadAll(fixture.text).entries()) {
    if (fixture.system === 'kubernetes' && isPassedOver(root)) continue;
    const visit = function* (value: unknown, path: Path): Generator<Spot> {
      if (OF_THE_CLUSTER.test(path.join('.'))) return;
      yield { fixture, document, path, value };
      if (typeof value === 'object' && value !== null)
        for (const [key, child] of Object.entries(value))
          yield* visit(child, [...path, Array.isArray(value) ? Number(key) : key]);
    };
    yield* visit(root, []);
  }
}

const spots: readonly Spot[] = fixtures.flatMap((fixture) => Array.from(spotsOf(fixture)));

/** What is said of the sample with the value at the spot changed. */
function saidWith({ fixture, document, path }: Spot, change: (value: unknown) => unknown): string {
  const documents = loadAll(fixture.text);
  const holder = { root: structuredClone(documents[document]) };
  const way: Path = ['root', ...path];
  const owner = way
    .slice(0, -1)
    .reduce<unknown>((value, part) => (value as Record<string | number, unknown>)[part], holder);
  const last = way.at(-1) ?? 'root';
  (owner as Record<string | number, unknown>)[last] = change((owner as Record<string | number, unknown>)[last]);
  const text = documents
    .map((one, index) => `---\n${dump(index === document ? holder.root : one, { noRefs: true })}`)
    .join('');
  return allOf(convert(fixture.system, text, true));
}

complete('a field that nobody knows is carried over, commented on or an error', () => {
  let count = 0;
  for (const spot of spots) {
    if (typeof spot.value !== 'object' || spot.value === null || Array.isArray(spot.value)) continue;
    const said = saidWith(spot, (value) => ({ ...(value as object), zzUnknown: 'x' }));
    assert.match(said, 'zzUnknown', `${spot.fixture.system}/${spot.fixture.name}: ${spot.path.join('.')}`);
    count += 1;
  }
  assert.ok(count > (20 * SYSTEMS.length) / 2, String(count));
});

/** Another value of the same type. */
function otherThan(value: unknown): unknown {
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value + 1;
  return `${String(value)}zz`;
}

complete('every value makes a difference', () => {
  const silent: string[] = [];
  const unchanged = new Map<string, string>();
  for (const spot of spots) {
    if (typeof spot.value === 'object' || UNSAID.test(spot.path.join('.'))) continue;
    const key = JSON.stringify([spot.fixture.system, spot.fixture.name, spot.document]);
    const before = unchanged.get(key) ?? saidWith(spot, (value) => value);
    unchanged.set(key, before);
    const after = saidWith(spot, otherThan);
    if (strip(before) === strip(after))
      silent.push(`${spot.fixture.system}/${spot.fixture.name}: ${spot.path.join('.')}`);
  }
  assert.equal(silent, []);
});

/** Places move with the length of values. */
const strip = (said: string): string => said.replaceAll(/job\.yaml:\d+:\d+/g, '');

complete.run();

const hostile = suite('hostile files');

hostile('what YAML can do to a reader is refused', () => {
  const bomb = `a: &a [x, x]\n${Array.from({ length: 40 }, (_none, at) => `k${at}: &b${at} [*${at === 0 ? 'a' : `b${at - 1}`}, *${at === 0 ? 'a' : `b${at - 1}`}]`).join('\n')}\n`;
  for (const system of SYSTEMS) {
    assert.match(problemsOf(system, 'x'.repeat(YAML_LIMITS.bytes + 1))[0] ?? '', /MiB/);
    assert.match(problemsOf(system, 'a: b\0c')[0] ?? '', /NUL/);
    assert.match(problemsOf(system, bomb)[0] ?? '', /aliases/);
    assert.match(problemsOf(system, '['.repeat(5_000))[0] ?? '', /nested/);
    assert.match(problemsOf(system, Buffer.from([0xff, 0xfe, 0x41]))[0] ?? '', /^job\.yaml:1:1: /);
    assert.match(problemsOf(system, '')[0] ?? '', /nothing to convert/);
    for (const text of ['[]', 'text', '1', 'a: [', 'a: 1\na: 2', '--- !!js/function x'])
      assert.ok(problemsOf(system, text).length > 0, `${system}: ${text}`);
  }
});

hostile('values of the wrong type are errors, and nothing throws', () => {
  const shapes: readonly unknown[] = [[], {}, 'x', 7, true, [[]], [{}], { a: [] }, null];
  for (const [index, spot] of spots.entries()) {
    const said = saidWith(spot, () => shapes[index % shapes.length]);
    assert.type(said, 'string');
  }
});

hostile('text of the input stays text', () => {
  const evil = 'x\n---\nkind: Job # "\' \u2028 $(rm) ${{ y }}';
  for (const spot of spots) {
    if (typeof spot.value !== 'string') continue;
    const said = saidWith(spot, () => evil);
    const kinds = said.split(/^---$/m).length;
    assert.ok(kinds <= said.split('apiVersion: runledger.dev/v1').length + 1, spot.path.join('.'));
  }
});

hostile.run();
