// test-timeout: 300s
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { constants, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { pack, type Header } from 'tar-stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createArchive } from '../../src/artifacts/archive.ts';
import { extractArchive } from '../../src/artifacts/extract.ts';
import { DEFAULT_LIMITS } from '../../src/artifacts/limits.ts';
import { inspectArchive } from '../../src/artifacts/read.ts';
import { CodedError, isCoded } from '../../src/errors.ts';
import { rejection, streamOf, tree, writeTree } from '../support/artifacts.ts';
import { temporaryDirectory } from '../support/git.ts';

interface World {
  /** Holds a file that nothing may touch, beside the target. */
  root: string;
  target: string;
  remove: () => Promise<void>;
}

type Entry = Partial<Header> & { readonly name: string; readonly content?: string };

const { signal } = new AbortController();

/** A tar as anybody can write one: nothing is checked. */
async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  const bytes = buffer(tar);
  for (const { content = '', ...header } of entries) tar.entry({ type: 'file', ...header }, content);
  tar.finalize();
  return bytes;
}

const archiveOf = async (entries: readonly Entry[]): Promise<Buffer> => zstdCompressSync(await tarOf(entries));

const test = suite<World>('extraction');

test.before.each(async (context) => {
  const { path: root, remove } = await temporaryDirectory();
  await writeTree(root, { bystander: 'untouched' });
  Object.assign(context, { root, target: path.join(root, 'target'), remove });
});

test.after.each(({ remove }) => remove());

const untouched = async ({ root }: World, message: string): Promise<void> => {
  assert.equal(await tree(root), { bystander: 'untouched' }, message);
};

const fine: Entry = { name: 'fine', content: 'fine' };

const HOSTILE: readonly (readonly [what: string, code: string, entries: readonly Entry[], says: RegExp])[] = [
  [
    'a path that climbs',
    'ArchiveEntryName',
    [fine, { name: '../bystander', content: 'x' }],
    /"\.\.\/bystander" has a path/,
  ],
  [
    'a path that climbs in its middle',
    'ArchiveEntryName',
    [{ name: 'a/../../bystander' }],
    /"a\/\.\.\/\.\.\/bystander"/,
  ],
  ['a path that climbs and comes back', 'ArchiveEntryName', [{ name: 'a/../b' }], /has a path with "\.\."/],
  ['an absolute path', 'ArchiveEntryName', [{ name: '/tmp/x' }], /has an absolute path/],
  ['an absolute folder', 'ArchiveEntryName', [{ name: '/', type: 'directory' }], /has an absolute path/],
  ['a NUL', 'ArchiveEntryName', [{ name: 'ü\0x' }], /"ü\\u0000x" has a NUL/],
  ['a long name', 'ArchiveEntryName', [{ name: 'n'.repeat(256) }], /has a name of more than 255 bytes/],
  ['a long path', 'ArchiveEntryName', [{ name: 'long/'.repeat(500) + 'x' }], /has a path of more than 2048 bytes/],
  ['a deep path', 'ArchiveEntryName', [{ name: 'd/'.repeat(200) + 'x' }], /lies more than 100 folders deep/],
  ['a file without a name', 'ArchiveEntryName', [{ name: './.' }], /has no name/],
  [
    'a control sequence',
    'ArchiveEntryName',
    [{ name: '../\u001b[2J\u009b\u202e' }],
    /"\.\.\/\\u001b\[2J\\u009b\\u202e"/,
  ],
  [
    'a link out',
    'ArchiveEntryLink',
    [{ name: 'l', type: 'symlink', linkname: '../bystander' }],
    /leads out of the folder/,
  ],
  ['an absolute link', 'ArchiveEntryLink', [{ name: 'l', type: 'symlink', linkname: '/etc' }], /to an absolute path/],
  [
    'a link out by way of another link',
    'ArchiveEntryLink',
    [
      { name: 'p/q/s', type: 'symlink', linkname: '../..' },
      { name: 't', type: 'symlink', linkname: 'p/q/s/../../bystander' },
    ],
    /"t" is a link with "\.\." behind a name/,
  ],
  [
    'a file below a link that it brought',
    'ArchiveEntryClash',
    [
      { name: 'l', type: 'symlink', linkname: '.' },
      { name: 'l/x', content: 'x' },
    ],
    /"l\/x" lies below "l", which is no folder/,
  ],
  [
    'a link in the place of a folder',
    'ArchiveEntryClash',
    [
      { name: 'd/x', content: 'x' },
      { name: 'd', type: 'symlink', linkname: '.' },
    ],
    /"d" is there twice/,
  ],
  [
    'a link in a folder that became one',
    'ArchiveEntryClash',
    [
      { name: 'a', type: 'symlink', linkname: 'b' },
      { name: './a//b', type: 'symlink', linkname: '.' },
    ],
    /lies below "a"/,
  ],
  ['a file twice', 'ArchiveEntryClash', [fine, { name: './fine', content: 'other' }], /"\.\/fine" is there twice/],
  ['a file on a folder', 'ArchiveEntryClash', [{ name: 'd', type: 'directory' }, { name: 'd' }], /is there twice/],
  ['a hard link', 'ArchiveEntryKind', [{ name: 'h', type: 'link', linkname: '../bystander' }], /"h" is a hard link/],
  [
    'a device',
    'ArchiveEntryKind',
    [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }],
    /is a device/,
  ],
  ['a disk', 'ArchiveEntryKind', [{ name: 'sda', type: 'block-device', devmajor: 8 }], /is a device/],
  ['a pipe', 'ArchiveEntryKind', [fine, { name: 'p', type: 'fifo' }], /"p" is a pipe/],
  ['a contiguous file', 'ArchiveEntryKind', [{ name: 'c', type: 'contiguous-file' }], /is a thing of no known kind/],
];

