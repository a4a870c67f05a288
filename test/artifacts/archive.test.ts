import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { zstdDecompressSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ArchiveManifest, type ArchiveRoot, createArchive } from '../../src/artifacts/archive.ts';
import { extractArchive } from '../../src/artifacts/extract.ts';
import { DEFAULT_LIMITS } from '../../src/artifacts/limits.ts';
import { inspectArchive } from '../../src/artifacts/read.ts';
import { isCoded } from '../../src/errors.ts';
import { temporaryDirectory } from '../support/git.ts';
import { rejection, streamOf, tree, writeTree } from '../support/artifacts.ts';

interface World {
  root: string;
  workspace: string;
  output: string;
  remove: () => Promise<void>;
}

const { signal } = new AbortController();
const run = promisify(execFile);
const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');

async function made(roots: readonly ArchiveRoot[]): Promise<{ bytes: Buffer; manifest: ArchiveManifest }> {
  const archive = await createArchive(roots, { signal });
  const bytes = await buffer(archive.stream);
  return { bytes, manifest: await archive.manifest };
}

const test = suite<World>('archives');

test.before.each(async (context) => {
  const { path: root, remove } = await temporaryDirectory();
  const workspace = path.join(root, 'workspace');
  const output = path.join(root, 'output');
  for (const folder of [workspace, output]) await mkdir(folder);
  Object.assign(context, { root, workspace, output, remove });
});

test.after.each(({ remove }) => remove());

test('globs of the workspace and all of the output folder go in, and come out as they were', async (world) => {
  const { workspace, output, root } = world;
  await writeTree(workspace, {
    'out/report.txt': 'report',
    'out/.hidden': 'dot',
    'out/deep/er/empty': '',
    'out/tmp/no': 'x',
    'src/main.c': 'not this',
    'top.log': 'log',
    'a folder/ünïcode 漢字.txt': 'name',
  });
  await writeTree(output, { 'result.json': '{}', [`${'long-'.repeat(30)}/${'n'.repeat(200)}`]: 'long' });
  await chmod(path.join(workspace, 'out/report.txt'), 0o755);
  const { bytes, manifest } = await made([
    { folder: output, paths: 'all' },
    { folder: workspace, paths: ['./out/', '*.log', 'a folder/**', '!out/tmp/**', 'nothing/*'] },
  ]);
  assert.is(manifest.bytes, bytes.byteLength);
  assert.is(manifest.sha256, sha256(bytes));
  assert.is(manifest.complete, true);
  assert.equal(manifest.warnings, [{ path: 'nothing/*', message: 'matches no file', lost: false }]);
  assert.equal(
    manifest.files.find(({ path }) => path === 'out/report.txt'),
    { path: 'out/report.txt', bytes: 6, sha256: sha256('report') },
  );
  const target = path.join(root, 'target');
  const contents = await extractArchive(streamOf(bytes), target, { signal });
  const { complete: _c, warnings: _w, ...same } = manifest;
  assert.equal(contents, same);
  assert.equal(await tree(target), {
    [`${'long-'.repeat(30)}/${'n'.repeat(200)}`]: 'long',
    'a folder/ünïcode 漢字.txt': 'name',
    'out/.hidden': 'dot',
    'out/deep/er/empty': '',
    'out/report.txt': 'report (executable)',
    'result.json': '{}',
    'top.log': 'log',
  });
});

test('another tar reads it', async ({ workspace, root }) => {
  await writeTree(workspace, { 'a/b.txt': 'hello', ['ü'.repeat(80)]: 'utf-8' });
  await symlink('b.txt', path.join(workspace, 'a/link'));
  const { bytes } = await made([{ folder: workspace, paths: 'all' }]);
  const tar = path.join(root, 'a.tar');
  await writeFile(tar, zstdDecompressSync(bytes));
  const { stdout } = await run('tar', ['-tvf', tar, '--quoting-style=literal'], { env: { ...process.env, TZ: 'UTC' } });
  assert.match(stdout, /^-rw-r--r-- 0\/0 +5 1970-01-01 00:00 a\/b\.txt$/m);
  assert.match(stdout, / a\/link -> b\.txt$/m);
  assert.ok(stdout.includes('ü'.repeat(80)), stdout);
});

test('the same files make the same bytes, whenever and in whatever order they were written', async (world) => {
  const files = { 'b/2': 'two', a: 'x'.repeat(300_000), 'b/1': 'one' };
  await writeTree(world.workspace, files);
  const first = await made([{ folder: world.workspace, paths: 'all' }]);
  await writeTree(world.output, Object.fromEntries(Object.entries(files).toReversed()));
  const second = await made([{ folder: world.output, paths: 'all' }]);
  assert.is(first.manifest.sha256, second.manifest.sha256);
});

