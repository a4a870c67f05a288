import path from 'node:path';
import { isCoded, messageOf, transientError } from '../errors.ts';
import { cancelled } from './cancel.ts';
import { fetchOtherwise } from './fetch-fallback.ts';
import type { Generation } from './generation.ts';
import type { GitHttp } from './http.ts';
import { beginPack } from './incoming-pack.ts';
import { changeShallow, readShallow } from './shallow.ts';
import { createUploadAnswer, encodeUploadRequest } from './upload-pack.ts';

/** Names us to the server. */
const AGENT = 'git/runledger';

export interface FetchRequest {
  readonly http: GitHttp;
  /** As configured. */
  readonly url: string;
  /** Without credentials. */
  readonly shownUrl: string;
  readonly branch: string;
  readonly tip: string;
  /** Further commits that are wanted; isomorphic-git leaves them out. */
  readonly also: readonly string[];
  /** What the server can do, from the advertisement that named the tip. */
  readonly capabilities: ReadonlySet<string>;
  /** 1 for the first fetch; later ones are without a depth, or the server would send everything again. */
  readonly depth: 1 | undefined;
  /** Gives up with `AnswerTooLarge` beyond. */
  readonly maxBytes: number | undefined;
  readonly signal: AbortSignal;
}

/** After these isomorphic-git has a try: the answer arrived whole, but is not what we know. */
const UNKNOWN_TO_US: ReadonlySet<string> = new Set(['AnswerUnexpected', 'PackInvalid']);
/** What says where the fault lies on its own; all other errors become `FetchFailed`. */
const OF_THE_PACK: ReadonlySet<string> = new Set([
  ...UNKNOWN_TO_US,
  'AnswerGarbled',
  'FetchRefused',
  'PackCutOff',
  'StoreFailed',
  'ObjectMissing',
  'ObjectCorrupt',
]);

/** One request, whose answer goes to the disk as it comes. */
async function fetchOurselves(generation: Generation, request: FetchRequest): Promise<void> {
  const { http, url, tip, also, capabilities, depth, maxBytes, signal } = request;
  const { gitDir, database } = generation;
  const haves = await generation.tips();
  const shallow = await readShallow(gitDir);
  const body = encodeUploadRequest({ wants: [tip, ...also], haves, shallow, depth, capabilities, agent: AGENT });
  const pack = await beginPack(path.join(gitDir, 'objects'), database);
  try {
    const answer = createUploadAnswer((bytes) => pack.write(bytes));
    const receive = (part: Uint8Array): Promise<void> => answer.take(part);
    await http.post({ url, service: 'git-upload-pack', body, signal, maxBytes, receive });
    const change = answer.end();
    await pack.finish(signal);
    await changeShallow(gitDir, change);
  } finally {
    await pack.close();
  }
}

/**
 * Brings a commit and what it needs into a generation. Throws the errors of the transport, `Cancelled`, and
 * `FetchFailed` (transient) when what came is of no use.
 */
export async function fetchInto(generation: Generation, request: FetchRequest): Promise<void> {
  const { shownUrl, branch, tip, signal } = request;
  try {
    try {
      await fetchOurselves(generation, request);
    } catch (error) {
      if (!isCoded(error) || !UNKNOWN_TO_US.has(error.code)) throw error;
      await fetchOtherwise(generation, request);
    }
    const { tree } = await generation.database.readCommit(tip);
    await generation.database.readTree(tree);
  } catch (error) {
    if (isCoded(error) && !OF_THE_PACK.has(error.code)) throw error;
    if (signal.aborted) throw cancelled(`fetching from ${shownUrl}`);
    throw transientError('FetchFailed', `fetching branch ${branch} from ${shownUrl} failed: ${messageOf(error)}`);
  }
}
