import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { usageError } from '../errors.ts';
import { throwIfCancelled } from './cancel.ts';
import { readHistory } from './history.ts';
import type { Branch } from './port.ts';
import { assertBranchName, readRef, updateBranchRef } from './refs.ts';
import { openRepository, readConfig, type Repository } from './repository.ts';
import { createSerial } from './serial.ts';
import { storeObjects } from './store.ts';

/** The folders that hold a HEAD of a work tree: the main one's, unless the repository is bare, and those of the linked ones. */
async function workTreeGitDirs(commonDir: string): Promise<readonly string[]> {
  const bare = (await readConfig(commonDir)).get('core.bare') === 'true';
  const linked = await readdir(path.join(commonDir, 'worktrees')).catch(() => []);
  return [...(bare ? [] : [commonDir]), ...linked.map((name) => path.join(commonDir, 'worktrees', name))];
}

async function assertNotCheckedOut({ commonDir }: Repository, branch: string): Promise<void> {
  for (const gitDir of await workTreeGitDirs(commonDir)) {
    const head = await readRef(gitDir, 'HEAD');
    if (head && 'symbolic' in head && head.symbolic === `refs/heads/${branch}`) {
      throw usageError('BranchCheckedOut', `branch ${branch} is checked out in a work tree of ${commonDir}`, {
        hint: 'New commits on it would make the work tree look reverted. Check out another branch, or use another ledger branch.',
      });
    }
  }
}

/**
 * A branch of a local repository, moved by compare-and-swap on its ref, safely beside any other git. Objects are on
 * the disk before the ref moves. `advance` throws `BranchCheckedOut` when a work tree has the branch as its HEAD, and
 * what {@link updateBranchRef} throws.
 */
export async function openLocalBranch(options: { readonly gitdir: string; readonly branch: string }): Promise<Branch> {
  const { branch } = options;
  assertBranchName(branch);
  const repository = await openRepository({ gitdir: options.gitdir });
  const { commonDir } = repository;
  const objectsDirectory = path.join(commonDir, 'objects');
  const serial = createSerial();
  return {
    name: branch,
    readCommit: (id) => repository.readCommit(id),
    readTree: (id) => repository.readTree(id),
    readBlob: (id) => repository.readBlob(id),
    log: (head, limit) => readHistory(repository, head, limit),
    refresh: (signal) =>
      serial(async () => {
        throwIfCancelled(signal, `reading branch ${branch}`);
        return repository.resolve(`refs/heads/${branch}`);
      }),
    advance: (from, to, objects, signal) =>
      serial(async () => {
        throwIfCancelled(signal, `writing branch ${branch}`);
        await assertNotCheckedOut(repository, branch);
        await storeObjects(objects, { objectsDirectory, sync: true });
        await updateBranchRef({ commonDir, branch, from, to }, signal);
      }),
  };
}
