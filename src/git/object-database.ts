import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { inflateSync } from 'node:zlib';
import { messageOf, terminalError } from '../errors.ts';
import { createLru } from './lru.ts';
import { MAX_OBJECT_BYTES } from './limits.ts';
import { parseCommit, parseTree } from './objects.ts';
import { TooLarge } from './pack-entry.ts';
import { openPackFile, type PackFile, type RawObject } from './pack-reader.ts';
import type { ObjectReader, ObjectType, TreeEntry } from './port.ts';

/**
 * Reads the objects of a repository, loose and packed, also those it borrows through `objects/info/alternates`.
 * Throws `ObjectMissing`, `ObjectCorrupt` and `ObjectTooLarge`.
 */
export interface ObjectDatabase extends ObjectReader {
  readRaw(id: string): Promise<RawObject>;
  has(id: string): Promise<boolean>;
  /** Lets go of open files. Reading goes on and opens them again. */
  close(): void;
}

/** Entries of trees that are kept parsed: a tree that is shared by many commits is parsed once. */
const TREE_CACHE_ENTRIES = 400_000;

const isNotFound = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** A pack that `git gc` takes away between listing and opening is none. */
async function openIfThere(indexPath: string): Promise<PackFile | undefined> {
  try {
    return await openPackFile(indexPath);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The object directories that a directory of objects stands on, itself first: gitrepository-layout(5). */
async function withAlternates(directory: string, seen: Set<string> = new Set()): Promise<readonly string[]> {
  if (seen.has(directory)) return [];
  seen.add(directory);
  const text = (await readIfThere(path.join(directory, 'info', 'alternates')))?.toString('utf8') ?? '';
  const others: string[] = [];
  for (const line of text.split('\n')) {
    if (line !== '' && !line.startsWith('#'))
      others.push(...(await withAlternates(path.resolve(directory, line), seen)));
  }
  return [directory, ...others];
}

function parseLoose(id: string, bytes: Buffer): RawObject {
  const start = inflateSync(bytes, { maxOutputLength: MAX_OBJECT_BYTES + 64 });
  const end = start.indexOf(0);
  const header = /^(\w+) (\d+)$/.exec(start.toString('latin1', 0, Math.max(end, 0)));
  const content = start.subarray(end + 1);
  if (!header || Number(header[2]) !== content.length) throw new Error(`${id} is cut off`);
  return { type: header[1]!, content };
}

const tooLarge = (id: string) =>
  terminalError('ObjectTooLarge', `object ${id} is larger than ${MAX_OBJECT_BYTES / 1024 / 1024} MiB`);

/** Opens the directory `objects` of a repository. Nothing is read before it is asked for. */
export function openObjectDatabase(objectsDirectory: string): ObjectDatabase {
  const trees = createLru<string, readonly TreeEntry[]>(TREE_CACHE_ENTRIES);
  let packs: ReadonlyMap<string, PackFile> = new Map();
  let scanning: Promise<void> | undefined;
  let directories: readonly string[] | undefined;

  const scan = async (): Promise<void> => {
    const found = new Map<string, PackFile>();
    const looked = await withAlternates(objectsDirectory);
    for (const directory of looked) {
      const folder = path.join(directory, 'pack');
      const names = await readdir(folder).catch((error: unknown) => {
        if (isNotFound(error)) return [];
        throw error;
      });
      for (const name of names.filter((name) => name.endsWith('.idx'))) {
        const file = path.join(folder, name);
        const pack = packs.get(file) ?? (await openIfThere(file));
        if (pack) found.set(file, pack);
      }
    }
    for (const [file, pack] of packs) if (!found.has(file)) pack.close();
    packs = found;
    directories = looked;
  };
  /** One scan at a time; whoever comes meanwhile shares it. */
  const rescan = (): Promise<void> => {
    scanning ??= scan().finally(() => (scanning = undefined));
    return scanning;
  };

  const readPacked = (id: string): RawObject | undefined => {
    for (const pack of packs.values()) {
      const found = pack.read(id, readPacked);
      if (found) return found;
    }
    return undefined;
  };

  const readLoose = async (id: string): Promise<RawObject | undefined> => {
    for (const directory of directories ?? [objectsDirectory]) {
      const file = path.join(directory, id.slice(0, 2), id.slice(2));
      const bytes = await readIfThere(file);
      if (!bytes) continue;
      try {
        return parseLoose(id, bytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(id);
        throw terminalError('ObjectCorrupt', `${file} cannot be read: ${messageOf(error)}`, {
          hint: 'Run `git fsck` there.',
        });
      }
    }
    return undefined;
  };

  const find = async (id: string): Promise<RawObject | undefined> => {
    try {
      if (!directories) await rescan();
      const found = readPacked(id) ?? (await readLoose(id));
      if (found) return found;
      // Another process may have packed it, or brought a new pack, since the last look.
      await rescan();
      return readPacked(id) ?? (await readLoose(id));
    } catch (error) {
      throw error instanceof TooLarge ? tooLarge(id) : error;
    }
  };

  const readRaw = async (id: string): Promise<RawObject> => {
    const found = /^[0-9a-f]{40}$/.test(id) ? await find(id) : undefined;
    if (!found) throw terminalError('ObjectMissing', `git object ${id} is not in ${objectsDirectory}`);
    return found;
  };
  const readTyped = async (id: string, type: ObjectType): Promise<Uint8Array> => {
    const object = await readRaw(id);
    if (object.type !== type)
      throw terminalError('ObjectMissing', `git object ${id} is a ${object.type}, not a ${type}`);
    return object.content;
  };

  return {
    readRaw,
    has: async (id) => (await find(id)) !== undefined,
    readBlob: (id) => readTyped(id, 'blob'),
    readCommit: async (id) => parseCommit(id, await readTyped(id, 'commit')),
    async readTree(id) {
      const known = trees.get(id);
      if (known) return known;
      const entries = id === EMPTY_TREE ? [] : parseTree(await readTyped(id, 'tree'));
      trees.set(id, entries, entries.length + 1);
      return entries;
    },
    close() {
      for (const pack of packs.values()) pack.close();
    },
  };
}

/** Git knows the empty tree without storing it. */
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
