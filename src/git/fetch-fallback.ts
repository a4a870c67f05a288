import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import git, { type HttpClient } from 'isomorphic-git';
import type { FetchRequest } from './fetch.ts';
import type { Generation } from './generation.ts';
import { encodePacket, FLUSH } from './pkt-line.ts';

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

/** The same as our own fetch with isomorphic-git's: slower, for servers that answer otherwise than we know. Throws whatever. */
export async function fetchOtherwise(generation: Generation, request: FetchRequest): Promise<void> {
  const { http, url, shownUrl, branch, depth, signal } = request;
  const ref = `refs/heads/${branch}`;
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
}
