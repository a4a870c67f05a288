import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { referencePage } from '../../scripts/reference/page.ts';
import { unsupportedFields } from '../../src/job/support.ts';
import { ignoredFields, refusedFields } from '../../src/runner/process/support.ts';
import { schemas, type Job } from '../../src/schemas/index.ts';

interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

interface Row {
  readonly section: string;
  readonly path: string;
  readonly type: string;
  readonly default: string;
  readonly text: string;
}

const DOCS = new URL('../../docs/', import.meta.url);
const page = await readFile(new URL('reference.md', DOCS), 'utf8');

/** The rows of a page's tables, without the marks of Markdown. */
function rowsOf(text: string): readonly Row[] {
  let section = '';
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('## ')) section = line.slice(3);
    if (!line.startsWith('| `')) return [];
    const [, path = '', type = '', value = '', rest = ''] = line
      .replaceAll('`', '')
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|'));
    return [{ section, path, type, default: value, text: rest }];
  });
}

const rows = rowsOf(page);
const rowAt = (section: string, path: string): Row => {
  const found = rows.find((row) => row.section === section && row.path === path);
  assert.ok(found, `${section} has no row ${path}`);
  return found;
};

/** Every property of a schema and of its definitions. */
function propertiesOf(schema: Schema): readonly (readonly [string, Schema])[] {
  const places = [schema, ...Object.values(schema.$defs ?? {})];
  return places.flatMap(({ properties }) => Object.entries(properties ?? {}));
}

/** How GitHub names the places of a page that links point at. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

const reference = suite('docs/reference.md');

reference('is what the schemas give', () => assert.is(page, referencePage()));

for (const [name, schema] of Object.entries(schemas)) {
  reference(`every property of ${name}.json has a row with its description`, () => {
    const properties = propertiesOf(schema as Schema);
    assert.ok(properties.length > 0);
    const missing = properties.filter(
      ([key, { description = '?' }]) =>
        !rows.some(({ path, text }) => /([\w-]+)$/.exec(path)?.[1] === key && text.includes(description)),
    );
    assert.equal(
      missing.map(([key]) => key),
      [],
    );
  });
}

reference('lists, mappings with free keys and shared tables are gone into', () => {
  assert.is(rowAt('Job', 'spec.services.*.health.http.port').type, 'whole number, 1 to 65535');
  assert.is(rowAt('Job', 'spec.retry.on[].exitCodes').default, '_required_');
  assert.is(rowAt('Job', 'spec.retry.backoff').default, '10s');
  assert.is(rowAt('Job', 'spec.abort').type, 'one of never, onFailure, onWarning');
  assert.is(rowAt('Job', 'spec.resources').type, '[resources](#resources)');
  assert.is(rowAt('Resources', 'limits').type, 'quantities by resource');
  assert.match(rowAt('Config', 'sources').text, 'Each needs exactly one of url and dir.');
});

reference('no path stands twice in a table, except for branches of a union', () => {
  const seen = new Set<string>();
  for (const { section, path } of rows.filter(({ section }) => section !== 'Trigger')) {
    assert.not.ok(seen.has(`${section} ${path}`), `${section} has ${path} twice`);
    seen.add(`${section} ${path}`);
  }
});

reference('what a job may not say in this version, or to the process runner, is said at its field', () => {
  const spec = {
    on: { pullRequest: true },
    checkout: true,
    runsOn: 'linux-small',
    artifacts: { paths: ['out/**'] },
    logs: { upload: 'always' },
    keep: { artifacts: '30d' },
    image: 'alpine:3.20',
    user: 1000,
    resources: { limits: { memory: '1Gi' } },
    pod: { nodeSelector: { pool: 'jobs' } },
    files: [{ path: '/etc/report.conf', content: 'a' }],
    services: { postgres: { image: 'postgres:16' } },
    steps: [{ name: 'load', image: 'alpine:3.20', user: 0, run: 'true' }],
    finally: [{ name: 'notify', image: 'alpine:3.20', user: 0, run: 'true' }],
  } as unknown as Job['spec'];
  const plain = (field: string): string => field.replaceAll(/\[\d+\]/g, '[]').replace(/ \(.*\)$/, '');
  const notYet = unsupportedFields({ spec }).map(({ path }) => path.join('.'));
  const said = (words: string): ReadonlySet<string> =>
    new Set(rows.filter((row) => row.section === 'Job' && row.text.includes(words)).map(({ path }) => path));
  const unlessNotYet = (fields: readonly string[]): ReadonlySet<string> =>
    new Set(fields.map(plain).filter((field) => !notYet.includes(field)));
  assert.equal(said('_Not supported yet_'), new Set(notYet));
  assert.equal(said('_Process runner: refused_'), unlessNotYet(refusedFields(spec)));
  assert.equal(said('_Process runner: passed over_'), unlessNotYet(ignoredFields(spec)));
});

reference('every link leads somewhere', async () => {
  const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link);
  assert.ok(links.length > 50);
  for (const link of new Set(links)) {
    const [file = '', anchor] = link.split('#');
    const text =
      file === '' ? page : await readFile(new URL(posix.normalize(file), DOCS), 'utf8').catch(() => 'a folder');
    assert.ok(text.length > 0 && (text !== 'a folder' || link === '../schemas'), link);
    if (anchor !== undefined) assert.ok(anchorsOf(text).has(anchor), link);
  }
});

reference.run();