for (const [what, code, entries, says] of HOSTILE) {
  test(`${what} is refused, named, and nothing is left`, async (world) => {
    const bytes = await archiveOf(entries);
    for (const read of [
      () => extractArchive(streamOf(bytes), world.target, { signal }),
      () => inspectArchive(streamOf(bytes), { signal }),
    ]) {
      const error = await rejection(read());
      assert.ok(isCoded(error, code), String(error));
      assert.is(error.errorClass, 'terminal');
      assert.match(error.message, says);
    }
    await untouched(world, what);
  });
}

test('what other tools write is taken: folders, ./ before names, modes', async ({ target }) => {
  const bytes = await archiveOf([
    { name: './', type: 'directory' },
    { name: './empty/', type: 'directory' },
    { name: './bin/run', mode: 0o4755, content: 'run' },
    { name: './bin/', type: 'directory' },
    { name: './link', type: 'symlink', linkname: './bin//run' },
  ]);
  await extractArchive(streamOf(bytes, 7), target, { signal });
  assert.equal(await tree(target), { 'bin/run': 'run (executable)', empty: '(empty folder)', link: '-> ./bin//run' });
});

test('a bomb is met by its ratio, its size and its number of entries, long before it is unpacked', async (world) => {
  const zeros = zstdCompressSync(Buffer.concat([await tarOf([fine]), Buffer.alloc(64 * 1024 ** 2)]));
  const within = (limits: Partial<typeof DEFAULT_LIMITS>) => ({ signal, limits: { ...DEFAULT_LIMITS, ...limits } });
  const attempt = (bytes: Buffer, limits: Partial<typeof DEFAULT_LIMITS>): Promise<unknown> =>
    rejection(extractArchive(streamOf(bytes), world.target, within(limits)));
  assert.ok(isCoded(await attempt(zeros, { ratioFromBytes: 1024 ** 2 }), 'ArchiveBomb'));
  assert.ok(isCoded(await attempt(zeros, { maxBytes: 1024 ** 2, maxEntries: 1 }), 'ArchiveTooLarge'));
  const large = await archiveOf([fine, { name: 'large', content: 'x'.repeat(2_000) }]);
  const error = await attempt(large, { maxBytes: 1_000 });
  assert.ok(isCoded(error, 'ArchiveTooLarge'));
  assert.match(error.message, /with "large" it unpacks to more than 1000 bytes/);
  const many = await archiveOf(Array.from({ length: 20 }, (_, index) => ({ name: `${index}` })));
  assert.ok(isCoded(await attempt(many, { maxEntries: 19 }), 'ArchiveTooMany'));
  const folders = await archiveOf([{ name: 'd/'.repeat(50) + 'x' }]);
  assert.ok(isCoded(await attempt(folders, { maxEntries: 20 }), 'ArchiveTooMany'));
  await untouched(world, 'a bomb');
});

