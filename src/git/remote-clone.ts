import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { isCoded, terminalError, transientError } from '../errors.ts';
import { fetchInto } from './fetch.ts';
import { listGenerations, openGeneration, type Generation } from './generation.ts';
import { historyContains } from './history.ts';
import type { GitHttp } from './http.ts';
import type { NewObject, ObjectReader } from './port.ts';
import { createOldCommits, isRefusal, oldCommitsFolder } from './old-commits.ts';
import { branchTip, parseAdvertisement, type Advertisement } from './remote-refs.ts';
import { storeObjects } from './store.ts';
import { parseGitUrl } from './url.ts';

/** What happened to a branch on its server that a person may want to know. */
export type RemoteNotice =
  | { readonly kind: 'forcePushed'; readonly branch: string; readonly from: string; readonly to: string }
  | { readonly kind: 'deleted'; readonly branch: string; readonly last: string }
  | {
      readonly kind: 'cloned';
      readonly branch: string;
      readonly reason: 'first' | 'overgrown' | 'damaged' | 'tooMuchNew';
    };

export interface RemoteCloneOptions {
  readonly url: string;
  /** A folder of our own for the copy, used by one process and one instance at a time. It is made when it does not exist. */
  readonly gitdir: string;
  readonly http: GitHttp;
  readonly notice?: (notice: RemoteNotice) => void;
  /** From how many packs, and loose objects, the copy is made anew. Default 50, 20,000. */
  readonly maxPacks?: number;
  readonly maxLoose?: number;
  /** A fetch of what is new that exceeds so many bytes is given up for a new copy without history. Default 64 MiB. */
  readonly maxFetchBytes?: number;
}

/** A copy of branches of a remote: shallow at first, complete from there on. Its calls must not overlap, but for reading. */
export interface RemoteClone extends ObjectReader {
  /** Without credentials. */
  readonly url: string;
  /** The bare repository that is in use now. */
  gitDir(): string;
  cache(): object;
  /** What the remote has now: one request. */
  advertise(signal: AbortSignal): Promise<Advertisement>;
  /**
   * The tip of a branch with its objects here; asks for them only if they are not. Null: no such branch. `also` are further
   * commits that are brought here by the same request.
   */
  update(
    branch: string,
    advertised: Advertisement,
    signal: AbortSignal,
    also?: readonly string[],
  ): Promise<string | null>;
  /** Brings objects here without moving a branch; returns a local ref to `to`, good until the next call. */
  stage(to: string, objects: readonly NewObject[]): Promise<string>;
  /**
   * Where a commit and its files can be read, fetched where they are not here. Throws `CommitGone` (terminal), and the errors of
   * the transport.
   */
  at(commit: string, signal: AbortSignal): Promise<ObjectReader>;
  /**
   * The same for a commit beside a branch that is here: of it only that is fetched which the branch lacks, without its history. It may
   * be anybody's, and so there is a limit: throws `CommitTooLarge` (terminal), too. Not beside another operation.
   */
  bring(commit: string, signal: AbortSignal): Promise<ObjectReader>;
  /** Takes over a push that the remote has accepted. */
  adopt(branch: string, to: string, objects: readonly NewObject[]): Promise<void>;
}

