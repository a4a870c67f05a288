import fs from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import git from 'isomorphic-git';
import { TEMPORARY_PACK } from './incoming-pack.ts';
import { openObjectDatabase, type ObjectDatabase } from './object-database.ts';
import { listRefs, readRef } from './refs.ts';

/**
 * One bare repository of a copy. Packs and loose objects pile up in it, and nothing repacks them: when there are too
 * many, the copy goes on in a new generation, in a folder `g<number>` beside it.
 */
export interface Generation {
  readonly number: number;
  readonly gitDir: string;
  readonly database: ObjectDatabase;
  /** The one cache object that isomorphic-git gets for this repository. */
  readonly cache: object;
  /** The local branch's tip, which tells the server at a fetch what is here. */
  tip(branch: string): Promise<string | null>;
  /** The tips of all branches. */
  tips(): Promise<readonly string[]>;
  setRef(ref: string, id: string): Promise<void>;
  packCount(): Promise<number>;
  /** Estimated from one of the 256 folders, as `git gc --auto` does. */
  looseCount(): Promise<number>;
  remove(): Promise<void>;
}

const NAME = /^g(\d+)$/;

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** The numbers of the generations in a folder, newest first. */
export async function listGenerations(root: string): Promise<readonly number[]> {
  const numbers = (await namesIn(root)).flatMap((name) => (NAME.test(name) ? [Number(name.slice(1))] : []));
  return numbers.sort((a, b) => b - a);
}

/** What a process that ended in the middle of a fetch has left. */
async function removeTemporary(gitDir: string): Promise<void> {
  const folder = path.join(gitDir, 'objects', 'pack');
  for (const name of await namesIn(folder)) {
    if (name.startsWith(TEMPORARY_PACK)) await rm(path.join(folder, name), { force: true });
  }
}

/** Opens a generation, and makes it (bare) where it does not exist. `url` has to be without credentials: it is written to its config. */
export async function openGeneration(root: string, number: number, url: string): Promise<Generation> {
  const gitDir = path.join(root, `g${number}`);
  await mkdir(gitDir, { recursive: true });
  await git.init({ fs, gitdir: gitDir, bare: true });
  await removeTemporary(gitDir);
  await git.addRemote({ fs, gitdir: gitDir, remote: 'origin', url, force: true });
  const database = openObjectDatabase(path.join(gitDir, 'objects'));
  const idOf = async (ref: string): Promise<string | null> => {
    const found = await readRef(gitDir, ref);
    return found && 'id' in found ? found.id : null;
  };
  return {
    number,
    gitDir,
    database,
    cache: {},
    tip: (branch) => idOf(`refs/heads/${branch}`),
    async tips() {
      const ids = await Promise.all((await listRefs(gitDir, 'refs/heads/')).map(idOf));
      return [...new Set(ids.filter((id) => id !== null))];
    },
    async setRef(ref, id) {
      const file = path.join(gitDir, ref);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(`${file}.lock`, `${id}\n`);
      await rename(`${file}.lock`, file);
    },
    packCount: async () =>
      (await namesIn(path.join(gitDir, 'objects', 'pack'))).filter((name) => name.endsWith('.idx')).length,
    looseCount: async () => (await namesIn(path.join(gitDir, 'objects', '17'))).length * 256,
    async remove() {
      database.close();
      await rm(gitDir, { recursive: true, force: true });
    },
  };
}
