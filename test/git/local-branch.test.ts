import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isCoded } from '../../src/errors.ts';
import { openLocalBranch } from '../../src/git/local-branch.ts';
import type { Branch } from '../../src/git/port.ts';
import { updateBranchRef } from '../../src/git/refs.ts';
import { commitOf } from '../support/commits.ts';
import { commitFiles, git, initRepository, temporaryDirectory } from '../support/git.ts';

const test = suite('local branch');
const directory = await temporaryDirectory();
test.after(() => directory.remove());
const signal = new AbortController().signal;
let counter = 0;

async function repository(): Promise<{ readonly path: string; readonly gitdir: string; readonly tip: string }> {
  const made = await initRepository(path.join(directory.path, `r${++counter}`));
  return { path: made, gitdir: path.join(made, '.git'), tip: await commitFiles(made, { 'a.txt': 'a' }) };
}

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (isCoded(error) ? `${error.errorClass} ${error.code}` : `not coded: ${String(error)}`),
  );

test('creates a branch, moves it, and git finds all of it sound', async () => {
  const made = await repository();
  const branch = await openLocalBranch({ gitdir: made.gitdir, branch: 'runledger/status' });
  assert.is(await branch.refresh(signal), null);
  const one = commitOf('one', null);
  await branch.advance(null, one.id, one.objects, signal);
  // More objects than are written one by one: they come as a pack.
  const two = commitOf('two', one.id, 300);
  await branch.advance(one.id, two.id, two.objects, signal);
  assert.is(await branch.refresh(signal), two.id);
  assert.is(await git(made.path, 'log', '--format=%s', 'runledger/status'), 'two\none');
  await git(made.path, 'fsck', '--strict');
  assert.is((await readdir(path.join(made.gitdir, 'objects/pack'))).filter((name) => name.endsWith('.pack')).length, 1);
  assert.equal(
    (await branch.log(two.id, 10)).map(({ message }) => message),
    ['two\n', 'one\n'],
  );
  assert.is(Buffer.from(await branch.readBlob(two.objects[7]!.id)).toString(), 'two 7');
  assert.is(await git(made.path, 'status', '--porcelain'), '', 'the work tree is as it was');
});

test('of many writers exactly one wins each round, and the others learn it', async () => {
  const made = await repository();
  const writers = await Promise.all(
    Array.from({ length: 8 }, () => openLocalBranch({ gitdir: made.gitdir, branch: 'ledger' })),
  );
  let tip: string | null = null;
  for (let round = 0; round < 5; round++) {
    const tries = writers.map((branch: Branch, at) => {
      const commit = commitOf(`round ${round} writer ${at}`, tip);
      return branch.advance(tip, commit.id, commit.objects, signal).then(
        () => commit.id,
        (error: unknown) => {
          assert.ok(isCoded(error, 'RefMoved'), String(error));
          assert.is(error.errorClass, 'transient');
          return undefined;
        },
      );
    });
    const winners = (await Promise.all(tries)).filter((id) => id !== undefined);
    assert.is(winners.length, 1);
    tip = winners[0]!;
    assert.is(await git(made.path, 'rev-parse', 'ledger'), tip);
  }
});

test('packed refs are seen, before and after git packs them', async () => {
  const made = await repository();
  const branch = await openLocalBranch({ gitdir: made.gitdir, branch: 'a/b' });
  const one = commitOf('one', null);
  await branch.advance(null, one.id, one.objects, signal);
  await git(made.path, 'pack-refs', '--all', '--prune');
  const late = commitOf('late', null);
  assert.is(await codeOf(branch.advance(null, late.id, late.objects, signal)), 'transient RefMoved');
  const two = commitOf('two', one.id);
  await branch.advance(one.id, two.id, two.objects, signal);
  assert.is(await git(made.path, 'rev-parse', 'a/b'), two.id);
});

test('a branch that is checked out is left alone, in linked work trees too', async () => {
  const made = await repository();
  await git(made.path, 'worktree', 'add', '--quiet', '-b', 'side', path.join(directory.path, `w${++counter}`));
  for (const name of ['main', 'side']) {
    const branch = await openLocalBranch({ gitdir: made.gitdir, branch: name });
    const next = commitOf('next', made.tip);
    assert.is(await codeOf(branch.advance(made.tip, next.id, next.objects, signal)), 'usage BranchCheckedOut');
    assert.is(await git(made.path, 'rev-parse', name), made.tip);
  }
});

test('git cannot hold a branch beside one of the same name with a slash, and the error says which', async () => {
  const made = await repository();
  await git(made.path, 'branch', 'runledger');
  await git(made.path, 'pack-refs', '--all');
  const branch = await openLocalBranch({ gitdir: made.gitdir, branch: 'runledger/status' });
  const one = commitOf('one', null);
  assert.is(await codeOf(branch.advance(null, one.id, one.objects, signal)), 'terminal RefConflict');
  assert.is(await codeOf(openLocalBranch({ gitdir: made.gitdir, branch: 'a..b' })), 'usage BranchNameInvalid');
});

test('waits for a lock that another holds, and names it when it stays', async () => {
  const made = await repository();
  const lock = path.join(made.gitdir, 'refs/heads/ledger.lock');
  const one = commitOf('one', null);
  const branch = await openLocalBranch({ gitdir: made.gitdir, branch: 'ledger' });
  await writeFile(lock, '');
  const move = { commonDir: made.gitdir, branch: 'ledger', from: null, to: one.id };
  try {
    await updateBranchRef(move, signal, 100);
    assert.unreachable();
  } catch (error) {
    assert.ok(isCoded(error, 'RefLocked'));
    assert.ok(error.message.includes(lock));
  }
  const waiting = branch.advance(null, one.id, one.objects, signal);
  setTimeout(() => void rm(lock), 150);
  await waiting;
  assert.is(await branch.refresh(signal), one.id);
  await writeFile(lock, '');
  const stop = new AbortController();
  const stopped = updateBranchRef({ ...move, from: one.id }, stop.signal, 60_000);
  setTimeout(() => stop.abort(), 50);
  assert.is(await codeOf(stopped), 'transient Cancelled');
});

test.run();
