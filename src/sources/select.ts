import ignore, { type Ignore } from 'ignore';

/** A file of this name, in any folder, says in gitignore's syntax what is not read as a manifest in that folder and below. */
export const IGNORE_FILE = '.runledgerignore';

/**
 * Whether a file may hold manifests: `*.yaml` or `*.yml`, in no folder that `isManifestFolder` leaves out.
 * `path` counts from the source's path, so that a source may itself lie in such a folder.
 */
export function isManifestPath(path: string): boolean {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  return /[^/]\.ya?ml$/.test(name) && parts.every(isManifestFolder);
}

/** Whether a folder of this name is looked into: no hidden one, and none of npm's packages, any of which could bring jobs along. */
export function isManifestFolder(name: string): boolean {
  return !name.startsWith('.') && name !== 'node_modules';
}

/** What the ignore files on the way down to a folder say together. */
export interface IgnoreRules {
  /** Equal keys mean equal rules. */
  readonly key: string;
  /** `path` counts from the root of the repository. */
  ignores(path: string, kind: 'file' | 'folder'): boolean;
  /** These rules and those of the ignore file of one more folder (`''` for the root); `id` names the content. */
  with(folder: string, id: string, content: string): IgnoreRules;
}

interface FolderRules {
  /** With a trailing slash; empty for the root. */
  readonly prefix: string;
  readonly matcher: Ignore;
}

function rulesOf(key: string, folders: readonly FolderRules[]): IgnoreRules {
  return {
    key,
    /** The deepest file that has something to say about a path decides, as in gitignore(5). */
    ignores(path, kind) {
      for (const { prefix, matcher } of folders) {
        if (!path.startsWith(prefix)) continue;
        const { ignored, unignored } = matcher.test(path.slice(prefix.length) + (kind === 'folder' ? '/' : ''));
        if (ignored || unignored) return ignored;
      }
      return false;
    },
    with(folder, id, content) {
      const prefix = folder === '' ? '' : `${folder}/`;
      return rulesOf(`${key}${prefix}:${id}\n`, [{ prefix, matcher: ignore().add(content) }, ...folders]);
    },
  };
}

/** Ignores nothing yet. */
export const noIgnoreRules: IgnoreRules = rulesOf('', []);
