import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, unlink, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { asCoded, isCoded, transientError } from '../errors.ts';
import type { ObjectDatabase } from './object-database.ts';
import { buildPackIndex } from './pack-index-build.ts';

/** How the names of unfinished files begin. */
export const TEMPORARY_PACK = 'tmp_pack_';

/** A pack on its way into a repository: a temporary file until it is whole, and its index is made. */
export interface IncomingPack {
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Makes what came part of the repository; returns the number of its objects (an empty pack leaves nothing). Throws what
   * {@link buildPackIndex} throws, and `StoreFailed` (transient).
   */
  finish(signal: AbortSignal): Promise<number>;
  /** Lets go of the file, and removes it unless it was finished. */
  close(): Promise<void>;
}

const storeFailed = (message: string) => transientError('StoreFailed', `a pack cannot be stored: ${message}`);

async function stored<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asCoded(error, storeFailed);
  }
}

/** Objects that a thin pack leaves out. What is too large or damaged here is as good as missing. */
async function readOutside(database: ObjectDatabase, id: string) {
  try {
    return await database.readRaw(id);
  } catch (error) {
    if (isCoded(error)) return undefined;
    throw error;
  }
}

/** Begins a pack in the directory `objects` of a repository; `database` is that repository's. */
export async function beginPack(objectsDirectory: string, database: ObjectDatabase): Promise<IncomingPack> {
  const folder = path.join(objectsDirectory, 'pack');
  const temporary = path.join(folder, `${TEMPORARY_PACK}${randomBytes(8).toString('hex')}`);
  const handle: FileHandle = await stored(async () => {
    await mkdir(folder, { recursive: true });
    return open(temporary, 'wx+', 0o444);
  });
  let bytes = 0;
  let kept = false;

  const place = async (checksum: string, index: Uint8Array): Promise<void> => {
    const name = path.join(folder, `pack-${checksum}`);
    await writeFile(`${temporary}.idx`, index, { mode: 0o444 });
    await rename(temporary, `${name}.pack`);
    kept = true;
    // The index last: it is what makes a pack visible.
    await rename(`${temporary}.idx`, `${name}.idx`);
  };

  return {
    write: (part) =>
      stored(async () => {
        for (let at = 0; at < part.length;)
          at += (await handle.write(part, at, part.length - at, bytes + at)).bytesWritten;
        bytes += part.length;
      }),
    finish: (signal) =>
      stored(async () => {
        const read = (id: string) => readOutside(database, id);
        const built = await buildPackIndex({ descriptor: handle.fd, bytes, readOutside: read, signal });
        if (built.objects > 0) await place(built.checksum, built.index);
        return built.objects;
      }),
    async close() {
      await handle.close().catch(() => undefined);
      if (kept) return;
      for (const file of [temporary, `${temporary}.idx`]) await unlink(file).catch(() => undefined);
    },
  };
}
