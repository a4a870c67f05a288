import type * as Sdk from '@aws-sdk/client-s3';
import { isCoded } from '../errors.ts';
import { s3Error } from './s3-errors.ts';
import { cancelled } from './streams.ts';

export interface S3ClientOptions {
  /** An http or https address. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Default: us-east-1. */
  readonly region?: string;
  /** Absent: requests go out unsigned. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Milliseconds that a request may take with all its tries. Default: 5 minutes. */
  readonly callLimitMs?: number;
}

interface Connection {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
}

/**
 * Sends a request within the limits. `what` is what is done to the bucket, such as `reading from`; what fails becomes a
 * sentence that begins with it. `limitMs` in place of `callLimitMs`.
 */
export type Call = <T>(
  what: string,
  key: string | undefined,
  signal: AbortSignal,
  send: (connection: Connection, abortSignal: AbortSignal) => Promise<T>,
  limitMs?: number,
) => Promise<T>;

export interface S3Client {
  /** The bucket and its address. */
  readonly name: string;
  readonly call: Call;
  readonly close: () => void;
}

/** A client of one bucket. The library is loaded with the first request. */
export function createS3Client(options: S3ClientOptions): S3Client {
  const { endpoint, bucket, callLimitMs = 300_000 } = options;
  const name = `the bucket ${bucket} at ${endpoint}`;
  let connecting: Promise<Connection> | undefined;
  return {
    name,
    async call(what, key, signal, send, limitMs = callLimitMs) {
      const connection = await (connecting ??= connect(options));
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), limitMs);
      try {
        return await send(connection, AbortSignal.any([signal, limit.signal]));
      } catch (error) {
        if (signal.aborted) throw cancelled(`${what} ${name}`);
        throw isCoded(error) ? error : s3Error(limit.signal.aborted ? undefined : error, `${what} ${name}`, key);
      } finally {
        clearTimeout(timer);
      }
    },
    close() {
      connecting?.then(({ client }) => client.destroy()).catch(() => undefined);
    },
  };
}

async function connect({ endpoint, region = 'us-east-1', credentials }: S3ClientOptions): Promise<Connection> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: credentials ?? { accessKeyId: '', secretAccessKey: '' },
    ...(credentials ? {} : { signer: { sign: async (request) => request } }),
    // Not every server knows the newer checksums; requests are signed with their SHA-256, and reading checks ours.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
  });
  return { sdk, client };
}
