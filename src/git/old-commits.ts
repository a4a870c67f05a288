import path from 'node:path';
import { rm } from 'node:fs/promises';
import { isCoded, terminalError } from '../errors.ts';
import { fetchInto } from './fetch.ts';
import { type Generation, openGeneration } from './generation.ts';
import type { GitHttp } from './http.ts';
import type { ObjectReader } from './port.ts';
import type { Advertisement } from './remote-refs.ts';

export interface OldCommitsOptions {
  readonly http: GitHttp;
  /** As configured. */
  readonly url: string;
  /** Without credentials. */
  readonly shownUrl: string;
  /** A folder of our own. */
  readonly folder: string;
}

/** Commits that a copy does not have: it began after them, or was made anew. Each is fetched by its id, without history. */
export interface OldCommits {
  /** With `maxBytes`, throws `AnswerTooLarge` beyond. Throws `CommitGone` (terminal) where the server does not give it, and the errors of the transport. */
  reader(commit: string, advertised: Advertisement, signal: AbortSignal, maxBytes?: number): Promise<ObjectReader>;
}

/** Whoever still reads an older one has to begin again. */
const MOST_KEPT = 3;

export function createOldCommits({ http, url, shownUrl, folder }: OldCommitsOptions): OldCommits {
  const kept = new Map<string, Generation>();
  let count = 0;
  const bring = async (
    commit: string,
    advertised: Advertisement,
    signal: AbortSignal,
    maxBytes: number | undefined,
  ): Promise<Generation> => {
    count += 1;
    if (count === 1) await rm(folder, { recursive: true, force: true });
    const generation = await openGeneration(folder, count, shownUrl);
    try {
      await fetchInto(generation, {
        http,
        url,
        shownUrl,
        branch: commit,
        tip: commit,
        also: [],
        capabilities: advertised.capabilities,
        depth: advertised.capabilities.has('shallow') ? 1 : undefined,
        maxBytes,
        signal,
      });
      return generation;
    } catch (error) {
      await generation.remove();
      throw isRefusal(error) ? gone(commit, shownUrl, error) : error;
    }
  };
  return {
    async reader(commit, advertised, signal, maxBytes) {
      const known = kept.get(commit);
      if (known) return known.database;
      const generation = await bring(commit, advertised, signal, maxBytes);
      kept.set(commit, generation);
      const [oldest] = kept;
      if (oldest && kept.size > MOST_KEPT) {
        kept.delete(oldest[0]);
        await oldest[1].remove();
      }
      return generation.database;
    },
  };
}

export const oldCommitsFolder = (root: string): string => path.join(root, 'old');

/** Whether a server does not give a commit that it was asked for by its id. */
export const isRefusal = (error: unknown): boolean =>
  isCoded(error) && /not our ref|refused|unadvertised|ERR /i.test(error.message);

const gone = (commit: string, url: string, cause: unknown): Error =>
  terminalError('CommitGone', `${url} does not give commit ${commit.slice(0, 12)} any more`, {
    cause,
    hint: 'it was removed from its branch, or the server allows no fetch of a commit by its id (uploadpack.allowReachableSHA1InWant)',
  });
