import { createHash } from 'node:crypto';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CodedError, terminalError, transientError } from '../errors.ts';

/** The size and SHA-256 of a stream of bytes. */
export interface Digest {
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface Meter {
  /** Lets everything through. */
  readonly stream: Transform;
  /** What has passed so far. */
  readonly bytes: number;
  /** Of everything that has passed; to be asked once, at the end. */
  digest(): Digest;
}

/** Counts and hashes what passes. `check` may throw after each chunk to end the stream. */
export function createMeter(check: (bytes: number) => void = () => undefined): Meter {
  const hash = createHash('sha256');
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      try {
        check(bytes);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
  return {
    stream,
    get bytes() {
      return bytes;
    },
    digest: () => ({ bytes, sha256: hash.digest('hex') }),
  };
}

/**
 * The same bytes, but the stream ends with `ArtifactDamaged` (terminal) instead of well when they are not what was
 * expected. What was read until then is worth nothing.
 */
export function verified(source: Readable, expected: Digest, what: string): Readable {
  const meter = createMeter((bytes) => {
    if (bytes > expected.bytes) throw damaged(what, `it has more than the ${expected.bytes} bytes that were recorded`);
  });
  const check = new Transform({
    transform: (chunk, _encoding, done) => done(null, chunk),
    flush: (done) => {
      const { bytes, sha256 } = meter.digest();
      if (bytes !== expected.bytes) done(damaged(what, `it has ${bytes} bytes and not ${expected.bytes}`));
      else done(sha256 === expected.sha256 ? null : damaged(what, 'its SHA-256 is not the one that was recorded'));
    },
  });
  // Whoever reads `check` gets the error.
  pipeline(source, meter.stream, check).catch(() => undefined);
  return check;
}

export const damaged = (what: string, why: string): CodedError =>
  terminalError('ArtifactDamaged', `${what} is damaged: ${why}`, {
    hint: 'the store holds something else than was put there; bring it back from a backup, or rerun the job',
  });

export const cancelled = (what: string): CodedError => transientError('Cancelled', `${what} was cancelled`);

/** The same bytes; fails with `error()` when the source is asked and gives nothing for so many milliseconds. */
export async function* withIdleLimit(
  source: Readable,
  idleMs: number,
  error: (cause?: unknown) => CodedError,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(error()), idleMs);
      });
      const next = await Promise.race([iterator.next(), silence]).finally(() => clearTimeout(timer));
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    source.destroy();
  }
}
