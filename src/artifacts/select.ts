import type { Dirent } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import picomatch from 'picomatch';
import { messageOf, terminalError } from '../errors.ts';
import type { ArtifactLimits } from './limits.ts';
import { createEntryTable, folderOf, linkFault, nameFault, quoted } from './paths.ts';
import { cancelled } from './streams.ts';

/** A folder that artifacts are taken from. They are named by their paths in it. */
export interface ArchiveRoot {
  readonly folder: string;
  /**
   * Globs, counted from the folder: `*` stays within a folder, `**` crosses folders, a folder stands for all that is in it,
   * and what a glob after `!` names is left out. `all` takes everything.
   */
  readonly paths: readonly string[] | 'all';
}

/** Something that a person should know about: what was left out of an archive, or is in it otherwise than meant. */
export interface ArchiveWarning {
  /** A path, or a glob. */
  readonly path: string;
  /** The end of a sentence that begins with the path. */
  readonly message: string;
  /** True when the archive lacks something that was asked for. */
  readonly lost: boolean;
}

export type SelectedEntry =
  | { readonly kind: 'file'; readonly path: string; readonly file: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

export interface Selection {
  readonly entries: readonly SelectedEntry[];
  readonly warnings: readonly ArchiveWarning[];
}

interface Wanted {
  matches(path: string): boolean;
  /** Whether anything below this folder can match. */
  mayHold(folder: string): boolean;
  /** Globs that have matched nothing so far. */
  unmatched(): readonly string[];
}

/**
 * What the globs name below the folders, in a fixed order. Where two folders have the same path, the earlier one has it.
 * Links are not followed. Throws `ArtifactsTooMany` and `ArtifactsTooLarge` (terminal), and `Cancelled`.
 */
export async function selectFiles(
  roots: readonly ArchiveRoot[],
  limits: ArtifactLimits,
  signal: AbortSignal,
): Promise<Selection> {
  const entries: SelectedEntry[] = [];
  const warnings: ArchiveWarning[] = [];
  const table = createEntryTable(limits);
  let bytes = 0;
  for (const { folder, paths } of roots) {
    const wanted = paths === 'all' ? everything : wantedBy(paths);
    const warn: Warn = (path, message, lost = true) => void warnings.push({ path, message, lost });
    for await (const { path, entry } of walk(folder, '', wanted, warn, signal)) {
      const found = await inspect(folder, path, entry, warn);
      if (!found) continue;
      const fault = nameFault(path) ?? table.add(path, found.kind);
      if (table.full) throw tooMany(limits);
      if (fault) warn(path, `${fault}: left out`);
      else entries.push(found);
      bytes += fault || found.kind === 'link' ? 0 : found.bytes;
      if (bytes > limits.maxBytes) throw tooLarge(limits);
    }
    for (const glob of wanted.unmatched()) warn(glob, 'matches no file', false);
  }
  return { entries, warnings };
}

export const tooLarge = ({ maxBytes }: ArtifactLimits): Error =>
  terminalError('ArtifactsTooLarge', `the artifacts have more than ${maxBytes} bytes together`, {
    hint: 'name fewer files in spec.artifacts.paths, and keep large data elsewhere',
  });

const tooMany = ({ maxEntries }: ArtifactLimits): Error =>
  terminalError('ArtifactsTooMany', `the artifacts are more than ${maxEntries} files`, {
    hint: 'name fewer files in spec.artifacts.paths, or pack them into one',
  });

const everything: Wanted = { matches: () => true, mayHold: () => true, unmatched: () => [] };

function wantedBy(globs: readonly string[]): Wanted {
  const plain = (glob: string): string => glob.replace(/^(\.\/+)+/, '').replace(/\/+$/, '');
  const matcher = (glob: string): ((path: string) => boolean) =>
    picomatch([plain(glob), `${plain(glob)}/**`], { dot: true });
  const included = globs
    .filter((glob) => !glob.startsWith('!'))
    .map((glob) => ({ glob, base: baseOf(plain(glob)), matches: matcher(glob) }));
  const excluded = globs.filter((glob) => glob.startsWith('!')).map((glob) => matcher(glob.slice(1)));
  const unmatched = new Set(included.map(({ glob }) => glob));
  const isExcluded = (path: string): boolean => excluded.some((matches) => matches(path));
  return {
    matches(path) {
      const hits = included.filter(({ matches }) => matches(path));
      if (hits.length === 0 || isExcluded(path)) return false;
      for (const { glob } of hits) unmatched.delete(glob);
      return true;
    },
    mayHold: (folder) =>
      !isExcluded(folder) &&
      included.some(({ base }) => base === '' || `${folder}/`.startsWith(`${base}/`) || base.startsWith(`${folder}/`)),
    unmatched: () => [...unmatched],
  };
}

/** The folders at the beginning of a glob that are plain names: nothing beside them has to be looked at. */
function baseOf(glob: string): string {
  const { base, isGlob } = picomatch.scan(glob);
  return isGlob ? base.replace(/^\.$/, '') : glob;
}

interface Found {
  readonly path: string;
  readonly entry: Dirent;
}

type Warn = (path: string, message: string, lost?: boolean) => undefined;

async function* walk(
  root: string,
  folder: string,
  wanted: Wanted,
  warn: Warn,
  signal: AbortSignal,
): AsyncGenerator<Found, void, undefined> {
  if (signal.aborted) throw cancelled('archiving');
  let names: Dirent[];
  try {
    names = await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    // A job may have removed its own folder: there is nothing to keep then.
    if (folder !== '' || (error as NodeJS.ErrnoException).code !== 'ENOENT') warn(folder || '.', unreadable(error));
    return;
  }
  for (const entry of names.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (wanted.mayHold(path)) yield* walk(root, path, wanted, warn, signal);
    } else if (wanted.matches(path)) {
      yield { path, entry };
    }
  }
}

const unreadable = (error: unknown): string =>
  `can't be read (${(error as NodeJS.ErrnoException).code ?? messageOf(error)}): left out`;

type Inspected = SelectedEntry & { readonly bytes: number };

async function inspect(root: string, path: string, entry: Dirent, warn: Warn): Promise<Inspected | undefined> {
  const file = join(root, path);
  if (entry.name.includes('\ufffd')) return warn(path, 'has a name that is no UTF-8: left out');
  if (!entry.isFile() && !entry.isSymbolicLink()) return warn(path, 'is neither a file nor a link: left out', false);
  try {
    if (entry.isFile()) return { kind: 'file', path, file, bytes: (await lstat(file)).size };
    const target = inside(root, path, await readlink(file));
    const fault = linkFault(path, target);
    if (fault) return warn(path, `${fault} (${quoted(target)}): left out`, false);
    return { kind: 'link', path, target, bytes: 0 };
  } catch (error) {
    return warn(path, unreadable(error));
  }
}

/** An absolute target below the root as one that counts from the link, so that it holds wherever the archive is unpacked. */
function inside(root: string, path: string, target: string): string {
  if (!isAbsolute(target)) return target;
  const within = relative(root, target);
  return within === '..' || within.startsWith('../') ? target : relative(join('/', folderOf(path)), join('/', within));
}
