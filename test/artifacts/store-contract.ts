import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Store, StoredObject } from '../../src/artifacts/port.ts';
import { attemptKey, jobPrefix, runPrefix } from '../../src/artifacts/key.ts';
import { receiveArchive } from '../../src/artifacts/receive.ts';
import { removeExpired } from '../../src/artifacts/retention.ts';
import { createArchive } from '../../src/artifacts/archive.ts';
import { CodedError, isCoded } from '../../src/errors.ts';
import { rejection, streamOf, writeTree } from '../support/artifacts.ts';
import { temporaryDirectory } from '../support/git.ts';

const { signal } = new AbortController();

export const digestOf = (bytes: Uint8Array): { bytes: number; sha256: string } => ({
  bytes: bytes.byteLength,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});

export async function listed(store: Store, prefix: string): Promise<readonly StoredObject[]> {
  const found: StoredObject[] = [];
  for await (const object of store.list(prefix, signal)) found.push(object);
  return found;
}

const keys = async (store: Store, prefix: string): Promise<readonly string[]> =>
  (await listed(store, prefix)).map(({ key }) => key).sort();

/** A stream that fails after so many bytes. */
const failing = (bytes: number): Readable =>
  Readable.from(
    (async function* () {
      yield randomBytes(bytes);
      throw new CodedError('transient', 'SourceFailed', 'the source failed');
    })(),
    { objectMode: false },
  );

