import type { Readable } from 'node:stream';

/** What an upload needs of a client: each call has its own limits and errors. */
export interface UploadCalls {
  putWhole(body: Buffer): Promise<void>;
  begin(): Promise<string>;
  /** Returns what the server calls the part. Numbers count from 1. */
  putPart(uploadId: string, number: number, body: Buffer): Promise<string>;
  complete(uploadId: string, parts: readonly { readonly number: number; readonly tag: string }[]): Promise<void>;
  abort(uploadId: string): Promise<void>;
}

/**
 * Uploads a stream of unknown length, with one part of it in memory: in one request where it fits into a part, else as a
 * multipart upload, which is aborted when anything fails. An object appears only when all of it is there.
 */
export async function upload(source: Readable, partBytes: number, calls: UploadCalls): Promise<void> {
  const parts: { number: number; tag: string }[] = [];
  let uploadId: string | undefined;
  try {
    for await (const { body, last } of partsOf(source, partBytes)) {
      if (last && uploadId === undefined) return await calls.putWhole(body);
      uploadId ??= await calls.begin();
      const number = parts.length + 1;
      parts.push({ number, tag: await calls.putPart(uploadId, number, body) });
    }
    if (uploadId !== undefined) await calls.complete(uploadId, parts);
  } catch (error) {
    // The first error is the one to tell; what can't be aborted is left to the bucket's own rules.
    if (uploadId !== undefined) await calls.abort(uploadId).catch(() => undefined);
    throw error;
  } finally {
    source.destroy();
  }
}

/** Buffers of exactly `partBytes`, but for the last; an empty stream is one empty buffer. */
async function* partsOf(
  source: Readable,
  partBytes: number,
): AsyncGenerator<{ body: Buffer; last: boolean }, void, undefined> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    let rest = chunk;
    // Not when it is just full: only more to come shows that it is not the last.
    while (size + rest.byteLength > partBytes) {
      const head = rest.subarray(0, partBytes - size);
      yield { body: Buffer.concat([...pending, head]), last: false };
      rest = rest.subarray(head.byteLength);
      pending = [];
      size = 0;
    }
    pending.push(rest);
    size += rest.byteLength;
  }
  yield { body: Buffer.concat(pending), last: true };
}
