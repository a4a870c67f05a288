import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pack } from 'tar-stream';
import { messageOf } from '../errors.ts';
import type { Digest } from './streams.ts';

const CHUNK = 64 * 1024;
/** Of everything: with it, the same files make the same archive. */
export const EPOCH = new Date(0);

export interface PackedFile extends Digest {
  /** What happened to the file while it was read, as the end of a sentence. */
  readonly change: string | undefined;
}

/** The end of a sentence, where there is no file to pack. */
export type Missing = string;

/**
 * Writes one file into a tar, with the size that it has when it is opened: a tar says the size first. What a file lacks at
 * the end is filled with zeros, what it has beyond is left away; both are a change, as is another time of modification.
 * `took` hears the size before anything is written, and may throw.
 */
export async function packFile(
  pack: Pack,
  path: string,
  file: string,
  took: (bytes: number) => void,
): Promise<PackedFile | Missing> {
  let handle: FileHandle;
  try {
    // Between listing and opening, a file may have become a link, or a pipe that nobody writes to.
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return `can't be read (${(error as NodeJS.ErrnoException).code ?? messageOf(error)}): left out`;
  }
  try {
    const before = await handle.stat();
    if (!before.isFile()) return 'is no file any more: left out';
    took(before.size);
    const mode = (before.mode & 0o111) === 0 ? 0o644 : 0o755;
    const entry = pack.entry({ name: path, size: before.size, mode, mtime: EPOCH, type: 'file' });
    const content = contentOf(handle, before.size);
    await pipeline(content.chunks(), entry as unknown as Writable);
    const after = await handle.stat();
    const change =
      content.fault() ??
      (after.size > before.size ? `grew while it was read: only its first ${before.size} bytes are kept` : undefined) ??
      (after.mtimeMs === before.mtimeMs && after.size === before.size ? undefined : 'changed while it was read');
    return { bytes: before.size, sha256: content.sha256(), change };
  } finally {
    await handle.close();
  }
}

interface Content {
  /** Exactly as many bytes as asked for. */
  chunks(): AsyncGenerator<Buffer, void, undefined>;
  fault(): string | undefined;
  sha256(): string;
}

function contentOf(handle: FileHandle, size: number): Content {
  const hash = createHash('sha256');
  let fault: string | undefined;
  return {
    async *chunks() {
      for (let at = 0; at < size; at += CHUNK) {
        const wanted = Math.min(CHUNK, size - at);
        const buffer = Buffer.alloc(wanted);
        if (fault === undefined) fault = await fill(handle, buffer, at);
        hash.update(buffer);
        yield buffer;
      }
    },
    fault: () => fault,
    sha256: () => hash.digest('hex'),
  };
}

/** Reads until the buffer is full, so that chunks are the same whatever the file system gives at once. */
async function fill(handle: FileHandle, buffer: Buffer, position: number): Promise<string | undefined> {
  let filled = 0;
  try {
    while (filled < buffer.byteLength) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.byteLength - filled, position + filled);
      if (bytesRead === 0) return `shrank while it was read: from byte ${position + filled} on it is filled with zeros`;
      filled += bytesRead;
    }
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? messageOf(error);
    return `can't be read from byte ${position + filled} on (${code}): filled with zeros`;
  }
}
