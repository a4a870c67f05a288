import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { IGNORE_FILE, type IgnoreRules, isManifestFolder, isManifestPath, noIgnoreRules } from './select.ts';

/** A YAML file of a work tree, with what tells whether it has changed since it was last read. */
export interface ScannedFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly kind: 'file' | 'executable' | 'symlink';
  readonly size: number;
  readonly stamp: string;
}

/** What a work tree leaves out. Holds the ignore files it has read: make a new one for each scan. */
export interface WorkTreeRules {
  /** Whether the path, or a folder on the way to it, is left out. `path` is from the root; `''` is the root itself. */
  ignores(path: string, kind: 'file' | 'folder'): boolean;
}

const IGNORE_FILES = ['.gitignore', IGNORE_FILE] as const;

/**
 * The rules of a work tree below `top` (a folder from the root, `''` for the root). A folder is read like the commit that
 * would come of it: what a `.gitignore` names is left out, and so are folders whose name begins with a dot and what a
 * `.runledgerignore` names.
 */
export function workTreeRules(root: string, top: string): WorkTreeRules {
  const known = new Map<string, IgnoreRules>();
  const rulesIn = (folder: string): IgnoreRules => {
    const before = known.get(folder);
    if (before) return before;
    const parent = parentOf(folder);
    const above = parent === undefined ? noIgnoreRules : rulesIn(parent);
    const text = IGNORE_FILES.map((name) => readText(join(root, folder, name))).join('\n');
    const rules = text.trim() === '' ? above : above.with(folder, '', text);
    known.set(folder, rules);
    return rules;
  };
  const folders = new Map<string, boolean>();
  const ignoresFolder = (path: string): boolean => {
    if (path === top || path === '') return false;
    const before = folders.get(path);
    if (before !== undefined) return before;
    const parent = parentOf(path) ?? '';
    const name = path.slice(path.lastIndexOf('/') + 1);
    const ignored = !isManifestFolder(name) || ignoresFolder(parent) || rulesIn(parent).ignores(path, 'folder');
    folders.set(path, ignored);
    return ignored;
  };
  return {
    ignores(path, kind) {
      if (kind === 'folder') return ignoresFolder(path);
      const parent = parentOf(path) ?? '';
      return ignoresFolder(parent) || rulesIn(parent).ignores(path, 'file');
    },
  };
}

/** `a/b` of `a/b/c`, `''` of `a`, undefined of `''`. */
function parentOf(path: string): string | undefined {
  if (path === '') return undefined;
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** How many folders are read before other work gets its turn: reading in step is faster than a promise a file. */
const FOLDERS_A_TURN = 50;

/** The YAML files below `folder` (from `root`, `.` for all), by path. Throws what the file system throws for `folder` itself. */
export async function scanFolder(root: string, folder: string, signal: AbortSignal): Promise<readonly ScannedFile[]> {
  const paths = await listFiles(root, folder, signal, (path) => isManifestPath(basename(path)));
  return paths.map((path) => stampOf(root, path)).filter((file) => file !== undefined);
}

/** The paths of all files below `folder` that `wanted` takes and no rule leaves out, sorted. */
export async function listFiles(
  root: string,
  folder: string,
  signal: AbortSignal,
  wanted: (path: string) => boolean,
): Promise<readonly string[]> {
  const top = folder === '.' ? '' : folder;
  const rules = workTreeRules(root, top);
  const found: string[] = [];
  const open = [top];
  for (let turn = 1; open.length > 0; turn += 1) {
    const next = open.pop() ?? '';
    for (const entry of readdirSync(join(root, next), { withFileTypes: true })) {
      const path = next === '' ? entry.name : `${next}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!rules.ignores(path, 'folder')) open.push(path);
      } else if (wanted(path) && !rules.ignores(path, 'file')) {
        found.push(path);
      }
    }
    if (turn % FOLDERS_A_TURN === 0) {
      await breathe();
      signal.throwIfAborted();
    }
  }
  return found.sort();
}

/** The file as it is now; undefined when it is gone, or neither a file nor a symbolic link. The stamp changes whenever the content may have. */
export function stampOf(root: string, path: string): ScannedFile | undefined {
  const stat = lstatSync(join(root, path), { bigint: true, throwIfNoEntry: false });
  if (!stat || (!stat.isFile() && !stat.isSymbolicLink())) return undefined;
  const kind = stat.isSymbolicLink() ? 'symlink' : (stat.mode & 0o100n) === 0n ? 'file' : 'executable';
  // Joined, and not a template, which would keep the parts of every stamp in memory.
  const stamp = [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':');
  return { path, kind, size: Number(stat.size), stamp };
}