test('where both folders have a path, the first one has it, and the other is named', async ({ workspace, output }) => {
  await writeTree(output, { 'out/a': 'output', b: 'file' });
  await writeTree(workspace, { 'out/a': 'workspace', 'b/c': 'below a file' });
  const { manifest } = await made([
    { folder: output, paths: 'all' },
    { folder: workspace, paths: ['**'] },
  ]);
  assert.equal(
    manifest.files.map(({ path, sha256: hash }) => [path, hash]),
    [
      ['b', sha256('file')],
      ['out/a', sha256('output')],
    ],
  );
  assert.is(manifest.complete, false);
  assert.equal(
    manifest.warnings.map(({ path, message }) => `${path} ${message}`),
    ['b/c lies below "b", which is no folder: left out', 'out/a is there twice: left out'],
  );
});

test('links within the folder stay links; those that lead out, and what is no file, are left out', async (world) => {
  const { workspace, root } = world;
  await writeTree(root, { secret: 'secret', 'elsewhere/secret': 'secret' });
  await writeTree(workspace, { 'v1/file': 'one' });
  const links = {
    latest: 'v1',
    'v1/up': '../v1/file',
    'v1/dangling': 'nowhere',
    'v1/absolute': path.join(workspace, 'v1/file'),
    out: '../secret',
    'v1/out': '../../elsewhere',
    etc: '/etc/passwd',
    'v1/tricky': 'x/../../../secret',
  };
  for (const [name, target] of Object.entries(links)) await symlink(target, path.join(workspace, name));
  await run('mkfifo', [path.join(workspace, 'pipe')]);
  const { bytes, manifest } = await made([{ folder: workspace, paths: ['**'] }]);
  assert.equal(manifest.links, [
    { path: 'latest', target: 'v1' },
    { path: 'v1/absolute', target: 'file' },
    { path: 'v1/dangling', target: 'nowhere' },
    { path: 'v1/up', target: '../v1/file' },
  ]);
  assert.equal(
    manifest.files.map((file) => file.path),
    ['v1/file'],
  );
  assert.equal(manifest.warnings.map((warning) => warning.path).sort(), ['etc', 'out', 'pipe', 'v1/out', 'v1/tricky']);
  assert.is(manifest.complete, true, 'what can be in no archive is not missing in this one');
  await extractArchive(streamOf(bytes), path.join(root, 'target'), { signal });
  assert.equal(await tree(path.join(root, 'target')), {
    latest: '-> v1',
    'v1/absolute': '-> file',
    'v1/dangling': '-> nowhere',
    'v1/file': 'one',
    'v1/up': '-> ../v1/file',
  });
});

test('a file that grows or shrinks while it is read keeps the size it had, and the manifest says so', async (world) => {
  const { workspace, root } = world;
  // 8 MiB of noise each: more than the stream buffers, so that reading waits for us.
  const noise = randomBytes(8 * 1024 ** 2);
  for (const name of ['1-first', '2-grows', '3-shrinks', '4-gone']) await writeFile(path.join(workspace, name), noise);
  const archive = await createArchive([{ folder: workspace, paths: 'all' }], { signal });
  const chunks: Buffer[] = [];
  let touched = false;
  for await (const chunk of archive.stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if (touched) continue;
    touched = true;
    appendFileSync(path.join(workspace, '1-first'), 'more');
    await truncate(path.join(workspace, '3-shrinks'), 0);
    writeFileSync(path.join(workspace, '3-shrinks'), noise.subarray(0, 1_000));
    await rm(path.join(workspace, '4-gone'));
  }
  const manifest = await archive.manifest;
  assert.is(manifest.complete, false);
  const said = manifest.warnings.map(({ path, message }) => `${path} ${message}`);
  assert.equal(said, [
    `1-first grew while it was read: only its first ${noise.byteLength} bytes are kept`,
    "4-gone can't be read (ENOENT): left out",
  ]);
  const contents = await extractArchive(streamOf(Buffer.concat(chunks)), path.join(root, 'target'), { signal });
  assert.equal(contents.files, manifest.files);
  assert.is(contents.files.find(({ path }) => path === '1-first')?.sha256, sha256(noise));
  // It had its new size by the time its turn came: nothing to remark.
  assert.is(contents.files.find(({ path }) => path === '3-shrinks')?.bytes, 1_000);
});

test('a file that shrinks under the reader is filled with zeros', async ({ workspace, root }) => {
  const noise = randomBytes(24 * 1024 ** 2);
  const file = path.join(workspace, 'shrinks');
  await writeFile(file, noise);
  const archive = await createArchive([{ folder: workspace, paths: 'all' }], { signal });
  const chunks: Buffer[] = [];
  for await (const chunk of archive.stream as AsyncIterable<Buffer>) {
    if (chunks.length === 0) await truncate(file, 16 * 1024 ** 2);
    chunks.push(chunk);
  }
  const manifest = await archive.manifest;
  assert.is(manifest.complete, false);
  assert.match(manifest.warnings[0]?.message ?? '', /^shrank while it was read: from byte 16777216 on/);
  const target = path.join(root, 'target');
  await extractArchive(streamOf(Buffer.concat(chunks)), target, { signal });
  const expected = Buffer.concat([noise.subarray(0, 16 * 1024 ** 2), Buffer.alloc(8 * 1024 ** 2)]);
  assert.is(manifest.files[0]?.sha256, sha256(expected));
});

