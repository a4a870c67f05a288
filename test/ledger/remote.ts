import { join } from 'node:path';
import { createGitHttp, type GitHttp } from '../../src/git/http.ts';
import type { Branch } from '../../src/git/port.ts';
import { openRemoteBranch } from '../../src/git/remote-branch.ts';
import { startGitServer, type GitServer, type Repository } from '../support/git-server.ts';
import { git, temporaryDirectory } from '../support/git.ts';
import { LEDGER_BRANCH } from './fixtures.ts';

/** A git server with one repository, for the tests of ledgers over http. */
export interface Remote {
  readonly folder: { readonly path: string; readonly remove: () => Promise<void> };
  readonly server: GitServer;
  readonly repository: Repository;
  readonly http: GitHttp;
  /** Each has a copy of its own. */
  branch(): Promise<Branch>;
  /** A fresh clone by the real git; reads a file of the ledger in it. */
  cloned(): Promise<(path: string) => Promise<string>>;
  close(): Promise<void>;
}

export async function openRemote(): Promise<Remote> {
  const folder = await temporaryDirectory();
  const server = await startGitServer({ root: join(folder.path, 'remote') });
  const repository = await server.createRepository('jobs.git');
  await repository.commit({ 'jobs/a.yaml': 'kind: Job' });
  const http = await createGitHttp({ env: {}, timeoutMs: 20_000 });
  let opened = 0;
  return {
    folder,
    server,
    repository,
    http,
    async branch() {
      const gitdir = join(folder.path, `clone-${(opened += 1)}.git`);
      return openRemoteBranch({ url: repository.url, branch: LEDGER_BRANCH, gitdir, http });
    },
    async cloned() {
      const directory = join(folder.path, `read-${(opened += 1)}`);
      await git(folder.path, 'clone', '--quiet', '--branch', LEDGER_BRANCH, repository.url, directory);
      await git(directory, 'fsck', '--strict');
      return (path) => git(directory, 'show', `HEAD:${path}`);
    },
    async close() {
      await http.close();
      await server.close();
      await folder.remove();
    },
  };
}
