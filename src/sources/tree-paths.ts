import { posix } from 'node:path';
import { isCoded, terminalError } from '../errors.ts';
import type { EntryMode, ObjectReader } from '../git/port.ts';
import type { SourceFile } from './port.ts';

/** An entry of a tree, by its path from the root. */
interface Found {
  readonly path: string;
  readonly id: string;
  readonly mode: EntryMode;
}

const MAX_LINKS = 40;
const MAX_LINK_BYTES = 4096;

const symlinkLeaves = (path: string, why: string) =>
  terminalError('SymlinkLeaves', `${path} is a symbolic link that ${why}`, {
    hint: 'Let it lead to a file of the same repository, by a relative path.',
  });

/** A path from the root in its plain form; undefined when it is absolute or leaves the root. */
export function normalizePath(path: string): string | undefined {
  const plain = posix.normalize(path.replaceAll('\\', '/')).replace(/\/$/, '');
  if (plain.startsWith('/') || plain === '..' || plain.startsWith('../')) return undefined;
  return plain === '.' ? '' : plain;
}

/**
 * Finds what lies at a path of a tree, following symbolic links on the way, and at its end if asked. Undefined when
 * there is nothing. Throws `SymlinkLeaves` for a link out of the tree or a loop of them.
 */
async function findInTree(
  reader: ObjectReader,
  root: string,
  path: string,
  followLast: boolean,
): Promise<Found | undefined> {
  let todo = path.split('/').filter((part) => part !== '');
  let at: Found = { path: '', id: root, mode: '040000' };
  let links = 0;
  while (todo.length > 0) {
    if (at.mode !== '040000') return undefined;
    const [name = '', ...rest] = todo;
    const entry = (await reader.readTree(at.id)).find((one) => one.name === name);
    if (!entry) return undefined;
    const here: Found = { path: posix.join(at.path, name), id: entry.id, mode: entry.mode };
    if (entry.mode !== '120000' || (rest.length === 0 && !followLast)) {
      at = here;
      todo = rest;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw symlinkLeaves(path, 'leads in a circle');
    const target = await readLink(reader, here);
    const next = target.startsWith('/') ? undefined : normalizePath(posix.join(at.path, target));
    if (next === undefined) throw symlinkLeaves(here.path, 'leads out of the repository');
    todo = [...next.split('/').filter((part) => part !== ''), ...rest];
    at = { path: '', id: root, mode: '040000' };
  }
  return at;
}

async function readLink(reader: ObjectReader, { id, path }: Found): Promise<string> {
  const bytes = await reader.readBlob(id);
  if (bytes.length > MAX_LINK_BYTES) throw symlinkLeaves(path, 'is longer than any path');
  return Buffer.from(bytes).toString('utf8');
}

/** The folder's tree id; undefined when there is no such folder. Links on the way are followed. */
export async function findFolder(reader: ObjectReader, root: string, path: string): Promise<string | undefined> {
  const found = await findInTree(reader, root, path, true);
  return found?.mode === '040000' ? found.id : undefined;
}

/** The file at a path, a symbolic link as such; undefined for folders, submodules and what does not exist. */
export async function findFile(reader: ObjectReader, root: string, path: string): Promise<SourceFile | undefined> {
  const plain = normalizePath(path);
  if (plain === undefined || plain === '') return undefined;
  const found = await findInTree(reader, root, plain, false);
  if (!found || found.mode === '040000' || found.mode === '160000') return undefined;
  return { path: plain, id: found.id, mode: found.mode };
}

/** A file's bytes, through symbolic links. Throws `SymlinkLeaves`, `FileMissing`, `FileTooLarge`. */
export async function readFileOfTree(reader: ObjectReader, root: string, file: SourceFile): Promise<Uint8Array> {
  let id = file.id;
  if (file.mode === '120000') {
    const target = await findInTree(reader, root, file.path, true);
    if (!target) throw terminalError('FileMissing', `${file.path} is a symbolic link to nothing`);
    if (target.mode === '040000' || target.mode === '160000') {
      throw terminalError('FileMissing', `${file.path} is a symbolic link to a folder`);
    }
    id = target.id;
  }
  return readRaw(reader, file.path, id);
}

/** The bytes of a blob, which lies at a path: of a symbolic link, its target. Throws `FileTooLarge`. */
export async function readRaw(reader: ObjectReader, path: string, id: string): Promise<Uint8Array> {
  try {
    return await reader.readBlob(id);
  } catch (error) {
    if (isCoded(error, 'ObjectTooLarge'))
      throw terminalError('FileTooLarge', `${path} is larger than 64 MiB`, { cause: error });
    throw error;
  }
}