/** What every store does alike. `sizes` are worth trying for it; each test has a source of its own in the keys. */
export function storeContract<T>(test: Test<T>, storeOf: () => Store, sizes: readonly number[]): void {
  const at = (source: string, run = 1, task = 'default', attempt = 1) =>
    attemptKey({ source, job: 'a', run, task, attempt });

  for (const size of sizes) {
    test(`${size} bytes come back as they were put`, async () => {
      const store = storeOf();
      const key = at('sizes', size + 1);
      const bytes = randomBytes(size);
      assert.is(await store.exists(key, signal), false);
      assert.is(await store.read(key, 1_000, signal), null);
      const digest = await store.put(key, streamOf(bytes), signal);
      assert.equal(digest, digestOf(bytes));
      assert.is(await store.exists(key, signal), true);
      assert.ok((await store.read(key, size, signal))?.equals(bytes));
      if (size > 0) assert.ok(isCoded(await rejection(store.read(key, size - 1, signal)), 'ArtifactDamaged'));
      assert.ok((await buffer(await store.get(key, digest, signal))).equals(bytes));
      const [object] = await listed(store, runPrefix({ source: 'sizes', job: 'a', run: size + 1 }));
      assert.is(object?.key, key);
      assert.is(object?.bytes, size);
      assert.ok(Math.abs(Date.parse(object?.modified ?? '') - Date.now()) < 600_000, object?.modified);
    });

    test(`a source that fails after ${size} bytes, or an abort, leaves what was there before`, async () => {
      const store = storeOf();
      const key = at('failing', size + 1);
      assert.ok(isCoded(await rejection(store.put(key, failing(size), signal)), 'SourceFailed'));
      assert.is(await store.exists(key, signal), false);
      const before = Buffer.from('before');
      await store.put(key, streamOf(before), signal);
      assert.ok(isCoded(await rejection(store.put(key, failing(size), signal)), 'SourceFailed'));
      const stop = new AbortController();
      const source = new PassThrough();
      source.write(randomBytes(size));
      const putting = rejection(store.put(key, source, stop.signal));
      setTimeout(() => stop.abort(), 50);
      assert.ok(isCoded(await putting, 'Cancelled'));
      assert.equal((await buffer(await store.get(key, digestOf(before), signal))).toString(), 'before');
    });
  }

  test('what is not what was recorded is not taken for it', async () => {
    const store = storeOf();
    const key = at('damaged');
    const bytes = randomBytes(200_000);
    const digest = await store.put(key, streamOf(bytes), signal);
    const read = async (expected: typeof digest): Promise<unknown> =>
      rejection(store.get(key, expected, signal).then((stream) => buffer(stream)));
    const other = await read({ ...digest, sha256: digestOf(Buffer.from('other')).sha256 });
    assert.ok(isCoded(other, 'ArtifactDamaged'), String(other));
    assert.match(other.message, /damaged\/a\/1\/default\/1\.tar\.zst in .* is damaged: its SHA-256 is not/);
    assert.ok(isCoded(await read({ ...digest, bytes: 100 }), 'ArtifactDamaged'));
    assert.ok(isCoded(await read({ ...digest, bytes: 1_000_000 }), 'ArtifactDamaged'));
    const gone = await rejection(store.get(at('damaged', 2), digest, signal));
    assert.ok(isCoded(gone, 'ArtifactMissing') && gone.errorClass === 'terminal', String(gone));
  });

  test('a key that leads elsewhere is refused by everything', async () => {
    const store = storeOf();
    for (const key of [
      '../x',
      '/etc/passwd',
      'a/../../x',
      'a//b',
      '.incoming/x',
      'a/.hidden',
      'a\0b',
      '',
      'A/b',
      'a/b\n',
    ]) {
      for (const attempt of [
        () => store.put(key, streamOf(Buffer.from('x')), signal),
        () => store.get(key, digestOf(Buffer.from('x')), signal),
        () => store.remove(key, signal),
        () => store.exists(key, signal),
        () => listed(store, key),
      ])
        assert.ok(isCoded(await rejection(attempt()), 'StoreKeyInvalid'), key);
    }
  });

  test('runs, tasks and attempts are listed and removed by their prefix, and no neighbour with them', async () => {
    const store = storeOf();
    const put = [at('many', 1, 'x'), at('many', 1, 'y'), at('many', 1, 'y', 2), at('many', 10), at('many', 2)];
    for (const key of put) await store.put(key, streamOf(Buffer.from(key)), signal);
    assert.equal(await keys(store, jobPrefix({ source: 'many', job: 'a' })), [...put].sort());
    assert.equal(await keys(store, runPrefix({ source: 'many', job: 'a', run: 3 })), []);
    assert.is(await store.remove(runPrefix({ source: 'many', job: 'a', run: 1 }), signal), 3);
    assert.is(await store.remove(runPrefix({ source: 'many', job: 'a', run: 1 }), signal), 0);
    assert.is(await store.remove(at('many', 2), signal), 1);
    assert.is(await store.remove(at('many', 2), signal), 0);
    assert.equal(await keys(store, jobPrefix({ source: 'many', job: 'a' })), [at('many', 10)]);
  });

  test('retention removes runs whose time is over, and never the last one', async () => {
    const store = storeOf();
    for (const run of [1, 2, 3]) await store.put(at('old', run), streamOf(Buffer.from('x')), signal);
    const expiry = { source: 'old', job: 'a', keepMs: 3_600_000 };
    assert.equal(await removeExpired(store, { ...expiry, now: Date.now() }, signal), []);
    assert.equal(await removeExpired(store, { ...expiry, now: Date.now() + 7_200_000 }, signal), [1, 2]);
    assert.equal(await keys(store, jobPrefix({ source: 'old', job: 'a' })), [at('old', 3)]);
  });

  test('an archive that comes in is kept once it has been read to its end, and one that is refused is not', async () => {
    const store = storeOf();
    const { path: folder, remove } = await temporaryDirectory();
    try {
      await writeTree(folder, { a: randomBytes(3_000_000), 'b/c': 'c' });
      const archive = await createArchive([{ folder, paths: 'all' }], { signal });
      const key = at('received');
      const contents = await receiveArchive(archive.stream, store, key, { signal });
      const { complete: _complete, warnings: _warnings, ...made } = await archive.manifest;
      assert.equal(contents, made);
      const bytes = await buffer(await store.get(key, contents, signal));
      const refused: readonly (readonly [string, Uint8Array])[] = [
        ['ArchiveInvalid', bytes.subarray(0, -1)],
        ['ArchiveInvalid', bytes.subarray(0, 100_000)],
        ['ArchiveInvalid', Buffer.concat([bytes, randomBytes(3_000_000)])],
        ['ArchiveInvalid', randomBytes(3_000_000)],
        ['ArchiveInvalid', Buffer.alloc(0)],
      ];
      for (const [code, wrong] of refused) {
        const error = await rejection(receiveArchive(streamOf(wrong), store, at('received', 2), { signal }));
        assert.ok(isCoded(error, code), `${wrong.byteLength}: ${String(error)}`);
      }
      const source = failing(10_000);
      assert.ok(isCoded(await rejection(receiveArchive(source, store, at('received', 2), { signal })), 'SourceFailed'));
      const closed = streamOf(bytes);
      closed.once('data', () => closed.destroy());
      assert.ok(
        isCoded(await rejection(receiveArchive(closed, store, at('received', 2), { signal })), 'ArtifactsCutOff'),
      );
      assert.is(await store.exists(at('received', 2), signal), false);
    } finally {
      await remove();
    }
  });
}
