import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Commits whose parents are left out of a copy, as a server tells them. */
export interface ShallowChange {
  readonly shallow: readonly string[];
  readonly unshallow: readonly string[];
}

/** The commits of a repository that are there without their parents: gitrepository-layout(5), `shallow`. */
export async function readShallow(gitDir: string): Promise<readonly string[]> {
  const text = await readFile(path.join(gitDir, 'shallow'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => /^[0-9a-f]{40}$/.test(line));
}

/** Writes down which commits are without their parents from now on. */
export async function changeShallow(gitDir: string, change: ShallowChange): Promise<void> {
  if (change.shallow.length + change.unshallow.length === 0) return;
  const ids = new Set([...(await readShallow(gitDir)), ...change.shallow]);
  for (const id of change.unshallow) ids.delete(id);
  const file = path.join(gitDir, 'shallow');
  if (ids.size === 0) return rm(file, { force: true });
  await writeFile(`${file}.lock`, `${[...ids].sort().join('\n')}\n`);
  await rename(`${file}.lock`, file);
}
