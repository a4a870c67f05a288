import type { ObjectReader, TreeEntry } from '../git/port.ts';
import { isManifestFolder, isManifestPath } from './select.ts';

/** The tree of HEAD, to compare a work tree with. */
export interface HeadTree {
  /** Reads HEAD's manifests below a folder if HEAD has moved; returns its commit, null while there is none. */
  load(folder: string): Promise<string | null>;
  /** Path to blob id of the YAML files below the folder, as HEAD has them; folders whose name begins with a dot left out. */
  readonly manifests: ReadonlyMap<string, string>;
  /** The blob id at a path of HEAD's tree, undefined where there is none. */
  find(path: string): Promise<string | undefined>;
}

/** A repository whose HEAD can be read. */
export type HeadReader = ObjectReader & { head(): Promise<{ readonly commit: string | null }> };

export function createHeadTree(repository: HeadReader): HeadTree {
  let loaded: { readonly commit: string; readonly tree: string } | undefined;
  let manifests: ReadonlyMap<string, string> = new Map();
  const folderEntry = async (tree: string, path: string): Promise<TreeEntry | undefined> => {
    let entry: TreeEntry | undefined = { id: tree, mode: '040000', name: '' };
    for (const part of path === '.' ? [] : path.split('/')) {
      if (entry?.mode !== '040000') return undefined;
      const children: readonly TreeEntry[] = await repository.readTree(entry.id);
      entry = children.find(({ name }) => name === part);
    }
    return entry;
  };
  return {
    async load(folder) {
      const { commit } = await repository.head();
      if (commit === null || commit === loaded?.commit) return commit;
      const { tree } = await repository.readCommit(commit);
      const root = await folderEntry(tree, folder);
      manifests =
        root?.mode === '040000' ? await collect(repository, root.id, folder === '.' ? '' : `${folder}/`) : new Map();
      loaded = { commit, tree };
      return commit;
    },
    get manifests() {
      return manifests;
    },
    async find(path) {
      return loaded && (await folderEntry(loaded.tree, path))?.id;
    },
  };
}

async function collect(repository: HeadReader, tree: string, prefix: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const open = [{ tree, prefix }];
  for (let next = open.pop(); next; next = open.pop()) {
    for (const { name, mode, id } of await repository.readTree(next.tree)) {
      const path = next.prefix + name;
      if (mode === '040000') {
        if (isManifestFolder(name)) open.push({ tree: id, prefix: `${path}/` });
      } else if (mode !== '160000' && isManifestPath(name)) {
        found.set(path, id);
      }
    }
  }
  return found;
}
