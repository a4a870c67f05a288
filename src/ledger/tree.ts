import { terminalError } from '../errors.ts';
import { newTree } from '../git/objects.ts';
import type { NewObject, TreeEntry } from '../git/port.ts';

/** What a path becomes: a blob or a whole tree; null: it goes. */
export type Edit = Pick<TreeEntry, 'mode' | 'id'> | null;
export type ReadTree = (id: string) => Promise<readonly TreeEntry[]>;

export interface EditedTree {
  /** Null when nothing is left in it. */
  readonly id: string | null;
  /** The trees that are new: one for each folder along the edited paths that became another. */
  readonly objects: readonly NewObject[];
}

export const fileEntry = (id: string): Edit => ({ mode: '100644', id });
export const folderEntry = (id: string): Edit => ({ mode: '040000', id });

/**
 * The tree that `root` (null: an empty one) becomes with `edits`, by path. Reads and writes only the folders along the
 * edited paths, so that the cost follows the change and not the size of the tree. Folders that become empty go.
 * Throws `LedgerPathTaken` (terminal) when a path leads through a file.
 */
export async function editTree(
  readTree: ReadTree,
  root: string | null,
  edits: ReadonlyMap<string, Edit>,
): Promise<EditedTree> {
  if (edits.size === 0) return { id: root, objects: [] };
  const before = root === null ? [] : await readTree(root);
  const entries = new Map(before.map((entry) => [entry.name, entry]));
  const below = new Map<string, Map<string, Edit>>();
  let changed = false;
  const put = (name: string, edit: Edit): void => {
    const old = entries.get(name);
    if (edit === null) {
      changed = entries.delete(name) || changed;
    } else if (old?.id !== edit.id || old.mode !== edit.mode) {
      entries.set(name, { name, ...edit });
      changed = true;
    }
  };
  for (const [path, edit] of edits) {
    const slash = path.indexOf('/');
    if (slash === -1) put(path, edit);
    else deeper(below, path.slice(0, slash)).set(path.slice(slash + 1), edit);
  }
  const objects: NewObject[] = [];
  for (const [name, inner] of below) {
    const old = entries.get(name);
    if (old && old.mode !== '040000') throw pathTaken(name);
    const edited = await editTree(readTree, old?.id ?? null, inner);
    objects.push(...edited.objects);
    put(name, edited.id === null ? null : folderEntry(edited.id));
  }
  if (!changed) return { id: root, objects: [] };
  if (entries.size === 0) return { id: null, objects };
  const tree = newTree([...entries.values()]);
  objects.push(tree);
  return { id: tree.id, objects };
}

/** The entry at a path, or undefined. */
export async function entryAt(readTree: ReadTree, root: string | null, path: string): Promise<TreeEntry | undefined> {
  let id = root;
  let found: TreeEntry | undefined;
  for (const name of path.split('/')) {
    if (id === null) return undefined;
    found = (await readTree(id)).find((entry) => entry.name === name);
    id = found?.mode === '040000' ? found.id : null;
  }
  return found;
}

/** Remembers the `limit` trees read last, by id: a tree's content never changes. */
export function cachedTrees(readTree: ReadTree, limit = 2048): ReadTree {
  const cache = new Map<string, Promise<readonly TreeEntry[]>>();
  return (id) => {
    const known = cache.get(id);
    const result = known ?? readTree(id);
    cache.delete(id);
    cache.set(id, result);
    if (known === undefined) {
      result.catch(() => cache.delete(id));
      if (cache.size > limit) cache.delete(cache.keys().next().value!);
    }
    return result;
  };
}

function deeper(below: Map<string, Map<string, Edit>>, name: string): Map<string, Edit> {
  const known = below.get(name);
  if (known) return known;
  const made = new Map<string, Edit>();
  below.set(name, made);
  return made;
}

const pathTaken = (name: string): Error =>
  terminalError('LedgerPathTaken', `ledger: there is a file named ${name} where a folder belongs`, {
    hint: 'someone else has written to this branch: remove that file, or use another branch for the ledger',
  });
