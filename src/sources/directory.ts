import type { FSWatcher, watch } from 'chokidar';
import { lstatSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import picomatch from 'picomatch';
import { messageOf, terminalError, usageError } from '../errors.ts';
import { objectId } from '../git/objects.ts';
import type { EntryMode } from '../git/port.ts';
import { type Contents, createContents } from './contents.ts';
import { createHeadTree, type HeadReader, type HeadTree } from './head-tree.ts';
import type { Snapshot, Source, SourceFile } from './port.ts';
import { workTreeFiles } from './work-tree.ts';
import { listFiles, scanFolder, stampOf, type ScannedFile, workTreeRules } from './scan.ts';

export interface DirectoryOptions {
  /** The root of the work tree (or of the folder, where there is no repository): paths of files count from here. */
  readonly root: string;
  /** The folder below it that holds the manifests, `.` for all. */
  readonly path: string;
  /** The repository that the folder is the work tree of; null: none. */
  readonly repository: HeadReader | null;
  /** Only these manifest files, from the root; absent: all that are found. */
  readonly only?: ReadonlySet<string>;
}

const MAX_BYTES = 64 * 1024 * 1024;
const FILES_A_TURN = 500;
const SETTLE_MS = 50;

interface KnownFile extends SourceFile {
  readonly stamp: string;
}

/**
 * A folder as it lies in the work tree. Its revision is HEAD's commit, with `+dirty` when a file that was looked at (every
 * manifest, and what manifests refer to) differs from it, and `none` where there is no commit.
 *
 * After `watch` was called, a fetch looks only at the files that changed; without it, at all of them, and reads
 * those whose stamp is new.
 */
export function openDirectorySource(options: DirectoryOptions): Source {
  const { root, path } = options;
  const head = options.repository ? createHeadTree(options.repository) : null;
  let known = new Map<string, KnownFile>();
  const contents = createContents();
  let touched: Set<string> | 'all' = 'all';
  let watching = false;

  const identify = (file: ScannedFile): KnownFile => {
    const before = known.get(file.path);
    if (before?.stamp === file.stamp && file.kind !== 'symlink') return before;
    const mode: EntryMode = file.kind === 'symlink' ? '120000' : file.kind === 'executable' ? '100755' : '100644';
    if (file.size > MAX_BYTES)
      return { path: file.path, mode, id: objectId('blob', Buffer.from(file.stamp)), stamp: file.stamp };
    try {
      // The scan goes into real folders only, so that a plain file it found lies in the tree.
      const place = file.kind === 'symlink' ? withinTree(root, file.path) : join(root, file.path);
      const bytes = contents.read(file.path, place, file.size);
      return { path: file.path, mode, id: objectId('blob', bytes), stamp: file.stamp };
    } catch (error) {
      // Said when the file is read; until then it is known by what went wrong.
      return { path: file.path, mode, id: objectId('blob', Buffer.from(messageOf(error))), stamp: file.stamp };
    }
  };

  const refresh = async (signal: AbortSignal): Promise<void> => {
    contents.clear();
    if (touched !== 'all') {
      const changed = touched;
      touched = new Set();
      for (const name of changed) {
        const file = stampOf(root, name);
        if (file) known.set(name, identify(file));
        else known.delete(name);
      }
      return;
    }
    touched = watching ? new Set() : 'all';
    const files = await scanFolder(root, path, signal);
    const next = new Map<string, KnownFile>();
    for (const [index, file] of files.entries()) {
      if (!options.only || options.only.has(file.path)) next.set(file.path, identify(file));
      if (index % FILES_A_TURN === 0) await breathe();
      signal.throwIfAborted();
    }
    known = next;
  };

  return {
    description: { location: join(root, path), path },
    async fetch(signal) {
      checkFolder(root, path);
      await refresh(signal);
      const manifests = [...known.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
      const commit = head ? await head.load(path) : null;
      return createSnapshot(root, manifests, contents, commit === null ? null : head, commit, signal);
    },
    checkout: (_revision, paths, signal) => workTreeFiles(root, paths, signal),
    async watch(changed, signal) {
      watching = true;
      const { watch: watchFiles } = await import('chokidar');
      const watcher = startWatching(watchFiles, root, path, signal);
      await new Promise<void>((resolve, reject) => {
        let timer: NodeJS.Timeout | undefined;
        watcher.on('error', (error) => reject(watchError(root, error)));
        watcher.on('all', (_event, file) => {
          const name = relative(root, file).split(sep).join('/');
          const isIgnoreFile = /(?:^|\/)\.(?:gitignore|runledgerignore)$/.test(name);
          if (touched !== 'all') touched = isIgnoreFile ? 'all' : touched.add(name);
          clearTimeout(timer);
          timer = setTimeout(changed, SETTLE_MS);
        });
        const stop = (): void => {
          clearTimeout(timer);
          watcher.close().then(resolve, reject);
        };
        if (signal.aborted) stop();
        else signal.addEventListener('abort', stop, { once: true });
      });
    },
  };
}

function checkFolder(root: string, path: string): void {
  const folder = join(root, path);
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (!stat) throw usageError('FolderMissing', `${folder} does not exist`);
  if (!stat.isDirectory()) throw usageError('NotAFolder', `${folder} is not a folder`);
}

/** Where a path of the tree really lies. Throws `SymlinkLeaves` when that is outside of the tree, or a loop. */
function withinTree(root: string, path: string): string {
  let real: string;
  try {
    real = realpathSync(join(root, path));
  } catch (error) {
    if (lstatSync(join(root, path), { throwIfNoEntry: false })?.isSymbolicLink() !== true) throw error;
    throw terminalError('SymlinkLeaves', `${path} is a symbolic link that leads nowhere`);
  }
  const inside = relative(realpathSync(root), real);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw terminalError('SymlinkLeaves', `${path} is a symbolic link that leaves the repository`);
  }
  return real;
}

function createSnapshot(
  root: string,
  manifests: readonly KnownFile[],
  contents: Contents,
  head: HeadTree | null,
  commit: string | null,
  signal: AbortSignal,
): Snapshot {
  let dirty = head !== null && differs(root, manifests, head);
  const find = async (path: string): Promise<SourceFile | undefined> => {
    const file = isAbsolute(path) || resolve(root, path) === root ? undefined : stampOf(root, path);
    if (!file) return undefined;
    const mode: EntryMode = file.kind === 'symlink' ? '120000' : file.kind === 'executable' ? '100755' : '100644';
    if (file.size > MAX_BYTES) throw terminalError('FileTooLarge', `${path} is larger than 64 MiB`);
    const id = objectId('blob', readFileSync(withinTree(root, path)));
    if (head && file.kind !== 'symlink' && (await head.find(path)) !== id) dirty = true;
    return { path, id, mode };
  };
  return {
    // Read after the catalog was built: files that manifests refer to count as soon as they were looked at.
    get revision() {
      return commit === null ? 'none' : dirty ? `${commit}+dirty` : commit;
    },
    manifests,
    find,
    async match(globs) {
      const isMatch = picomatch([...globs], { dot: true });
      const paths = await listFiles(root, '.', signal, (path) => isMatch(path));
      const files = await Promise.all(paths.map(find));
      return files.filter((file) => file !== undefined);
    },
    async read({ path }) {
      const bytes = contents.take(path);
      if (bytes) return bytes;
      if (!stampOf(root, path)) throw terminalError('FileMissing', `${path} is gone`);
      const real = withinTree(root, path);
      if (statSync(real).size > MAX_BYTES) throw terminalError('FileTooLarge', `${path} is larger than 64 MiB`);
      return readFileSync(real);
    },
  };
}

/** Whether the manifests differ from HEAD's. One that HEAD has and the scan left out by a rule is no difference; one that is gone is. */
function differs(root: string, manifests: readonly KnownFile[], head: HeadTree): boolean {
  const regular = manifests.filter(({ mode }) => mode !== '120000');
  if (regular.some(({ path, id }) => head.manifests.get(path) !== id)) return true;
  const here = new Set(manifests.map(({ path }) => path));
  return [...head.manifests.keys()].some((path) => !here.has(path) && !stampOf(root, path));
}

function startWatching(watchFiles: typeof watch, root: string, path: string, signal: AbortSignal): FSWatcher {
  const rules = workTreeRules(root, path === '.' ? '' : path);
  signal.throwIfAborted();
  return watchFiles(join(root, path), {
    ignoreInitial: true,
    followSymlinks: false,
    ignored: (file, stats) => {
      const name = relative(root, file).split(sep).join('/');
      return name !== '' && rules.ignores(name, stats?.isDirectory() ? 'folder' : 'file');
    },
  });
}

function watchError(root: string, error: unknown): Error {
  const hint = 'raise fs.inotify.max_user_watches, or leave folders out with a .runledgerignore';
  return terminalError('WatchFailed', `${root} can't be watched: ${messageOf(error)}`, { hint, cause: error });
}
