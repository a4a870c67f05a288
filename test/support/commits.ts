import { newBlob, newCommit, newTree } from '../../src/git/objects.ts';
import type { NewObject } from '../../src/git/port.ts';

let counter = 0;

/** A commit made of our own objects: `count` files `<n>.txt`, none of which exists yet. */
export function commitOf(
  text: string,
  parent: string | null,
  count: number = 1,
): { readonly id: string; readonly objects: readonly NewObject[] } {
  counter += 1;
  const blobs = Array.from({ length: count }, (_, at) => newBlob(`${text} ${at}`));
  const tree = newTree(blobs.map(({ id }, at) => ({ mode: '100644', name: `${at}.txt`, id })));
  const author = { name: 'T', email: 't@example.com', timestamp: 1_700_000_000 + counter };
  const commit = newCommit({ tree: tree.id, parents: parent ? [parent] : [], message: text, author });
  return { id: commit.id, objects: [...blobs, tree, commit] };
}