test('an archive that claims more than it holds, or asks for a huge window, is refused', async (world) => {
  const sized = async (size: string): Promise<Buffer> => {
    const tar = await tarOf([{ name: 'x', content: 'x'.repeat(600) }]);
    tar.write(size, 124, 'latin1');
    repairChecksums(tar);
    return zstdCompressSync(tar);
  };
  const claims = await rejection(extractArchive(streamOf(await sized('77777777777')), world.target, { signal }));
  assert.ok(isCoded(claims, 'ArchiveTooLarge'), String(claims));
  for (const size of ['\x92nonsense', '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff', 'zzz']) {
    const error = await rejection(extractArchive(streamOf(await sized(size)), world.target, { signal }));
    assert.ok(isCoded(error, 'ArchiveInvalid'), String(error));
  }
  const wide = zstdCompressSync(Buffer.alloc(64 * 1024 ** 2), { params: { [constants.ZSTD_c_windowLog]: 26 } });
  assert.ok(isCoded(await rejection(extractArchive(streamOf(wide), world.target, { signal })), 'ArchiveInvalid'));
  await untouched(world, 'claims');
});

test('what is cut off anywhere, or has bytes behind its end, is refused and leaves nothing', async (world) => {
  const { root, target } = world;
  const folder = path.join(root, 'from');
  await writeTree(folder, { a: randomBytes(1_000), b: 'b', 'c/d': 'd' });
  const bytes = await buffer((await createArchive([{ folder, paths: 'all' }], { signal })).stream);
  for (let end = 0; end < bytes.byteLength; end += 101) {
    const error = await rejection(extractArchive(streamOf(bytes.subarray(0, end)), target, { signal }));
    assert.ok(isCoded(error, 'ArchiveInvalid'), `${end}: ${String(error)}`);
    assert.equal((await readdir(root)).sort(), ['bystander', 'from']);
  }
  for (const more of [Buffer.from('x'), Buffer.alloc(1_000_000, 'x'), bytes, zstdCompressSync(Buffer.from('frame'))]) {
    for (const piece of [7, 64 * 1024]) {
      const error = await rejection(extractArchive(streamOf(Buffer.concat([bytes, more]), piece), target, { signal }));
      // Where a chunk ends with the first frame, zlib reads the second one, too.
      assert.ok(isCoded(error, 'ArchiveInvalid') || isCoded(error, 'ArchiveEntryClash'), String(error));
    }
  }
  assert.equal((await readdir(root)).sort(), ['bystander', 'from']);
});

test('the target has to be empty: nothing that is there is touched', async ({ root, target }) => {
  const bytes = await archiveOf([fine]);
  await writeTree(target, { mine: 'mine' });
  const error = await rejection(extractArchive(streamOf(bytes), target, { signal }));
  assert.ok(isCoded(error, 'TargetNotEmpty') && error.errorClass === 'usage');
  const file = await rejection(extractArchive(streamOf(bytes), path.join(root, 'bystander'), { signal }));
  assert.ok(isCoded(file, 'TargetUnusable') && file.errorClass === 'usage');
  assert.equal(await tree(root), { bystander: 'untouched', 'target/mine': 'mine' });
  await mkdir(path.join(root, 'real'));
  await symlink('real', path.join(root, 'alias'));
  await extractArchive(streamOf(bytes), path.join(root, 'alias'), { signal });
  await extractArchive(streamOf(bytes), path.join(root, 'new/er'), { signal });
  assert.equal(await tree(path.join(root, 'real')), { fine: 'fine' });
  assert.equal(await tree(path.join(root, 'new')), { 'er/fine': 'fine' });
});

