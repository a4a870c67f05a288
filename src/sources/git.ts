import { setTimeout as delay } from 'node:timers/promises';
import picomatch from 'picomatch';
import { CodedError, isCoded, messageOf, usageError, waitingError } from '../errors.ts';
import type { GitHttp } from '../git/http.ts';
import type { ObjectReader } from '../git/port.ts';
import { openRemoteClone, type Advertised, type RemoteClone, type RemoteCloneOptions, type RemoteNotice } from '../git/remote-clone.ts';
import { branchNames, branchTip } from '../git/remote-refs.ts';
import { createSerial } from '../git/serial.ts';
import { shownUrl } from '../git/url.ts';
import type { Snapshot, Source, SourceFile } from './port.ts';
import { listAll, listManifests, type Listing } from './tree-files.ts';
import { findFile, findFolder, normalizePath, readFileOfTree } from './tree-paths.ts';

/** Time as the poll loop needs it; tests pass their own. */
export interface PollClock {
  /** Resolves after so many ms, or once the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 to 1. */
  random(): number;
}

/** What a source has to tell a person while it is watched. */
export type SourceNotice =
  | RemoteNotice
  | { readonly kind: 'pollFailed'; readonly error: CodedError; readonly retryInMs: number };

export interface GitSourceOptions extends Pick<RemoteCloneOptions, 'maxPacks' | 'maxFetchBytes'> {
  readonly url: string;
  /** Default: the branch that the remote's HEAD names. */
  readonly branch?: string;
  /** The folder that holds the manifests; `.` for all of the repository. */
  readonly path: string;
  readonly http: GitHttp;
  /** A folder of our own for the copy. */
  readonly gitdir: string;
  readonly pollIntervalMs: number;
  readonly clock?: PollClock;
  readonly notice?: (notice: SourceNotice) => void;
}

const JITTER = 0.1;
const MAX_BACK_OFF_MS = 300_000;
const LISTED_BRANCHES = 5;

const systemClock: PollClock = {
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
  random: Math.random,
};

/** What stays the same from one snapshot to the next is not listed again. */
interface Memory {
  manifests: Listing | undefined;
  readonly all: Map<string, Listing>;
}

/**
 * A branch of a remote repository as a source. `fetch` throws `RepositoryEmpty`, `BranchMissing` and `PathMissing`
 * (waiting: someone has to push), and the errors of the transport.
 */
export async function openGitSource(options: GitSourceOptions): Promise<Source> {
  const { notice = () => undefined, clock = systemClock } = options;
  const folder = normalizePath(options.path);
  if (folder === undefined) throw usageError('PathInvalid', `the path "${options.path}" leads out of the repository`);
  const clone = await openRemoteClone({ ...options, notice });
  const serial = createSerial();
  const memory: Memory = { manifests: undefined, all: new Map() };
  let fetched: string | undefined;
  const seen = new Set<string>();

  /** The branch and its tip on the remote. */
  const locate = (advertised: Advertised): { readonly branch: string; readonly tip: string } => {
    if (branchNames(advertised).length === 0) {
      throw waitingError('RepositoryEmpty', `${clone.url} is empty: it has no branch yet`, { hint: 'Push a first commit.' });
    }
    const branch = options.branch ?? advertised.defaultBranch;
    if (branch === null) {
      throw waitingError('BranchMissing', `${clone.url} does not say which branch is its default`, { hint: 'Name the branch.' });
    }
    const tip = branchTip(advertised, branch);
    if (tip === null) throw branchMissing(clone.url, branch, branchNames(advertised), seen.has(branch));
    return { branch, tip };
  };

  const fetch = async (signal: AbortSignal): Promise<Snapshot> => {
    const advertised = await clone.advertise(signal);
    const { branch, tip } = await locateOrTell(advertised, signal);
    await clone.update(branch, advertised, signal);
    seen.add(branch);
    const root = (await clone.readCommit(tip)).tree;
    const tree = folder === '' ? root : await findFolder(clone, root, folder);
    if (tree === undefined) {
      throw waitingError('PathMissing', `there is no folder ${folder} in branch ${branch} of ${clone.url}, at ${tip.slice(0, 10)}`);
    }
    memory.manifests = await listManifests(clone, { root, folder, tree }, memory.manifests);
    fetched = tip;
    return createSnapshot(clone, tip, root, memory);
  };

  /** A branch that has gone is told once by the copy, before the error says what there is instead. */
  const locateOrTell = async (advertised: Advertised, signal: AbortSignal) => {
    try {
      return locate(advertised);
    } catch (error) {
      const branch = options.branch ?? advertised.defaultBranch;
      if (branch !== null && isCoded(error, 'BranchMissing')) await clone.update(branch, advertised, signal);
      throw error;
    }
  };

  const poll = async (last: string | undefined, signal: AbortSignal): Promise<string> =>
    serial(async () => {
      const { tip } = locate(await clone.advertise(signal));
      // Somebody may have fetched it since.
      return tip === fetched ? tip : last === tip ? tip : tip;
    });

  return {
    description: {
      location: shownUrl(clone.url),
      path: folder === '' ? '.' : folder,
      ...(options.branch === undefined ? {} : { branch: options.branch }),
    },
    fetch: (signal) => serial(() => fetch(signal)),
    watch: (changed, signal) => watch({ poll, fetched: () => fetched, interval: options.pollIntervalMs, clock, notice }, changed, signal),
  };
}
