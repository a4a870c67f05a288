import { mkdir, open, readdir, readFile, rename, rmdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { terminalError, transientError, usageError } from '../errors.ts';
import { pause } from './cancel.ts';

const LOCK_TIMEOUT_MS = 5000;
const LOCK_POLL_MS = 20;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

/** Throws `BranchNameInvalid` for a name that git-check-ref-format(1) refuses. */
export function assertBranchName(name: string): void {
  const bad =
    name === '' ||
    name === '@' ||
    name.startsWith('-') ||
    // oxlint-disable-next-line no-control-regex -- control characters are what is refused
    /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^\/|[/.]$/.test(name) ||
    name.split('/').some((part) => part.startsWith('.') || part.endsWith('.lock'));
  if (bad) throw usageError('BranchNameInvalid', `"${name}" cannot be the name of a git branch`);
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error))) return undefined;
    throw error;
  }
}

/** The refs of the file `packed-refs`; the lines with `^` (what a tag points at) are left out. */
async function readPackedRefs(commonDir: string): Promise<ReadonlyMap<string, string>> {
  const text = (await readText(path.join(commonDir, 'packed-refs'))) ?? '';
  const lines = text.split('\n').flatMap((line) => {
    const found = /^([0-9a-f]{40}) (\S+)$/.exec(line);
    return found ? [[found[2]!, found[1]!] as const] : [];
  });
  return new Map(lines);
}

/** A ref's own value: an object id, another ref that it stands for, or null when there is no such ref. */
export async function readRef(dir: string, ref: string): Promise<{ id: string } | { symbolic: string } | null> {
  const text = (await readText(path.join(dir, ref)))?.trim();
  if (text?.startsWith('ref:')) return { symbolic: text.slice(4).trim() };
  if (text && /^[0-9a-f]{40}$/.test(text)) return { id: text };
  const packed = (await readPackedRefs(dir)).get(ref);
  return packed === undefined ? null : { id: packed };
}

/** The names of the loose and packed refs below a prefix such as `refs/heads/`. */
export async function listRefs(commonDir: string, prefix: string): Promise<readonly string[]> {
  const names = new Set([...(await readPackedRefs(commonDir)).keys()].filter((name) => name.startsWith(prefix)));
  const entries = await readdir(path.join(commonDir, prefix), { recursive: true, withFileTypes: true }).catch(
    (error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    },
  );
  for (const entry of entries) {
    const name = path.relative(commonDir, path.join(entry.parentPath, entry.name)).split(path.sep).join('/');
    if (entry.isFile() && !name.endsWith('.lock')) names.add(name);
  }
  return [...names].sort();
}

/**
 * The branch among `names` that keeps `name` from being created: git cannot hold both `a` and `a/b`.
 * All names come without `refs/heads/`.
 */
export function conflictingBranch(name: string, names: Iterable<string>): string | undefined {
  for (const other of names) if (name.startsWith(`${other}/`) || other.startsWith(`${name}/`)) return other;
  return undefined;
}

/** The error for two branches that cannot be in one repository. */
export const refConflict = (name: string, other: string, where: string) =>
  terminalError(
    'RefConflict',
    `branch ${name} cannot be created in ${where}: git cannot hold it beside branch ${other}`,
    {
      hint: `Use another branch name, or rename ${other}.`,
    },
  );

/** The error for a branch that is no longer where it was expected. */
export const refMoved = (branch: string, from: string | null, where: string) =>
  transientError(
    'RefMoved',
    `branch ${branch} of ${where} is no longer at ${from ?? 'its beginning (it exists by now)'}`,
  );

async function takeLock(lock: string, signal: AbortSignal, timeoutMs: number) {
  const until = performance.now() + timeoutMs;
  for (;;) {
    await mkdir(path.dirname(lock), { recursive: true });
    try {
      return await open(lock, 'wx');
    } catch (error) {
      // ENOENT: git has removed the folder again, because it was empty.
      if (codeOf(error) !== 'EEXIST' && codeOf(error) !== 'ENOENT') throw error;
    }
    if (performance.now() > until) {
      throw transientError('RefLocked', `${lock} is held by another process`, {
        hint: 'If no git process is running there, a crashed one has left it: remove the file.',
      });
    }
    await pause(LOCK_POLL_MS * (1 + 4 * Math.random()), signal, `waiting for ${lock}`);
  }
}

/** Renames the lock into place; empty folders that stand there (left by `git pack-refs`) give way, as they do in git. */
async function commitLock(lock: string, target: string): Promise<void> {
  try {
    await rename(lock, target);
  } catch (error) {
    if (!['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) throw error;
    const folders = await readdir(target, { recursive: true, withFileTypes: true });
    for (const folder of folders.reverse()) await rmdir(path.join(folder.parentPath, folder.name));
    await rmdir(target);
    await rename(lock, target);
  }
}

export interface RefUpdate {
  /** The repository's common directory. */
  readonly commonDir: string;
  /** Without `refs/heads/`. */
  readonly branch: string;
  /** What the branch has to be at; null: it must not exist. */
  readonly from: string | null;
  readonly to: string;
}

/**
 * Moves a branch by git's own protocol: `<ref>.lock` created exclusively, the ref read, compared, written and renamed
 * into place. So it is safe beside any git. Throws `RefMoved`, `RefLocked` (naming the lock file), `RefConflict`.
 */
export async function updateBranchRef(
  { commonDir, branch, from, to }: RefUpdate,
  signal: AbortSignal,
  lockTimeoutMs: number = LOCK_TIMEOUT_MS,
): Promise<void> {
  const ref = `refs/heads/${branch}`;
  if (from === null) {
    const names = (await listRefs(commonDir, 'refs/heads/')).map((name) => name.slice('refs/heads/'.length));
    const other = conflictingBranch(branch, names);
    if (other !== undefined) throw refConflict(branch, other, commonDir);
  }
  const target = path.join(commonDir, ref);
  const lock = `${target}.lock`;
  const handle = await takeLock(lock, signal, lockTimeoutMs);
  let held = true;
  try {
    const current = await readRef(commonDir, ref);
    if (current && 'symbolic' in current) {
      throw terminalError(
        'RepositoryUnsupported',
        `branch ${branch} of ${commonDir} is a symbolic ref to ${current.symbolic}`,
      );
    }
    if ((current?.id ?? null) !== from) throw refMoved(branch, from, commonDir);
    await handle.writeFile(`${to}\n`);
    await handle.sync();
    await handle.close();
    held = false;
    await commitLock(lock, target);
  } catch (error) {
    if (held) await handle.close();
    await unlink(lock).catch(() => undefined);
    throw error;
  }
}
