// test-timeout: 420s
/** Every command of README.md, the tutorial and the how-to pages is typed here, in an empty home. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isAlike } from '../../scripts/docs/alike.ts';
import { playPage, type PageRun } from '../../scripts/docs/play.ts';
import { openShell } from '../../scripts/docs/shell.ts';
import { walkOf } from '../../scripts/docs/walk.ts';

const ROOT = join(import.meta.dirname, '../..');
const text = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');

/** The blocks that can't be executed here, and what they lack. A block that joins them has to be named here. */
const LEFT: Readonly<Record<string, readonly string[]>> = {
  'README.md': [
    'package: npm install --global runledger',
    'checkout: npm ci',
    'remote: RUNLEDGER_GIT_TOKEN=… runledger reconcile https://git.example.com/acme/jobs.git --runner process',
  ],
  'docs/how-to/disaster-recovery.md': [
    'remote: git push origin refs/remotes/origin/runledger/status:refs/heads/runledger/status',
    'cluster: kubectl apply -k manifests',
  ],
  'docs/how-to/multi-replica.md': ['cluster: kubectl -n runledger scale deployment/runledger --replicas=3'],
  'docs/how-to/operations.md': ['cluster: kubectl apply -k manifests'],
  'docs/how-to/secrets.md': [
    'cluster: kubectl -n runledger-jobs create secret generic registry --from-literal=token="$(cat token)"',
  ],
  'docs/tutorial.md': ['package: npm install --global runledger'],
};

async function play(path: string): Promise<PageRun> {
  const shell = await openShell();
  try {
    return await playPage(await text(path), shell);
  } finally {
    await shell.close();
  }
}

const test = suite('pages');
const pages = ['README.md', 'docs/tutorial.md', ...globSync('docs/how-to/*.md', { cwd: ROOT }).sort()];

for (const path of pages)
  test(`${path}: its commands do and print what it says`, async () => {
    const run = await play(path);
    assert.is(run.problems.join('\n'), '');
    assert.equal(run.left, LEFT[path] ?? []);
    assert.is(run.steps.length > 0 || run.left.length > 0, path !== 'docs/how-to/comparison.md');
    if (path === 'docs/tutorial.md')
      assert.ok(isAlike(await text('docs/walk.md'), walkOf(run)), 'docs/walk.md is out of date; run: npm run walk');
  });

test('links of these pages lead somewhere', async () => {
  for (const path of [...pages, 'docs/walk.md', 'SECURITY.md'])
    for (const [, link = ''] of (await text(path)).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g))
      assert.is(globSync(join(ROOT, path, '..', link)).length, 1, `${path}: ${link}`);
});

test.run();
