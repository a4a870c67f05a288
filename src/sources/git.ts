import picomatch from 'picomatch';
import { isCoded, usageError, waitingError, type CodedError } from '../errors.ts';
import type { GitHttp } from '../git/http.ts';
import type { ObjectReader } from '../git/port.ts';
import { openRemoteClone, type RemoteClone, type RemoteCloneOptions, type RemoteNotice } from '../git/remote-clone.ts';
import { branchNames, branchTip, type Advertisement } from '../git/remote-refs.ts';
import { createSerial } from '../git/serial.ts';
import { poll, systemClock, type PollClock, type PollNotice } from './poll.ts';
import { expandGlobs } from './globs.ts';
import type { CheckoutEntry, CheckoutPaths, GitSource, Snapshot, Source, SourceFile } from './port.ts';
import { listAll, listManifests, type Listing } from './tree-files.ts';
import { findFile, findFolder, normalizePath, readFileOfTree, readRaw } from './tree-paths.ts';

/** What a source has to tell a person while it is watched. */
export type SourceNotice = RemoteNotice | PollNotice;

export interface GitSourceOptions extends Pick<RemoteCloneOptions, 'url' | 'gitdir' | 'maxPacks' | 'maxFetchBytes'> {
  readonly http: GitHttp;
  /** Default: the branch that the remote's HEAD names. */
  readonly branch?: string;
  /** The folder that holds the manifests; `.` for all of the repository. */
  readonly path: string;
  readonly pollIntervalMs: number;
  readonly clock?: PollClock;
  readonly notice?: (notice: SourceNotice) => void;
}

/** What is the same in the next snapshot is not listed again. */
interface Memory {
  manifests: Listing | undefined;
  readonly all: Map<string, Listing>;
}

const LISTED_BRANCHES = 5;
/** Folders whose files are remembered for {@link Snapshot.match}. */
const REMEMBERED_FOLDERS = 100;

/**
 * A branch of a remote repository as a source. `fetch` throws `RepositoryEmpty`, `BranchMissing` and `PathMissing`
 * (class waiting: someone has to push), and the errors of the transport; the caller then goes on with the snapshot
 * that it has.
 */
export async function openGitSource(options: GitSourceOptions): Promise<GitSource> {
  const { notice = () => undefined, clock = systemClock } = options;
  const folder = normalizePath(options.path);
  if (folder === undefined) throw usageError('PathInvalid', `the path "${options.path}" leads out of the repository`);
  const clone = await openRemoteClone({ ...options, notice });
  const serial = createSerial();
  const memory: Memory = { manifests: undefined, all: new Map() };
  let fetched: string | undefined;
  let followed: string | null = null;

  const update = async (signal: AbortSignal) => {
    const advertised = await clone.advertise(signal);
    const branch = branchOf(advertised, clone.url, options.branch);
    const tip = await clone.update(branch, advertised, signal);
    if (tip === null) throw branchMissing(clone.url, branch, advertised);
    followed = branch;
    return { branch, tip };
  };

  const fetch = async (signal: AbortSignal): Promise<Snapshot> => {
    const { branch, tip } = await update(signal);
    const { tree: root, committer } = await clone.readCommit(tip);
    const committed = new Date(committer.timestamp * 1000).toISOString();
    const tree = folder === '' ? root : await findFolder(clone, root, folder);
    if (tree === undefined) throw pathMissing(folder, `branch ${branch} of ${clone.url} (at ${tip.slice(0, 10)})`);
    memory.manifests = await listManifests(clone, { root, folder, tree }, memory.manifests);
    fetched = tip;
    return createSnapshot(clone, { revision: tip, root, committed }, memory);
  };

  /** A commit beside the branch; what it shares with the branch is not fetched again. */
  const fetchAt = async (commit: string, signal: AbortSignal): Promise<Snapshot> => {
    if (followed === null) await update(signal);
    const reader = await clone.bring(commit, signal);
    const { tree: root, committer } = await reader.readCommit(commit);
    const committed = new Date(committer.timestamp * 1000).toISOString();
    const tree = folder === '' ? root : await findFolder(reader, root, folder).catch(asNothing);
    const manifests = tree === undefined ? undefined : await listManifests(reader, { root, folder, tree }, undefined);
    return createSnapshot(reader, { revision: commit, root, committed }, { manifests, all: new Map() });
  };

  const look = async (signal: AbortSignal): Promise<boolean> => {
    const advertised = await clone.advertise(signal);
    const branch = branchOf(advertised, clone.url, options.branch);
    const tip = branchTip(advertised, branch);
    if (tip === null) throw branchMissing(clone.url, branch, advertised);
    return tip !== fetched;
  };

  const description = {
    location: clone.url,
    path: folder === '' ? '.' : folder,
    ...(options.branch === undefined ? {} : { branch: options.branch }),
  };
  const checkout: Source['checkout'] = (revision, paths, signal) => checkoutFrom(clone, revision, paths, signal);
  return {
    description,
    fetch: (signal) => serial(() => fetch(signal)),
    checkout,
    tip: (signal) => serial(async () => (await update(signal)).tip),
    branch: () => followed,
    at(commit) {
      let found: Snapshot | undefined;
      return {
        description,
        fetch: async (signal) => (found ??= await serial(() => fetchAt(commit, signal))),
        checkout,
        watch: async () => undefined,
      };
    },
    watch: (changed, signal) => poll({ look, changed, intervalMs: options.pollIntervalMs, clock, notice }, signal),
  };
}

