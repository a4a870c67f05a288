import type { ArtifactLimits } from './limits.ts';

/** Paths and links in archives. The same rules hold when one is made and when one is read, so that what is made can be read. */

const MAX_PATH_BYTES = 2_048;
const MAX_NAME_BYTES = 255;
const MAX_DEPTH = 100;

/** The parts of a path that mean something: without empty ones and dots. */
const partsOf = (path: string): readonly string[] => path.split('/').filter((part) => part !== '' && part !== '.');

/** An entry's path as it is kept: `./out//a/` is `out/a`; empty for the root itself. */
export const entryPath = (name: string): string => partsOf(name).join('/');

/** The folder that holds an entry; empty for the root. */
export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** What is wrong with the name of an entry, as the end of a sentence; undefined when it stays within the folder. */
export function nameFault(name: string): string | undefined {
  if (name.includes('\0')) return 'has a NUL in its name';
  if (name.startsWith('/')) return 'has an absolute path';
  const parts = partsOf(name);
  if (parts.includes('..')) return 'has a path with ".."';
  if (Buffer.byteLength(name) > MAX_PATH_BYTES) return `has a path of more than ${MAX_PATH_BYTES} bytes`;
  if (parts.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES))
    return `has a name of more than ${MAX_NAME_BYTES} bytes`;
  return parts.length > MAX_DEPTH ? `lies more than ${MAX_DEPTH} folders deep` : undefined;
}

/**
 * What is wrong with a symbolic link, as the end of a sentence; undefined when it stays within the folder whatever the
 * other entries are. `..` may stand only at the beginning: there it climbs folders that are no links, since no entry
 * lies below a link (`createEntryTable`), while behind a name it would climb from wherever a link of that name leads.
 */
export function linkFault(path: string, target: string): string | undefined {
  if (target === '' || target.includes('\0')) return 'is a link to nowhere';
  if (target.startsWith('/')) return 'is a link to an absolute path';
  if (Buffer.byteLength(target) > MAX_PATH_BYTES) return `is a link of more than ${MAX_PATH_BYTES} bytes`;
  const parts = partsOf(target);
  const names = parts.findIndex((part) => part !== '..');
  const climbs = names === -1 ? parts.length : names;
  if (parts.slice(climbs).includes('..')) return 'is a link with ".." behind a name';
  const depth = partsOf(path).length - 1;
  return climbs > depth ? 'is a link that leads out of the folder' : undefined;
}

export type EntryKind = 'file' | 'link' | 'folder';

export interface EntryTable {
  /** Takes an entry in, or says what is wrong with it as the end of a sentence. */
  add(path: string, kind: EntryKind): string | undefined;
  /** Whether there are more entries than the limits allow. */
  readonly full: boolean;
}

/** Knows all entries of an archive so far: none twice, and nothing below a file or a link. */
export function createEntryTable({ maxEntries }: Pick<ArtifactLimits, 'maxEntries'>): EntryTable {
  const leaves = new Set<string>();
  const folders = new Set<string>();
  let taken = 0;
  return {
    add(path, kind) {
      taken += 1;
      if (leaves.has(path) || (folders.has(path) && kind !== 'folder')) return 'is there twice';
      const above: string[] = [];
      for (let folder = folderOf(path); folder !== '' && !folders.has(folder); folder = folderOf(folder)) {
        if (leaves.has(folder)) return `lies below ${quoted(folder)}, which is no folder`;
        above.push(folder);
      }
      for (const folder of above) folders.add(folder);
      if (path !== '') (kind === 'folder' ? folders : leaves).add(path);
      return undefined;
    },
    get full() {
      return taken > maxEntries || folders.size > maxEntries;
    },
  };
}

/** A name as it may stand in a message: on one line, without control characters, and not too long. */
export function quoted(name: string): string {
  const text = JSON.stringify(name).replaceAll(
    /[\u007f-\u009f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.length > 200 ? `${text.slice(0, 197)}…"` : text;
}
