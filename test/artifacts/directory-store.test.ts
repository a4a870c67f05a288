import { chmod, mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createDirectoryStore } from '../../src/artifacts/directory-store.ts';
import { isCoded } from '../../src/errors.ts';
import { rejection, streamOf, tree } from '../support/artifacts.ts';
import { temporaryDirectory } from '../support/git.ts';
import { digestOf, listed, storeContract } from './store-contract.ts';

const { signal } = new AbortController();
const folder = await temporaryDirectory();
const store = createDirectoryStore(folder.path, Date.now);

const contract = suite('a store in a folder');
storeContract(contract, () => store, [0, 1, 3_000_000]);
contract('nothing is left of what failed', async () => {
  assert.equal(await readdir(path.join(folder.path, '.incoming')), []);
});
contract.after(folder.remove);
contract.run();

const test = suite<{ root: string; remove: () => Promise<void> }>('folders as stores');
test.before.each(async (context) => {
  const { path: root, remove } = await temporaryDirectory();
  Object.assign(context, { root, remove });
});
test.after.each(({ remove }) => remove());

test('a folder that is not there is not made: it may be a volume that is not mounted', async ({ root }) => {
  const missing = createDirectoryStore(path.join(root, 'missing'), Date.now);
  for (const attempt of [
    () => missing.put('a/b/1/default/1.tar.zst', streamOf(Buffer.from('x')), signal),
    () => missing.get('a/b/1/default/1.tar.zst', digestOf(Buffer.from('x')), signal),
    () => missing.exists('a/b/1/default/1.tar.zst', signal),
    () => listed(missing, 'a/'),
    () => missing.remove('a/', signal),
  ]) {
    const error = await rejection(attempt());
    assert.ok(isCoded(error, 'StoreMissing'), String(error));
  }
  assert.equal(await readdir(root), []);
});

test('what a killed process left goes after a week; what is being written stays', async ({ root }) => {
  await mkdir(path.join(root, '.incoming'));
  for (const name of ['old', 'new']) await writeFile(path.join(root, '.incoming', name), name);
  const then = new Date('2026-11-01T00:00:00Z');
  await utimes(path.join(root, '.incoming/old'), then, then);
  await utimes(path.join(root, '.incoming/new'), then, new Date('2026-11-07T00:00:00Z'));
  const later = createDirectoryStore(root, () => Date.parse('2026-11-08T12:00:00Z'));
  assert.equal(await listed(later, 'a/'), []);
  await later.put('a/b/1/default/1.tar.zst', streamOf(Buffer.from('x')), signal);
  assert.equal(await tree(root), { '.incoming/new': 'new', 'a/b/1/default/1.tar.zst': 'x' });
});

test('a file that was changed on the disk is damaged, and one in the way is an error', async ({ root }) => {
  const own = createDirectoryStore(root, Date.now);
  const key = 'a/b/1/default/1.tar.zst';
  const digest = await own.put(key, streamOf(Buffer.from('content')), signal);
  await writeFile(path.join(root, key), 'CONTENT');
  const stream = await own.get(key, digest, signal);
  assert.ok(isCoded(await rejection(stream.toArray()), 'ArtifactDamaged'));
  const blocked = await rejection(own.put('a/b/1/default/1.tar.zst/x', streamOf(Buffer.from('x')), signal));
  assert.ok(isCoded(blocked, 'StoreUnavailable') && blocked.errorClass === 'transient', String(blocked));
});

if (process.getuid?.() !== 0) {
  test('a folder that may not be written says so', async ({ root }) => {
    await chmod(root, 0o555);
    const own = createDirectoryStore(root, Date.now);
    assert.ok(isCoded(await rejection(own.put('a/b/1/x/1.log', streamOf(Buffer.from('x')), signal)), 'StoreDenied'));
    await chmod(root, 0o755);
  });
}

test('two writers of one key leave the whole of one of them', async ({ root }) => {
  const own = createDirectoryStore(root, Date.now);
  const bodies = ['a', 'b', 'c', 'd'].map((letter) => Buffer.alloc(500_000, letter));
  await Promise.all(bodies.map((body) => own.put('a/b/1/default/1.tar.zst', streamOf(body), signal)));
  const [content] = Object.values(await tree(path.join(root, 'a')));
  assert.ok(bodies.some((body) => body.toString() === content));
  await rm(path.join(root, 'a'), { recursive: true });
});

test.run();