test('too many files and too many bytes are said before anything is sent', async ({ workspace }) => {
  await writeTree(workspace, { a: '12345', b: '67890', c: '' });
  const roots: readonly ArchiveRoot[] = [{ folder: workspace, paths: ['**'] }];
  const small = async (limits: Partial<typeof DEFAULT_LIMITS>): Promise<unknown> =>
    rejection(createArchive(roots, { signal, limits: { ...DEFAULT_LIMITS, ...limits } }));
  assert.ok(isCoded(await small({ maxEntries: 2 }), 'ArtifactsTooMany'));
  const large = await small({ maxBytes: 9 });
  assert.ok(isCoded(large, 'ArtifactsTooLarge'));
  assert.is(large.message, 'the artifacts have more than 9 bytes together');
  const exact = await createArchive(roots, { signal, limits: { ...DEFAULT_LIMITS, maxBytes: 10, maxEntries: 3 } });
  assert.is((await buffer(exact.stream)).byteLength > 0, true);
});

test('a file that grows beyond the limit after it was listed ends the stream with the error', async ({ workspace }) => {
  const noise = randomBytes(8 * 1024 ** 2);
  await writeTree(workspace, { '1': noise, '2': 'small' });
  const limits = { ...DEFAULT_LIMITS, maxBytes: noise.byteLength + 100 };
  const archive = await createArchive([{ folder: workspace, paths: 'all' }], { signal, limits });
  archive.stream.once('data', () => writeFileSync(path.join(workspace, '2'), 'x'.repeat(2_000)));
  assert.ok(isCoded(await rejection(buffer(archive.stream)), 'ArtifactsTooLarge'));
  assert.ok(isCoded(await rejection(archive.manifest), 'ArtifactsTooLarge'));
});

test('it is one frame of zstd, however fast it is read', async ({ workspace }) => {
  await writeTree(workspace, { a: 'a', b: 'x'.repeat(100_000) });
  const roots: readonly ArchiveRoot[] = [{ folder: workspace, paths: 'all' }];
  const { manifest } = await made(roots);
  for (let round = 0; round < 50; round += 1) {
    const archive = await createArchive(roots, { signal });
    const chunks: Uint8Array[] = [];
    for await (const chunk of archive.stream as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      for (let turn = 0; turn < round % 5; turn += 1) await new Promise(setImmediate);
    }
    const contents = await inspectArchive(streamOf(Buffer.concat(chunks)), { signal });
    assert.is(contents.sha256, manifest.sha256);
  }
});

test('nothing to keep is an empty archive, also where the folder is gone', async ({ root }) => {
  const archive = await createArchive([{ folder: path.join(root, 'gone'), paths: ['out/**'] }], { signal });
  assert.is(archive.entries, 0);
  const bytes = await buffer(archive.stream);
  assert.equal((await inspectArchive(streamOf(bytes), { signal })).files, []);
  assert.is((await archive.manifest).complete, true);
});

test('a reader that goes away, and an abort, end the work', async ({ workspace }) => {
  const noise = randomBytes(4 * 1024 ** 2);
  await writeFile(path.join(workspace, 'a'), noise);
  const left = await createArchive([{ folder: workspace, paths: 'all' }], { signal });
  left.stream.once('data', () => left.stream.destroy());
  assert.ok((await rejection(left.manifest)) instanceof Error);
  const stop = new AbortController();
  const aborted = await createArchive([{ folder: workspace, paths: 'all' }], { signal: stop.signal });
  stop.abort();
  assert.ok(isCoded(await rejection(aborted.manifest), 'Cancelled'));
  assert.ok(
    isCoded(
      await rejection(createArchive([{ folder: workspace, paths: ['*'] }], { signal: stop.signal })),
      'Cancelled',
    ),
  );
});

test('archiving loads neither a validator nor a client of a store', async () => {
  const module = path.join(import.meta.dirname, '../../src/artifacts/archive.ts');
  // What is loaded can be seen in the trace of the module loader alone.
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) });
    await import(${JSON.stringify(module)});`;
  const { stdout } = await run(process.execPath, ['--no-warnings', '--input-type=module', '-e', hook]);
  const packages = new Set(
    stdout.split('\n').flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []),
  );
  assert.equal([...packages].sort(), [
    'b4a',
    'events-universal',
    'fast-fifo',
    'picomatch',
    'streamx',
    'tar-stream',
    'text-decoder',
  ]);
});

test.run();
