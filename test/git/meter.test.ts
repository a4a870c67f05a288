import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createGitHttp } from '../../src/git/http.ts';
import { measuredBranch, measuredHttp } from '../../src/git/meter.ts';
import { openMemoryBranch } from '../../src/git/memory-branch.ts';
import { openRemoteBranch } from '../../src/git/remote-branch.ts';
import { openLedger } from '../../src/ledger/writer.ts';
import { startGitServer } from '../support/git-server.ts';
import { temporaryDirectory } from '../support/git.ts';

const test = suite('counting git operations');
const { signal } = new AbortController();
const author = { name: 'a', email: 'a@example.com' };
const change = (job: string) => ({
  facts: [
    {
      job,
      at: '2026-01-02T03:04:05.000Z',
      manifest: { state: 'valid' as const, path: `${job}.yaml`, revision: 'none' },
    },
  ],
});

test('a real server: looks, fetches, pushes, a lost race, a refusal, and what nobody waits for', async () => {
  const directory = await temporaryDirectory();
  const server = await startGitServer({ root: directory.path });
  const repository = await server.createRepository('jobs.git');
  await repository.commit({ 'a.yaml': 'a: 1\n' });
  const seen: string[] = [];
  const plain = await createGitHttp();
  const meter = (operation: string, result: string, seconds: number): void => {
    assert.ok(seconds >= 0);
    seen.push(`${operation} ${result}`);
  };
  const http = measuredHttp(plain, meter);
  const open = async (name: string) =>
    measuredBranch(
      await openRemoteBranch({ url: repository.url, branch: 'status', http, gitdir: `${directory.path}/${name}` }),
      meter,
    );
  try {
    const [one, other] = [await open('one'), await open('other')];
    const ledger = openLedger({ branch: one, author, now: () => 0, signal });
    await ledger.write(change('a'), signal);
    assert.ok(seen.includes('discover ok'), seen.join());
    assert.ok(seen.includes('push ok'), seen.join());
    await openLedger({ branch: other, author, now: () => 0, signal }).write(change('b'), signal);
    assert.ok(seen.includes('fetch ok'), seen.join());
    await ledger.write(change('c'), signal); // from the head that it knows, which is not the newest
    assert.ok(seen.includes('push conflict'), seen.join());
    const end = server.fault({ kind: 'status', status: 500 });
    await one.refresh(signal).catch(() => undefined);
    assert.ok(seen.includes('discover error'), seen.join());
    end();
    await one.refresh(AbortSignal.abort()).catch(() => undefined);
    assert.ok(seen.includes('discover cancelled'), seen.join());
  } finally {
    await plain.close();
    await server.close();
    await directory.remove();
  }
});

test('a branch is otherwise what it was', () => {
  const branch = openMemoryBranch('none');
  assert.equal(Object.keys(measuredBranch(branch, () => undefined)), Object.keys(branch));
});

test.run();