test('a source that fails or hangs until the abort leaves nothing, and keeps its error', async (world) => {
  const bytes = await archiveOf([{ name: 'a', content: randomBytes(500_000).toString('hex') }]);
  const failing = Readable.from(
    (async function* () {
      yield bytes.subarray(0, 300_000);
      throw new CodedError('transient', 'StoreUnavailable', 'the store went away');
    })(),
  );
  assert.ok(isCoded(await rejection(extractArchive(failing, world.target, { signal })), 'StoreUnavailable'));
  await untouched(world, 'failing');
  const stop = new AbortController();
  const hanging = new PassThrough();
  hanging.write(bytes.subarray(0, 300_000));
  const extracting = rejection(extractArchive(hanging, path.join(world.root, 'deep/target'), { signal: stop.signal }));
  setImmediate(() => stop.abort());
  assert.ok(isCoded(await extracting, 'Cancelled'));
  await untouched(world, 'hanging');
});

test('a disk that refuses is not the fault of the archive', async (world) => {
  // A folder in the way of a file, put there while the archive is read.
  const bytes = await archiveOf([fine, { name: 'blocked', content: 'x' }]);
  const source = Readable.from(
    (async function* () {
      const [partial] = await readdir(world.target);
      await mkdir(path.join(world.target, partial!, 'blocked'));
      yield bytes;
    })(),
  );
  assert.ok(isCoded(await rejection(extractArchive(source, world.target, { signal })), 'ArtifactsIo'));
  await untouched(world, 'blocked');
});

test('whatever an archive is changed to, extraction ends in files below the target or in a coded error', async (world) => {
  const original = await tarOf([
    { name: 'dir/', type: 'directory' },
    { name: 'dir/file', content: 'content' },
    { name: 'dir/link', type: 'symlink', linkname: 'file' },
    { name: 'ü'.repeat(60), content: 'pax' },
    { name: 'other', content: 'y'.repeat(700) },
  ]);
  const change = fc.record({ at: fc.nat(original.byteLength - 1), byte: fc.nat(255) });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), fc.boolean(), async (changes, repair) => {
      const tar = Buffer.from(original);
      for (const { at, byte } of changes) tar[at] = byte;
      if (repair) repairChecksums(tar);
      round += 1;
      const target = path.join(world.root, `t${round}`);
      const result = await extractArchive(streamOf(zstdCompressSync(tar)), target, { signal }).catch((e: unknown) => e);
      if (result instanceof Error) assert.ok(isCoded(result), String(result));
      const expected = result instanceof Error ? ['bystander'] : ['bystander', `t${round}`];
      assert.equal((await readdir(world.root)).sort(), expected);
      await rm(target, { recursive: true, force: true });
    }),
    { numRuns: 400 },
  );
});

/** So that a changed header is read, and not only refused for its checksum. */
function repairChecksums(tar: Buffer): void {
  for (let at = 0; at < tar.byteLength; at += 512) {
    const block = tar.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
}

test('it takes no more memory for more bytes', async ({ root, target }) => {
  const folder = path.join(root, 'from');
  await mkdir(folder);
  const megabyte = randomBytes(1024 ** 2);
  for (const name of ['a', 'b'])
    await writeFile(path.join(folder, name), Buffer.concat(Array(64).fill(megabyte) as Buffer[]));
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 5);
  const archive = await createArchive([{ folder, paths: 'all' }], { signal });
  const contents = await extractArchive(archive.stream, target, { signal });
  clearInterval(watch);
  assert.equal(contents.files, (await archive.manifest).files);
  assert.ok(peak - before < 100 * 1024 ** 2, `${peak - before} bytes more for 128 MiB`);
});

test.run();
