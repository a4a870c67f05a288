import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { usageError } from '../errors.ts';
import { openLocalBranch } from '../git/local-branch.ts';
import { openMemoryBranch } from '../git/memory-branch.ts';
import type { Branch } from '../git/port.ts';
import { findGitDir, openRepository } from '../git/repository.ts';
import type { Ledger } from '../ledger/port.ts';
import { openLedger } from '../ledger/writer.ts';
import { openDirectorySource } from '../sources/directory.ts';
import type { Source } from '../sources/port.ts';
import { gitDirOf } from './folder.ts';
import type { RepositoryOptions } from './options.ts';
import type { Say } from './remote.ts';
import { parseTarget } from './target.ts';
import type { Io } from './terminal.ts';

/** A repository as a command line names it: its manifests, its ledger, and where this machine keeps what runs. */
export interface Repository {
  /** The folder, or the URL without credentials. */
  readonly location: string;
  readonly kind: 'directory' | 'url';
  readonly source: Source;
  readonly ledger: Ledger;
  /** Null with `--ledger none`: outcomes are kept in memory. */
  readonly ledgerBranch: string | null;
  /** How often the ledger is looked at for requests, in milliseconds. */
  readonly ledgerEveryMs: number;
  /** Where runs of the process runner are claimed and kept until they are recorded. */
  readonly stateDir: string;
  close(): Promise<void>;
}

export const DEFAULT_LEDGER = 'runledger/status';
/** A branch of a folder's own repository costs one small file to look at. */
const LOOK_MS = 1_000;
/** Who the commits of the ledger are by. */
interface Author {
  readonly name: string;
  readonly email: string;
}

const AUTHOR: Author = { name: 'runledger', email: 'runledger@localhost' };

/**
 * Opens DIR|URL. Throws usage errors: a folder in no repository without `--ledger none`, an ssh address, options that don't
 * go together.
 */
export async function openTarget(
  text: string,
  options: RepositoryOptions,
  io: Io,
  signal: AbortSignal,
  say: Say = () => undefined,
  author: Author = AUTHOR,
): Promise<Repository> {
  const target = parseTarget(text, io.cwd);
  const name = options.ledger ?? DEFAULT_LEDGER;
  const branch = name === 'none' ? null : name;
  return target.kind === 'url'
    ? openUrl(target.url, branch, options, io, signal, say, author)
    : openFolder(target.path, branch, options, signal, author);
}

async function openFolder(
  path: string,
  branchName: string | null,
  options: RepositoryOptions,
  signal: AbortSignal,
  author: Author,
): Promise<Repository> {
  if (options.branch !== undefined) {
    const hint = 'check the branch out, or give the URL of the repository';
    throw usageError('BranchOfFolder', 'a folder is read as it lies in the work tree: --branch is for URLs', { hint });
  }
  const git = branchName === null ? await gitDirOf(path) : await findGitDir(path);
  if (git && git.workTree === null) {
    throw usageError('BareRepository', `${path} is a bare repository: it has no files`, { hint: 'give a clone of it' });
  }
  const root = git?.workTree ?? path;
  const within =
    relative(root, join(path, options.path ?? '.'))
      .split(sep)
      .join('/') || '.';
  if (within.startsWith('..')) throw usageError('PathLeaves', `--path ${options.path ?? ''} leaves the repository`);
  const repository = git ? await openRepository({ gitdir: git.gitDir }) : null;
  const source = openDirectorySource({ root, path: within, repository });
  if (!git || branchName === null) return scratchRepository(path, source, signal);
  const branch = await openLocalBranch({ gitdir: git.gitDir, branch: branchName });
  return {
    location: path,
    kind: 'directory',
    source,
    ledger: ledgerOn(branch, signal, author),
    ledgerBranch: branchName,
    ledgerEveryMs: LOOK_MS,
    stateDir: join(git.commonDir, 'runledger'),
    close: async () => undefined,
  };
}

/** A repository of manifests alone: what runs is kept nowhere. */
export async function scratchRepository(location: string, source: Source, signal: AbortSignal): Promise<Repository> {
  const scratch = await mkdtemp(join(tmpdir(), 'runledger-'));
  return {
    location,
    kind: 'directory',
    source,
    ledger: ledgerOn(openMemoryBranch('none'), signal),
    ledgerBranch: null,
    ledgerEveryMs: LOOK_MS,
    stateDir: scratch,
    close: () => rm(scratch, { recursive: true, force: true }),
  };
}

async function openUrl(
  url: string,
  branchName: string | null,
  options: RepositoryOptions,
  io: Io,
  signal: AbortSignal,
  say: Say,
  author: Author,
): Promise<Repository> {
  const scratch = await mkdtemp(join(tmpdir(), 'runledger-'));
  // Loaded here: what speaks to servers makes no folder wait.
  const { openRemote } = await import('./remote.ts');
  const remote = await openRemote(url, scratch, options, io, say);
  const branch: Branch = branchName === null ? openMemoryBranch('none') : await remote.branch(branchName);
  const key = createHash('sha256')
    .update(`${remote.location}\n${branchName ?? ''}`)
    .digest('hex')
    .slice(0, 32);
  return {
    location: remote.location,
    kind: 'url',
    source: remote.source,
    ledger: ledgerOn(branch, signal, author),
    ledgerBranch: branchName,
    ledgerEveryMs: remote.intervalMs,
    stateDir: branchName === null ? join(scratch, 'state') : join(stateHome(io), key),
    async close() {
      await remote.close();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

const ledgerOn = (branch: Branch, signal: AbortSignal, author: Author = AUTHOR): Ledger =>
  openLedger({ branch, author, now: () => Date.now(), signal });

/** `$XDG_STATE_HOME/runledger`: https://specifications.freedesktop.org/basedir-spec. */
const stateHome = (io: Io): string =>
  join(io.env['XDG_STATE_HOME'] || join(io.env['HOME'] ?? homedir(), '.local', 'state'), 'runledger');
