import { lstat, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';

/** Writes files below a folder. */
export async function writeTree(folder: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

/** All that is below a folder, by path: the content of files, the targets of links, and folders that hold nothing. */
export async function tree(folder: string, prefix = ''): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const file = path.join(folder, entry.name);
    const name = prefix + entry.name;
    if (entry.isSymbolicLink()) found[name] = `-> ${await readlink(file)}`;
    else if (entry.isDirectory()) {
      const below = await tree(file, `${name}/`);
      Object.assign(found, Object.keys(below).length === 0 ? { [name]: '(empty folder)' } : below);
    } else {
      const executable = ((await lstat(file)).mode & 0o111) !== 0;
      found[name] = `${await readFile(file, 'utf8')}${executable ? ' (executable)' : ''}`;
    }
  }
  return found;
}

/** The bytes as a stream, in pieces. */
export function streamOf(bytes: Uint8Array, piece: number = 64 * 1024): Readable {
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; at += piece) yield bytes.subarray(at, at + piece);
  };
  return Readable.from(pieces(), { objectMode: false });
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('this should have failed');
}
