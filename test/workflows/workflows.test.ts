/** The workflows in .github: well formed, pinned, and with no more permissions than their jobs need. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const ROOT = join(import.meta.dirname, '../..');

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Workflow {
  readonly permissions?: object;
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly permissions?: Readonly<Record<string, string>>;
        readonly 'timeout-minutes'?: number;
        readonly steps: readonly Step[];
      }
    >
  >;
}

const text = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const release = async (): Promise<Workflow> => load(await text('.github/workflows/release.yml')) as Workflow;

const test = suite('workflows');

test('the release pins every action by its commit, and says which version that is', async () => {
  const lines = (await text('.github/workflows/release.yml')).split('\n').filter((line) => /\buses:/.test(line));
  assert.ok(lines.length > 5);
  for (const line of lines) assert.match(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
});

test('each job of the release may do what it is for, and has a time limit', async () => {
  const { permissions, jobs } = await release();
  assert.equal(permissions, {});
  const publish = { contents: 'read', packages: 'write', 'id-token': 'write', attestations: 'write' };
  assert.equal(Object.fromEntries(Object.entries(jobs).map(([name, job]) => [name, job.permissions])), {
    check: { contents: 'read' },
    npm: { contents: 'read', 'id-token': 'write' },
    image: publish,
    chart: publish,
    'major-tag': { contents: 'write' },
  });
  for (const [name, job] of Object.entries(jobs)) assert.ok((job['timeout-minutes'] ?? 0) > 0, name);
});

test('no script of the release is built from an expression, and no checkout keeps its token', async () => {
  for (const { steps } of Object.values((await release()).jobs))
    for (const { uses = '', run = '', with: given = {} } of steps) {
      assert.not.match(run, /\$\{\{/);
      if (uses.startsWith('actions/checkout@')) assert.is(given['persist-credentials'], false);
    }
});

const found = !spawnSync('actionlint', ['--version']).error;
if (found)
  test('actionlint finds nothing', () => {
    const files = globSync('.github/workflows/*.{yml,yaml}', { cwd: ROOT });
    const { status, stdout, stderr } = spawnSync('actionlint', files, { cwd: ROOT, encoding: 'utf8' });
    assert.is(status, 0, `${stdout}${stderr}`);
  });
else if ((process.env['RUNLEDGER_TEST_REQUIRE'] ?? '').split(',').includes('actionlint'))
  throw new Error('RUNLEDGER_TEST_REQUIRE names actionlint, and it is not on PATH');
else console.log('# skipped: actionlint is not there: workflows are only looked at');

test.run();
