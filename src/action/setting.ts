import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_LEDGER, type Repository } from '../cli/compose.ts';
import { gitDirOf } from '../cli/folder.ts';
import { openRemote, type Remote, type Say } from '../cli/remote.ts';
import type { Io } from '../cli/terminal.ts';
import { usageError } from '../errors.ts';
import { openMemoryBranch } from '../git/memory-branch.ts';
import { openRepository, type Repository as GitRepository } from '../git/repository.ts';
import { openLedger } from '../ledger/writer.ts';
import { pullRequestLedger } from '../pulls/ledger-branch.ts';
import { openDirectorySource } from '../sources/directory.ts';
import type { Source } from '../sources/port.ts';
import type { ActionEvent } from './event.ts';
import type { ActionInputs } from './inputs.ts';
import { withFilesOf } from './sources.ts';

/** The repository of a workflow, as it was checked out and as it is on its server. */
export interface Setting {
  /** The files that were checked out. */
  readonly here: Source;
  readonly repository: GitRepository;
  /** The manifests of a branch on the server, with the files that were checked out. */
  baseWithFiles(branch: string): Promise<Source>;
  /** All that is needed to reconcile these jobs; outcomes go to this branch on the server, or nowhere with null. */
  open(source: Source, ledgerBranch: string | null): Promise<Repository>;
  close(): Promise<void>;
}

const AUTHOR = { name: 'runledger', email: 'runledger@localhost' };
/** How often the ledger on the server is looked at for requests. */
const LOOK_MS = 30_000;

/** Throws `NoCheckout` (usage) where no repository was checked out. */
export async function openSetting(
  inputs: ActionInputs,
  event: ActionEvent,
  io: Io,
  signal: AbortSignal,
  say: Say,
): Promise<Setting> {
  const { path, token } = inputs;
  const git = await gitDirOf(io.env['GITHUB_WORKSPACE'] || io.cwd);
  if (!git || git.workTree === null)
    throw usageError('NoCheckout', 'no repository is checked out here', {
      hint: 'put a step with uses: actions/checkout before this one',
    });
  const repository = await openRepository({ gitdir: git.gitDir });
  const here = openDirectorySource({ root: git.workTree, path, repository });
  const temporary = io.env['RUNNER_TEMP'] || '/tmp';
  await mkdir(temporary, { recursive: true });
  const scratch = await mkdtemp(join(temporary, 'runledger-'));
  const remotes: Remote[] = [];
  const remote = async (branch?: string): Promise<Remote> => {
    const opened = await openRemote(
      event.remote,
      join(scratch, `remote-${remotes.length}`),
      {
        path,
        ...(branch === undefined ? {} : { branch }),
        ...(token === undefined ? {} : { credentials: { kind: 'token', token } }),
      },
      io,
      say,
    );
    remotes.push(opened);
    return opened;
  };
  return {
    here,
    repository,
    baseWithFiles: async (branch) => withFilesOf((await remote(branch)).source, here),
    async open(source, ledgerBranch) {
      const branch = ledgerBranch === null ? openMemoryBranch('none') : await (await remote()).branch(ledgerBranch);
      return {
        location: event.remote,
        // What is checked out is a folder: nobody is surprised that it is executed here.
        kind: 'directory',
        source,
        ledger: openLedger({ branch, author: AUTHOR, now: () => Date.now(), signal }),
        ledgerBranch,
        ledgerEveryMs: LOOK_MS,
        stateDir: join(scratch, 'state'),
        close: async () => undefined,
      };
    },
    async close() {
      for (const one of remotes) await one.close();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

/** The branch that outcomes go to; null: nowhere. Those of a pull request never go where those of branches are. */
export function ledgerBranchOf(outcomes: ActionInputs['outcomes'], pullRequest: number | undefined): string | null {
  if (outcomes === 'nowhere') return null;
  if (pullRequest !== undefined) return outcomes === 'branch' ? pullRequestLedger(pullRequest) : null;
  if (outcomes === 'default') return DEFAULT_LEDGER;
  throw usageError('InputForm', 'outcomes: branch is for pull requests, and this workflow runs for none', {
    hint: `leave it out to write to ${DEFAULT_LEDGER}, or write nowhere`,
  });
}
