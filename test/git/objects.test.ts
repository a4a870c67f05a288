import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFileSync } from 'node:child_process';
import { newBlob, newCommit, newTree, parseCommit, parseTree } from '../../src/git/objects.ts';
import type { EntryMode, TreeEntry } from '../../src/git/port.ts';
import { git, gitEnv, initRepository, temporaryDirectory } from '../support/git.ts';

const test = suite('git objects');
const directory = await temporaryDirectory();
const repository = await initRepository(directory.path);
test.after(() => directory.remove());

const hashWithGit = (type: string, content: Uint8Array): string =>
  execFileSync('git', ['hash-object', '-t', type, '--literally', '-w', '--stdin'], {
    cwd: repository,
    env: gitEnv,
    input: content,
  })
    .toString()
    .trim();

test('blobs, trees and commits get the ids that git gives them, and pass its checks', async () => {
  const blob = newBlob('grüezi\n');
  assert.is(blob.id, hashWithGit('blob', blob.content));
  const inner = newTree([{ mode: '100644', name: 'x', id: blob.id }]);
  assert.is(inner.id, hashWithGit('tree', inner.content));
  const entry = (mode: EntryMode, name: string): TreeEntry => ({
    mode,
    name,
    id: mode === '040000' ? inner.id : blob.id,
  });
  // The order that is easy to get wrong: a folder sorts as if it ended with a slash.
  const tree = newTree([
    entry('100644', 'a0'),
    entry('040000', 'a'),
    entry('100644', 'a.b'),
    entry('100755', 'Z'),
    entry('120000', 'é'),
    entry('100644', 'a-b'),
  ]);
  assert.is(tree.id, hashWithGit('tree', tree.content));
  assert.equal(
    parseTree(tree.content).map(({ name }) => name),
    ['Z', 'a-b', 'a.b', 'a', 'a0', 'é'],
  );
  const author = { name: 'Ä <b>', email: 'a@b', timestamp: 1_700_000_000 };
  const commit = newCommit({ tree: tree.id, parents: [], message: 'one\n\nBody: yes\n\n\n', author });
  assert.is(commit.id, hashWithGit('commit', commit.content));
  await git(repository, 'update-ref', 'refs/heads/main', commit.id);
  await git(repository, 'fsck', '--strict', '--no-dangling');
  const read = parseCommit(commit.id, commit.content);
  assert.equal(read, {
    id: commit.id,
    tree: tree.id,
    parents: [],
    message: 'one\n\nBody: yes\n',
    author: { ...author, name: 'Ä b' },
    committer: { ...author, name: 'Ä b' },
  });
});

test('a tree with a name that is no UTF-8 is the same after reading and writing it, entries moved by copy included', () => {
  const name = Buffer.from([0x66, 0xff, 0x2e]);
  const content = Buffer.concat([Buffer.from('100664 '), name, Buffer.of(0), Buffer.alloc(20, 7)]);
  const entries = parseTree(content);
  assert.is(entries[0]?.mode, '100644', 'an old mode is read as the one that is meant');
  const again = newTree([{ ...entries[0]! }]);
  assert.ok(Buffer.from(again.content).includes(name));
});

test('names that git refuses, and names that come twice, are refused', () => {
  const entry = (name: string): TreeEntry => ({ mode: '100644', name, id: '0'.repeat(40) });
  for (const name of ['', '.', '..', '.git', 'a/b']) assert.throws(() => newTree([entry(name)]), /cannot be the name/);
  assert.throws(() => newTree([entry('a'), entry('a')]), /twice/);
});

test('a commit with a signature, several parents and odd times is read', () => {
  const content = Buffer.from(
    `tree ${'1'.repeat(40)}\nparent ${'2'.repeat(40)}\nparent ${'3'.repeat(40)}\nauthor A B <a@b> 12 +0200\ncommitter X <x@y> 13 -0100\ngpgsig -----BEGIN\n tree fake\n -----END\n\nmessage\n`,
  );
  const read = parseCommit('4'.repeat(40), content);
  assert.equal(read.parents, ['2'.repeat(40), '3'.repeat(40)]);
  assert.equal(read.author, { name: 'A B', email: 'a@b', timestamp: 12 });
  assert.is(read.tree, '1'.repeat(40));
  assert.is(read.message, 'message\n');
});

test.run();