/** The branch to read: the one that was named, or the remote's default. */
function branchOf(advertised: Advertisement, url: string, named: string | undefined): string {
  if (branchNames(advertised).length === 0) {
    throw waitingError('RepositoryEmpty', `${url} is empty: it has no branch yet`, { hint: 'Push a first commit.' });
  }
  const branch = named ?? advertised.defaultBranch;
  if (branch === null) {
    throw waitingError('BranchMissing', `${url} does not say which branch is its default`, {
      hint: 'Name the branch.',
    });
  }
  return branch;
}

function branchMissing(url: string, branch: string, advertised: Advertisement): CodedError {
  const names = [...branchNames(advertised)].sort();
  const more = names.length > LISTED_BRANCHES ? `, and ${names.length - LISTED_BRANCHES} more` : '';
  return waitingError(
    'BranchMissing',
    `${url} has no branch ${branch}; it has ${names.slice(0, LISTED_BRANCHES).join(', ')}${more}`,
    {
      hint: 'Name one that exists, or push this one.',
    },
  );
}

const pathMissing = (folder: string, where: string): CodedError =>
  waitingError('PathMissing', `there is no folder ${folder} in ${where}`, {
    hint: 'Check the path; it counts from the root.',
  });

/** Trees are listed as far as the globs reach, and each blob is read when its turn comes. */
async function* checkoutFrom(
  clone: RemoteClone,
  revision: string,
  paths: CheckoutPaths,
  signal: AbortSignal,
): AsyncGenerator<CheckoutEntry, void, undefined> {
  const reader = await clone.at(revision, signal);
  const { tree: root } = await reader.readCommit(revision);
  const memory: Memory = { manifests: undefined, all: new Map() };
  const files =
    paths === true
      ? (await listAll(reader, '', root, undefined)).files
      : await createSnapshot(reader, { revision, root, committed: '' }, memory).match(expandGlobs(paths));
  for (const { path, id, mode } of files) {
    signal.throwIfAborted();
    const content = await readRaw(reader, path, id);
    if (mode === '120000') yield { kind: 'link', path, target: Buffer.from(content).toString('utf8') };
    else yield { kind: 'file', path, executable: mode === '100755', content };
  }
}

/** One revision, read from the copy as it is asked for. */
function createSnapshot(
  reader: ObjectReader,
  { revision, root, committed }: { readonly revision: string; readonly root: string; readonly committed: string },
  memory: Memory,
): Snapshot {
  const filesBelow = async (folder: string): Promise<readonly SourceFile[]> => {
    const tree = folder === '' ? root : await findFolder(reader, root, folder).catch(asNothing);
    if (tree === undefined) return [];
    const listing = await listAll(reader, folder, tree, memory.all.get(folder));
    if (memory.all.size >= REMEMBERED_FOLDERS) memory.all.clear();
    memory.all.set(folder, listing);
    return listing.files;
  };
  return {
    revision,
    committed,
    manifests: memory.manifests?.files ?? [],
    find: (path) => findFile(reader, root, path),
    read: (file) => readFileOfTree(reader, root, file),
    async match(globs) {
      const found = new Map<string, SourceFile>();
      for (const glob of globs) {
        const matches = picomatch(glob, { dot: true });
        const plainPart = normalizePath(picomatch.scan(glob).base);
        if (plainPart === undefined) continue;
        const exact = await findFile(reader, root, plainPart).catch(asNothing);
        for (const file of exact ? [exact] : await filesBelow(plainPart))
          if (matches(file.path)) found.set(file.path, file);
      }
      return [...found.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
    },
  };
}

/** A glob whose folder is a link out of the tree matches nothing. */
function asNothing(error: unknown): undefined {
  if (isCoded(error, 'SymlinkLeaves')) return undefined;
  throw error;
}
