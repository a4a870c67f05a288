import { statSync } from 'node:fs';
import { dirname, relative, sep } from 'node:path';
import { isCoded, usageError } from '../errors.ts';
import { findGitDir, type GitDir } from '../git/repository.ts';
import { openDirectorySource } from '../sources/directory.ts';
import type { Source } from '../sources/port.ts';

/** The repository that a folder lies in; null where there is none. */
export async function gitDirOf(folder: string): Promise<GitDir | null> {
  return findGitDir(folder).catch((error: unknown) => {
    if (isCoded(error, 'NotARepository')) return null;
    throw error;
  });
}

/** The manifests of a folder, or of one file alone. */
export interface PathSource {
  readonly source: Source;
  /** The file, from the root, where it was one that was named: it is meant to be a manifest, whatever it looks like. */
  readonly knownFiles: ReadonlySet<string>;
}

/**
 * A source of a path as it lies on the disk, for commands that need no ledger. Paths count from the root of the
 * repository it lies in, or from its folder. Throws `PathMissing`.
 */
export async function sourceOfPath(path: string): Promise<PathSource> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw usageError('PathMissing', `${path} does not exist`);
  const folder = stat.isDirectory() ? path : dirname(path);
  const root = (await gitDirOf(folder))?.workTree ?? folder;
  const from = (target: string): string => relative(root, target).split(sep).join('/');
  const knownFiles = new Set(stat.isDirectory() ? [] : [from(path)]);
  const only = stat.isDirectory() ? {} : { only: knownFiles };
  return { source: openDirectorySource({ root, path: from(folder) || '.', repository: null, ...only }), knownFiles };
}