interface Wanted {
  readonly branch: string;
  readonly tip: string;
  readonly also: readonly string[];
  readonly capabilities: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

const MAX_PACKS = 50;
const MAX_LOOSE = 20_000;
const MAX_FETCH_BYTES = 64 * 1024 * 1024;
const STAGED_REF = 'refs/staged/push';
const HISTORY_LIMIT = 50_000;

/** Opens the copy below `gitdir`, or begins a new one. */
export async function openRemoteClone(options: RemoteCloneOptions): Promise<RemoteClone> {
  const { http, gitdir: root, notice = () => undefined } = options;
  const { maxPacks = MAX_PACKS, maxLoose = MAX_LOOSE, maxFetchBytes = MAX_FETCH_BYTES } = options;
  const { url } = parseGitUrl(options.url);
  await mkdir(root, { recursive: true });
  const [newest = 1, ...older] = await listGenerations(root);
  for (const number of older) await rm(path.join(root, `g${number}`), { recursive: true, force: true });

  let current = await openGeneration(root, newest, url);
  /** The generation before: whoever still holds ids of it can go on reading. */
  let previous: Generation | undefined;
  let looseCount = await current.looseCount();
  /** Something that should be here could not be read. */
  let damaged = false;
  /** The tip whose objects are known to be here, by branch; null: the branch was seen to be deleted. */
  const seen = new Map<string, string | null>();

  /** `first`: all of a branch; `more`: what has come since; `beside`: a commit without its history. */
  const fetch = (
    generation: Generation,
    { branch, tip, also, capabilities, signal }: Wanted,
    what: 'first' | 'more' | 'beside',
  ) =>
    fetchInto(generation, {
      http,
      url: options.url,
      shownUrl: url,
      branch,
      tip,
      // A first copy has no limit, so it is of the branch alone.
      also: what === 'first' ? [] : also,
      capabilities,
      depth: what === 'beside' || (what === 'first' && capabilities.has('shallow')) ? 1 : undefined,
      maxBytes: what === 'first' ? undefined : maxFetchBytes,
      signal,
    });

  const renew = async (wanted: Wanted): Promise<void> => {
    const next = await openGeneration(root, current.number + 1, url);
    try {
      await fetch(next, wanted, 'first');
    } catch (error) {
      await next.remove();
      throw error;
    }
    await previous?.remove();
    previous = current;
    current = next;
    looseCount = 0;
    damaged = false;
    seen.clear();
  };

  /** Why the copy has to be made anew, if it has to. */
  const whyRenew = async (known: string | null): Promise<'overgrown' | 'damaged' | undefined> => {
    if (known === null) return undefined;
    if (damaged) return 'damaged';
    return looseCount > maxLoose || (await current.packCount()) > maxPacks ? 'overgrown' : undefined;
  };

  /** What the last process left here may be incomplete. */
  const isReadable = (tip: string): Promise<boolean> => hasTree(current.database, tip);

  const bring = async (wanted: Wanted, known: string | null) => {
    const why = await whyRenew(known);
    if (why) {
      await renew(wanted);
      return why;
    }
    try {
      await fetch(current, wanted, known === null ? 'first' : 'more');
      return known === null ? 'first' : undefined;
    } catch (error) {
      if (!isCoded(error, 'AnswerTooLarge')) throw error;
      await renew(wanted);
      return 'tooMuchNew';
    }
  };

  const tell = async (branch: string, known: string | null, tip: string): Promise<void> => {
    if (known === null || known === tip) return;
    if (await historyContains(current.database, tip, known, HISTORY_LIMIT)) return;
    notice({ kind: 'forcePushed', branch, from: known, to: tip });
  };

  const advertise = async (signal: AbortSignal): Promise<Advertisement> =>
    parseAdvertisement(await http.discover(options.url, 'git-upload-pack', signal), url);
  const oldCommits = createOldCommits({ http, url: options.url, shownUrl: url, folder: oldCommitsFolder(root) });

  const update: RemoteClone['update'] = async (branch, advertised, signal, also = []) => {
    const tip = branchTip(advertised, branch);
    const known = seen.get(branch) ?? (await current.tip(branch));
    if (tip === null) {
      if (known !== null && seen.get(branch) !== null) notice({ kind: 'deleted', branch, last: known });
      seen.set(branch, null);
      return null;
    }
    if (!seen.has(branch) && known !== null && !(await isReadable(known))) damaged = true;
    if (tip === known && also.length === 0 && (await whyRenew(known)) === undefined) {
      seen.set(branch, tip);
      return tip;
    }
    const wanted: Wanted = { branch, tip, also, capabilities: advertised.capabilities, signal };
    const cloned = await bring(wanted, known);
    await current.setRef(`refs/heads/${branch}`, tip);
    // Now that there is a copy to stand on; what was too much a moment ago is left out.
    if (cloned && cloned !== 'tooMuchNew' && also.length > 0) await fetch(current, wanted, 'more');
    seen.set(branch, tip);
    if (cloned) notice({ kind: 'cloned', branch, reason: cloned });
    // A copy without history cannot tell what became of the tip before.
    if (!cloned || cloned === 'tooMuchNew') await tell(branch, known, tip);
    return tip;
  };

  /** Reads here, else from the generation before; what is in neither makes the next update begin anew. */
  const read = async <T>(from: (reader: ObjectReader) => Promise<T>, id: string, isCommit: boolean): Promise<T> => {
    try {
      return await from(current.database);
    } catch (error) {
      if (!isCoded(error, 'ObjectMissing') && !isCoded(error, 'ObjectCorrupt')) throw error;
      const found = previous && (await from(previous.database).catch(() => undefined));
      if (found !== undefined) return found;
      // The parents of a shallow copy's oldest commits are missing by rights.
      if (isCommit && isCoded(error, 'ObjectMissing')) throw error;
      damaged = true;
      throw transientError(error.code, `git object ${id} of ${url} cannot be read from the copy in ${current.gitDir}`, {
        hint: 'The copy is made anew at the next fetch.',
        cause: error,
      });
    }
  };

  const store = async (objects: readonly NewObject[]): Promise<void> => {
    const stored = await storeObjects(objects, { objectsDirectory: path.join(current.gitDir, 'objects'), sync: false });
    looseCount += stored.loose;
  };

  return {
    url,
    gitDir: () => current.gitDir,
    cache: () => current.cache,
    advertise,
    async at(commit, signal) {
      for (const { database } of previous ? [current, previous] : [current])
        if (await hasTree(database, commit)) return database;
      return oldCommits.reader(commit, await advertise(signal), signal);
    },
    async bring(commit, signal) {
      if (await hasTree(current.database, commit)) return current.database;
      const advertised = await advertise(signal);
      const wanted: Wanted = { branch: commit, tip: commit, also: [], capabilities: advertised.capabilities, signal };
      try {
        // Without a depth, all of its history would come.
        if (!advertised.capabilities.has('shallow'))
          return await oldCommits.reader(commit, advertised, signal, maxFetchBytes);
        await fetch(current, wanted, 'beside');
        return current.database;
      } catch (error) {
        if (isCoded(error, 'AnswerTooLarge')) throw tooLarge(commit, url, maxFetchBytes);
        // What the server refuses is said there.
        if (isRefusal(error)) return oldCommits.reader(commit, advertised, signal, maxFetchBytes);
        throw error;
      }
    },
    update,
    async stage(to, objects) {
      await store(objects);
      await current.setRef(STAGED_REF, to);
      return STAGED_REF;
    },
    async adopt(branch, to, objects) {
      await store(objects);
      await current.setRef(`refs/heads/${branch}`, to);
      seen.set(branch, to);
    },
    readCommit: (id) => read((reader) => reader.readCommit(id), id, true),
    readTree: (id) => read((reader) => reader.readTree(id), id, false),
    readBlob: (id) => read((reader) => reader.readBlob(id), id, false),
  };
}

const tooLarge = (commit: string, url: string, most: number): Error =>
  terminalError(
    'CommitTooLarge',
    `commit ${commit.slice(0, 12)} of ${url} has more than ${Math.round(most / 1024 ** 2)} MiB that its branch lacks`,
    { hint: 'large files belong into an artifact store, or come by another way' },
  );

const hasTree = async (reader: ObjectReader, commit: string): Promise<boolean> => {
  try {
    await reader.readTree((await reader.readCommit(commit)).tree);
    return true;
  } catch {
    return false;
  }
};
