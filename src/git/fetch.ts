import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import git, { type HttpClient } from 'isomorphic-git';
import { isCoded, messageOf, transientError } from '../errors.ts';
import { cancelled } from './cancel.ts';
import type { Generation } from './generation.ts';
import type { GitHttp } from './http.ts';
import { encodePacket, FLUSH } from './pkt-line.ts';

export interface FetchRequest {
  readonly http: GitHttp;
  /** As configured. */
  readonly url: string;
  /** Without credentials. */
  readonly shownUrl: string;
  readonly branch: string;
  readonly tip: string;
  /** What the server can do, from the advertisement that named the tip. */
  readonly capabilities: ReadonlySet<string>;
  /** 1 for the first fetch; later ones are without a depth, or the server would send everything again. */
  readonly depth: 1 | undefined;
  /** Gives up with `AnswerTooLarge` beyond. */
  readonly maxBytes: number | undefined;
  readonly signal: AbortSignal;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/**
 * Answers the request for the advertisement from what is known already: that spares a request, and isomorphic-git the
 * other refs of the server, where it stumbles over a HEAD without a commit.
 */
function primed(client: HttpClient, { capabilities, branch, tip }: FetchRequest): HttpClient {
  const ref = `refs/heads/${branch}`;
  const words = [...capabilities].filter((word) => !word.startsWith('symref='));
  const advertisement = Buffer.concat([
    encodePacket('# service=git-upload-pack\n'),
    FLUSH,
    encodePacket(`${tip} HEAD\0${[...words, `symref=HEAD:${ref}`].join(' ')}\n`),
    encodePacket(`${tip} ${ref}\n`),
    FLUSH,
  ]);
  return {
    async request(request) {
      if (!request.url.includes('/info/refs?service=')) return client.request(request);
      const headers = { 'content-type': 'application/x-git-upload-pack-advertisement' };
      return { url: request.url, statusCode: 200, statusMessage: 'OK', headers, body: once(advertisement) };
    },
  };
}

/** isomorphic-git writes a pack as it came; whether it came whole is seen from its checksum. */
async function assertWhole(pack: string): Promise<void> {
  const bytes = await readFile(pack);
  const checksum = createHash('sha1').update(bytes.subarray(0, -20)).digest();
  if (checksum.equals(bytes.subarray(-20))) return;
  await rm(pack.replace(/\.pack$/, '.idx'), { force: true });
  await rm(pack, { force: true });
  throw new Error('the pack did not arrive whole');
}

/**
 * Brings a commit and what it needs into a generation. Throws the errors of the transport, `Cancelled`, and
 * `FetchFailed` (transient) when what came is of no use.
 */
export async function fetchInto(generation: Generation, request: FetchRequest): Promise<void> {
  const { http, url, shownUrl, branch, tip, depth, signal } = request;
  const ref = `refs/heads/${branch}`;
  try {
    const { packfile } = (await git.fetch({
      fs,
      http: primed(http.client(url, signal, request.maxBytes), request),
      gitdir: generation.gitDir,
      cache: generation.cache,
      url: shownUrl,
      remote: 'origin',
      ref,
      remoteRef: ref,
      singleBranch: true,
      tags: false,
      ...(depth === undefined ? {} : { depth }),
    })) as { packfile?: string };
    if (packfile !== undefined) await assertWhole(path.join(generation.gitDir, packfile));
    const { tree } = await generation.database.readCommit(tip);
    await generation.database.readTree(tree);
  } catch (error) {
    if (isCoded(error) && !['ObjectMissing', 'ObjectCorrupt'].includes(error.code)) throw error;
    if (signal.aborted) throw cancelled(`fetching from ${shownUrl}`);
    throw transientError('FetchFailed', `fetching branch ${branch} from ${shownUrl} failed: ${messageOf(error)}`);
  }
}
