import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { newBlob, parseTree } from '../../src/git/objects.ts';
import type { NewObject, TreeEntry } from '../../src/git/port.ts';
import { cachedTrees, editTree, entryAt, fileEntry, type Edit } from '../../src/ledger/tree.ts';
import { newRepository } from './fixtures.ts';

const test = suite('ledger tree');

/** Trees in memory that tell which of them are read. */
function store() {
  const trees = new Map<string, readonly TreeEntry[]>();
  const reads: string[] = [];
  const readTree = async (id: string): Promise<readonly TreeEntry[]> => {
    reads.push(id);
    return trees.get(id)!;
  };
  const keep = (objects: readonly NewObject[]): void =>
    objects.forEach(({ id, content }) => trees.set(id, parseTree(content)));
  const edit = async (root: string | null, edits: Readonly<Record<string, string | null>>) => {
    const entries = Object.entries(edits).map(([path, text]): [string, Edit] => [
      path,
      text === null ? null : fileEntry(newBlob(text).id),
    ]);
    const edited = await editTree(readTree, root, new Map(entries));
    keep(edited.objects);
    return edited;
  };
  return { reads, readTree, edit };
}

test('a tree has the id that git gives it', async () => {
  const repository = await newRepository();
  try {
    const files = { 'a.txt': 'a', 'a/b': '1', 'a-b': '2', 'jobs/3e/b/1.yaml': 'x', 'jobs/3e/index.json': '{}' };
    const { id } = await store().edit(null, files);
    const { writeFile, mkdir } = await import('node:fs/promises');
    for (const [path, text] of Object.entries(files)) {
      await mkdir(`${repository.dir}/${path}`.replace(/\/[^/]*$/, ''), { recursive: true });
      await writeFile(`${repository.dir}/${path}`, text);
    }
    repository.git('add', '.');
    assert.is(id, repository.git('write-tree').trim());
  } finally {
    await repository.remove();
  }
});

test('edits one after the other and all at once come to the same tree', async () => {
  const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 3, maxLength: 3 }).map((names) => names.join('/'));
  const edits = fc.array(fc.tuple(path, fc.option(fc.constantFrom('1', '2'))), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(edits, async (list) => {
      const { edit } = store();
      let root: string | null = null;
      for (const [name, text] of list) root = (await edit(root, { [name]: text })).id;
      const last = Object.fromEntries(list);
      const left = Object.fromEntries(Object.entries(last).filter(([, text]) => text !== null));
      assert.is(root, (await store().edit(null, left)).id);
    }),
  );
});

test('only the folders along the path are read and written', async () => {
  const { edit, reads } = store();
  const many = Object.fromEntries(
    Array.from({ length: 500 }, (_, index) => [`jobs/${index % 20}/j${index}/1.yaml`, `${index}`]),
  );
  const { id: root } = await edit(null, many);
  reads.length = 0;
  const edited = await edit(root, { 'jobs/3/j3/2.yaml': 'new' });
  assert.equal([reads.length, edited.objects.length], [4, 4]);
  const same = await edit(edited.id, { 'jobs/3/j3/2.yaml': 'new', 'jobs/4/j4/9.yaml': null });
  assert.equal([same.id, same.objects.length], [edited.id, 0]);
});

test('folders that become empty go', async () => {
  const { edit, readTree } = store();
  const { id } = await edit(null, { 'a/b/c': '1', d: '2' });
  const without = await edit(id, { 'a/b/c': null });
  assert.is(await entryAt(readTree, without.id, 'a'), undefined);
  assert.ok(await entryAt(readTree, id, 'a/b/c'));
  assert.is(await entryAt(readTree, id, 'd/x'), undefined);
  assert.is((await edit(without.id, { d: null })).id, null);
});

test('a path through a file is refused', async () => {
  const { edit } = store();
  const { id } = await edit(null, { jobs: 'a file' });
  try {
    await edit(id, { 'jobs/3e/x': '1' });
    assert.unreachable();
  } catch (error) {
    assert.ok(isCoded(error, 'LedgerPathTaken'));
  }
});

test('a tree is read once while it is remembered', async () => {
  const { edit, reads, readTree } = store();
  const ids = await Promise.all(['1', '2', '3'].map(async (text) => (await edit(null, { x: text })).id!));
  const cached = cachedTrees(readTree, 2);
  for (const id of [ids[0]!, ids[1]!, ids[0]!, ids[2]!, ids[0]!, ids[1]!]) await cached(id);
  assert.equal(reads, [ids[0], ids[1], ids[2], ids[1]]);
});

test.run();
