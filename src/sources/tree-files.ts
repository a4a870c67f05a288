import type { ObjectReader, TreeEntry } from '../git/port.ts';
import type { SourceFile } from './port.ts';
import { IGNORE_FILE, isManifestFolder, isManifestPath, noIgnoreRules, type IgnoreRules } from './select.ts';

/** The files found in one folder and below; it is reused as long as the tree and the rules are the same. */
export interface Listing {
  readonly tree: string;
  readonly rulesKey: string;
  /** By path, in git's order: by bytes. */
  readonly files: readonly SourceFile[];
  readonly folders: ReadonlyMap<string, Listing>;
}

/** Which entries count. The rules of a folder are made from those above it and its own entries. */
interface Selection {
  rulesFor(above: IgnoreRules, folder: string, entries: readonly TreeEntry[]): Promise<IgnoreRules>;
  takesFile(name: string, path: string, rules: IgnoreRules): boolean;
  takesFolder(name: string, path: string, rules: IgnoreRules): boolean;
}

const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

async function withIgnoreFile(reader: ObjectReader, above: IgnoreRules, folder: string, entries: readonly TreeEntry[]) {
  const file = entries.find(({ name, mode }) => name === IGNORE_FILE && mode.startsWith('100'));
  return file ? above.with(folder, file.id, Buffer.from(await reader.readBlob(file.id)).toString('utf8')) : above;
}

const manifestsOf = (reader: ObjectReader): Selection => ({
  rulesFor: (above, folder, entries) => withIgnoreFile(reader, above, folder, entries),
  takesFile: (name, path, rules) => isManifestPath(name) && !rules.ignores(path, 'file'),
  takesFolder: (name, path, rules) => isManifestFolder(name) && !rules.ignores(path, 'folder'),
});

const everything: Selection = {
  rulesFor: (above) => Promise.resolve(above),
  takesFile: () => true,
  takesFolder: () => true,
};

/** Lists a folder; what `before` knows of an unchanged one costs nothing. */
async function list(
  reader: ObjectReader,
  select: Selection,
  tree: string,
  folder: string,
  above: IgnoreRules,
  before: Listing | undefined,
): Promise<Listing> {
  if (before?.tree === tree && before.rulesKey === above.key) return before;
  const entries = await reader.readTree(tree);
  const rules = await select.rulesFor(above, folder, entries);
  const files: SourceFile[] = [];
  const folders = new Map<string, Listing>();
  for (const { name, id, mode } of entries) {
    const path = join(folder, name);
    if (mode === '040000') {
      if (!select.takesFolder(name, path, rules)) continue;
      const below = await list(reader, select, id, path, rules, before?.folders.get(name));
      folders.set(name, below);
      for (const file of below.files) files.push(file);
    } else if (mode !== '160000' && select.takesFile(name, path, rules)) {
      files.push({ path, id, mode });
    }
  }
  return { tree, rulesKey: above.key, files, folders };
}

/** What the ignore files of the folders above `folder` say. `root` is the repository's tree. */
async function rulesAbove(reader: ObjectReader, root: string, folder: string): Promise<IgnoreRules> {
  let rules = noIgnoreRules;
  let tree = root;
  let at = '';
  for (const name of folder === '' ? [] : folder.split('/')) {
    const entries = await reader.readTree(tree);
    rules = await withIgnoreFile(reader, rules, at, entries);
    const next = entries.find((entry) => entry.name === name && entry.mode === '040000');
    if (!next) return rules;
    tree = next.id;
    at = join(at, name);
  }
  return rules;
}

/** The files that may hold manifests below `folder`, whose tree is `tree`, in a repository with the tree `root`. */
export async function listManifests(
  reader: ObjectReader,
  place: { readonly root: string; readonly folder: string; readonly tree: string },
  before: Listing | undefined,
): Promise<Listing> {
  const rules = await rulesAbove(reader, place.root, place.folder);
  return list(reader, manifestsOf(reader), place.tree, place.folder, rules, before);
}

/** All files below `folder`, whose tree is `tree`. */
export function listAll(
  reader: ObjectReader,
  folder: string,
  tree: string,
  before: Listing | undefined,
): Promise<Listing> {
  return list(reader, everything, tree, folder, noIgnoreRules, before);
}
