import { readdirSync, readFileSync } from 'node:fs';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { terminalError, transientError } from '../errors.ts';
import { createPathMatcher } from './globs.ts';
import type { CheckoutEntry, CheckoutPaths } from './port.ts';
import { type IgnoreRules, noIgnoreRules } from './select.ts';

const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The files of a work tree as they lie there now, by path: what a commit of all of them would hold. `.git` and what a
 * `.gitignore` names are left out; links are not followed. Throws `FileTooLarge` (terminal) and `FileChanged` (transient).
 */
export async function* workTreeFiles(
  root: string,
  paths: CheckoutPaths,
  signal: AbortSignal,
): AsyncGenerator<CheckoutEntry, void, undefined> {
  const wanted = createPathMatcher(paths);
  const walk = function* (folder: string, above: IgnoreRules): Generator<string> {
    const rules = withIgnoreFile(root, folder, above);
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.name === '.git') continue;
      if (entry.isDirectory()) {
        if (wanted.mayHold(path) && !rules.ignores(path, 'folder')) yield* walk(path, rules);
      } else if ((entry.isFile() || entry.isSymbolicLink()) && wanted.matches(path) && !rules.ignores(path, 'file')) {
        yield path;
      }
    }
  };
  for (const path of walk('', noIgnoreRules)) {
    signal.throwIfAborted();
    yield await entryOf(root, path);
  }
}

function withIgnoreFile(root: string, folder: string, above: IgnoreRules): IgnoreRules {
  try {
    return above.with(folder, '', readFileSync(join(root, folder, '.gitignore'), 'utf8'));
  } catch {
    return above;
  }
}

async function entryOf(root: string, path: string): Promise<CheckoutEntry> {
  const file = join(root, path);
  try {
    const stat = await lstat(file);
    if (stat.isSymbolicLink()) return { kind: 'link', path, target: await readlink(file) };
    if (stat.size > MAX_BYTES) throw terminalError('FileTooLarge', `${path} is larger than 64 MiB`);
    return { kind: 'file', path, executable: (stat.mode & 0o100) !== 0, content: await readFile(file) };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EISDIR') throw error;
    throw transientError('FileChanged', `${path} changed while the work tree was read`);
  }
}
