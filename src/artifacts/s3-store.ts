import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isCoded, transientError } from '../errors.ts';
import { type Call, createS3Client, type S3ClientOptions } from './s3-client.ts';
import { checkKey } from './key.ts';
import type { Store, StoredObject } from './port.ts';
import { s3Error } from './s3-errors.ts';
import { upload, type UploadCalls } from './s3-upload.ts';
import { cancelled, createMeter, damaged, verified, withIdleLimit } from './streams.ts';

export interface S3StoreOptions extends S3ClientOptions {
  /** Bytes of a part, kept in memory; S3 takes no less than 5 MiB. Default: 16 MiB. */
  readonly partBytes?: number;
  /** Milliseconds that a download may be silent. Default: 60 s. */
  readonly idleLimitMs?: number;
}

const PART_BYTES = 16 * 1024 ** 2;
/** Milliseconds for requests that go on when the caller has given up: what is left of an upload costs money. */
const CLEANUP_MS = 30_000;

/** A store in a bucket that speaks S3, addressed by path. The client is loaded with the first request. */
export function createS3Store(options: S3StoreOptions): Store {
  const { bucket, partBytes = PART_BYTES, idleLimitMs = 60_000 } = options;
  const { name, call, close } = createS3Client(options);
  const sizeOf = async (key: string, signal: AbortSignal): Promise<number | undefined> => {
    try {
      return await call('looking into', key, signal, async ({ client, sdk }, abortSignal) => {
        const head = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), { abortSignal });
        return head.ContentLength ?? 0;
      });
    } catch (error) {
      if (isCoded(error, 'ArtifactMissing')) return undefined;
      throw error;
    }
  };
  return {
    name,
    async put(key, source, signal) {
      checkKey(key);
      const meter = createMeter();
      const piped = pipeline(source, meter.stream, { signal });
      const [sent] = await Promise.allSettled([
        upload(meter.stream, partBytes, uploadCalls(call, bucket, key, signal)),
        piped,
      ]);
      if (signal.aborted) throw cancelled(`writing to ${name}`);
      if (sent.status === 'rejected') throw sent.reason;
      const digest = meter.digest();
      const stored = await sizeOf(key, signal);
      if (stored !== digest.bytes)
        throw transientError(
          'StoreUnavailable',
          `${name} has ${stored ?? 'none'} of the ${digest.bytes} bytes of ${key}`,
          {
            hint: 'see the log of the server',
          },
        );
      return digest;
    },
    async get(key, expected, signal) {
      checkKey(key);
      const what = `${key} in ${name}`;
      const { ContentLength: bytes, Body: body } = await call(
        'reading from',
        key,
        signal,
        ({ client, sdk }, abortSignal) =>
          client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal }),
      );
      if (!(body instanceof Readable)) throw s3Error(undefined, `reading from ${name}`);
      if (bytes !== undefined && bytes !== expected.bytes) {
        body.destroy();
        throw damaged(what, `it has ${bytes} bytes and not ${expected.bytes}`);
      }
      return verified(Readable.from(download(body, name, idleLimitMs, signal), { objectMode: false }), expected, what);
    },
    async read(key, maxBytes, signal) {
      checkKey(key);
      try {
        return await call('reading from', key, signal, async ({ client, sdk }, abortSignal) => {
          const { Body: body } = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key }), {
            abortSignal,
          });
          if (!(body instanceof Readable)) throw s3Error(undefined, `reading from ${name}`);
          return readAll(download(body, name, idleLimitMs, signal), maxBytes, `${key} in ${name}`);
        });
      } catch (error) {
        if (isCoded(error, 'ArtifactMissing')) return null;
        throw error;
      }
    },
    async *list(prefix, signal) {
      checkKey(prefix);
      yield* listed(call, bucket, prefix, signal);
    },
    async remove(keyOrPrefix, signal) {
      checkKey(keyOrPrefix);
      const keys: string[] = [];
      if (keyOrPrefix.endsWith('/'))
        for await (const { key } of listed(call, bucket, keyOrPrefix, signal)) keys.push(key);
      else if ((await sizeOf(keyOrPrefix, signal)) !== undefined) keys.push(keyOrPrefix);
      for (const key of keys) {
        await call('removing from', key, signal, ({ client, sdk }, abortSignal) =>
          client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal }),
        );
      }
      return keys.length;
    },
    async exists(key, signal) {
      checkKey(key);
      return (await sizeOf(key, signal)) !== undefined;
    },
    close,
  };
}

async function readAll(chunks: AsyncIterable<Uint8Array>, maxBytes: number, what: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw damaged(what, `it has more than ${maxBytes} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

function uploadCalls(call: Call, bucket: string, key: string, signal: AbortSignal): UploadCalls {
  const at = { Bucket: bucket, Key: key };
  const what = 'writing to';
  return {
    async putWhole(body) {
      await call(what, undefined, signal, ({ client, sdk }, abortSignal) =>
        client.send(new sdk.PutObjectCommand({ ...at, Body: body, ContentLength: body.byteLength }), { abortSignal }),
      );
    },
    async begin() {
      const { UploadId: id } = await call(
        what,
        undefined,
        new AbortController().signal,
        ({ client, sdk }, abortSignal) => client.send(new sdk.CreateMultipartUploadCommand(at), { abortSignal }),
        CLEANUP_MS,
      );
      if (id === undefined) throw s3Error(undefined, `${what} ${bucket}`);
      return id;
    },
    async putPart(uploadId, number, body) {
      const part = { ...at, UploadId: uploadId, PartNumber: number, Body: body, ContentLength: body.byteLength };
      const { ETag: tag } = await call(what, undefined, signal, ({ client, sdk }, abortSignal) =>
        client.send(new sdk.UploadPartCommand(part), { abortSignal }),
      );
      return tag ?? '';
    },
    async complete(uploadId, parts) {
      const MultipartUpload = { Parts: parts.map(({ number, tag }) => ({ PartNumber: number, ETag: tag })) };
      await call(what, undefined, signal, ({ client, sdk }, abortSignal) =>
        client.send(new sdk.CompleteMultipartUploadCommand({ ...at, UploadId: uploadId, MultipartUpload }), {
          abortSignal,
        }),
      );
    },
    async abort(uploadId) {
      const command = { ...at, UploadId: uploadId };
      await call(
        what,
        undefined,
        new AbortController().signal,
        ({ client, sdk }, abortSignal) => client.send(new sdk.AbortMultipartUploadCommand(command), { abortSignal }),
        CLEANUP_MS,
      );
    },
  };
}

async function* download(
  body: Readable,
  name: string,
  idleLimitMs: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = (): void => void body.destroy(cancelled(`reading from ${name}`));
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    yield* withIdleLimit(body, idleLimitMs, () => s3Error(undefined, `reading from ${name}`));
  } catch (error) {
    throw isCoded(error) ? error : s3Error(error, `reading from ${name}`);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function* listed(
  call: Call,
  bucket: string,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<StoredObject, void, undefined> {
  let token: string | undefined;
  do {
    const request = { Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) };
    const page = await call('listing', undefined, signal, ({ client, sdk }, abortSignal) =>
      client.send(new sdk.ListObjectsV2Command(request), { abortSignal }),
    );
    for (const { Key: key, Size: bytes = 0, LastModified: modified } of page.Contents ?? [])
      if (key !== undefined) yield { key, bytes, modified: (modified ?? new Date(0)).toISOString() };
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}
