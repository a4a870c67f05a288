import { randomUUID } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CodedError, isCoded, terminalError, transientError } from '../errors.ts';
import { checkKey } from './key.ts';
import type { Store, StoredObject } from './port.ts';
import { cancelled, createMeter, damaged, type Digest, verified } from './streams.ts';

/** Holds what is being written, on the same file system. No key begins with a dot. */
const INCOMING = '.incoming';
/** What is older than this in there was left by a process that was killed. */
const STALE_MS = 7 * 86_400_000;

/**
 * A store in a folder, which has to be there: a volume that is not mounted must not be taken for an empty store. `now` in
 * milliseconds.
 */
export function createDirectoryStore(folder: string, now: () => number): Store {
  const name = `the folder ${folder}`;
  const failed = (error: unknown, what: string): unknown => (isCoded(error) ? error : storeError(error, name, what));
  const check = async (): Promise<void> => {
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory()) return;
    throw terminalError('StoreMissing', `the artifact store is not there: ${folder} is no folder`, {
      hint: 'make the folder, or see why its volume is not mounted',
    });
  };
  return {
    name,
    async put(key, source, signal) {
      checkKey(key);
      try {
        await check();
        await removeStale(join(folder, INCOMING), now() - STALE_MS);
        return await write(folder, key, source, signal);
      } catch (error) {
        source.destroy();
        throw signal.aborted ? cancelled(`storing ${key}`) : failed(error, `${key} can't be stored`);
      }
    },
    async get(key, expected, signal) {
      checkKey(key);
      await check();
      const path = join(folder, key);
      const what = `${key} in ${name}`;
      const found = await stat(path).catch((error: unknown) => {
        throw failed(error, `${key} can't be read`);
      });
      if (found.size !== expected.bytes) throw damaged(what, `it has ${found.size} bytes and not ${expected.bytes}`);
      return verified(createReadStream(path, { signal }), expected, what);
    },
    async read(key, maxBytes, signal) {
      checkKey(key);
      await check();
      const path = join(folder, key);
      try {
        const { size } = await stat(path);
        if (size > maxBytes) throw damaged(`${key} in ${name}`, `it has more than ${maxBytes} bytes`);
        return await readFile(path, { signal });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw failed(error, `${key} can't be read`);
      }
    },
    async *list(prefix, signal) {
      checkKey(prefix);
      await check();
      yield* below(folder, prefix, signal);
    },
    async remove(keyOrPrefix, signal) {
      checkKey(keyOrPrefix);
      await check();
      let removed = 0;
      if (keyOrPrefix.endsWith('/')) for await (const _object of below(folder, keyOrPrefix, signal)) removed += 1;
      else removed = await countFile(join(folder, keyOrPrefix));
      try {
        await rm(join(folder, keyOrPrefix), { recursive: keyOrPrefix.endsWith('/'), force: true });
      } catch (error) {
        throw failed(error, `${keyOrPrefix} can't be removed`);
      }
      return removed;
    },
    async exists(key) {
      checkKey(key);
      await check();
      return (await countFile(join(folder, key))) === 1;
    },
    close: () => undefined,
  };
}

const countFile = async (path: string): Promise<number> =>
  (await stat(path).catch(() => undefined))?.isFile() ? 1 : 0;

/** Whole and on the disk before it has its name. */
async function write(folder: string, key: string, source: Readable, signal: AbortSignal): Promise<Digest> {
  const path = join(folder, key);
  const temporary = join(folder, INCOMING, randomUUID());
  await mkdir(dirname(temporary), { recursive: true });
  try {
    const meter = createMeter();
    const handle = await open(temporary, 'wx', 0o644);
    await pipeline(source, meter.stream, handle.createWriteStream({ flush: true }), { signal });
    await mkdir(dirname(path), { recursive: true });
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return meter.digest();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeStale(folder: string, before: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && found.mtimeMs < before) await rm(path, { force: true });
  }
}

async function* below(
  folder: string,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<StoredObject, void, undefined> {
  if (signal.aborted) throw cancelled('listing the artifact store');
  const entries: readonly Dirent[] = await readdir(join(folder, prefix), { withFileTypes: true }).catch(
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw storeError(error, `the folder ${folder}`, `${prefix} can't be listed`);
    },
  );
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const key = `${prefix}${entry.name}`;
    if (entry.isDirectory()) yield* below(folder, `${key}/`, signal);
    else if (entry.isFile()) {
      const found = await stat(join(folder, key)).catch(() => undefined);
      if (found) yield { key, bytes: found.size, modified: found.mtime.toISOString() };
    }
  }
}

function storeError(error: unknown, name: string, what: string): CodedError {
  const { code } = error as NodeJS.ErrnoException;
  const sentence = `${name}: ${what}`;
  if (code === 'ENOENT')
    return terminalError('ArtifactMissing', `${sentence}: it is not there`, {
      hint: 'it may be older than keep.artifacts of its job',
    });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return terminalError('StoreDenied', `${sentence} (${code})`, { hint: 'see whom the folder belongs to' });
  return transientError('StoreUnavailable', `${sentence} (${code ?? String(error)})`, {
    cause: error,
    hint: 'see whether the disk is full',
  });
}
