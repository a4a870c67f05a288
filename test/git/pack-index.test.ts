import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CodedError } from '../../src/errors.ts';
import { openObjectDatabase } from '../../src/git/object-database.ts';
import { newBlob } from '../../src/git/objects.ts';
import { buildPackIndex, type BuiltIndex } from '../../src/git/pack-index-build.ts';
import { encodePackIndex } from '../../src/git/pack-index-write.ts';
import { parsePackIndex } from '../../src/git/pack-index.ts';
import { encodePack, packHeader } from '../../src/git/pack.ts';
import { commitFiles, git, gitEnv, initRepository, temporaryDirectory } from '../support/git.ts';

const test = suite('pack index');
const directory = await temporaryDirectory();
const signal = new AbortController().signal;
let counter = 0;
test.after(() => directory.remove());

const newRepository = (): Promise<string> => initRepository(path.join(directory.path, `r${++counter}`));

/** A history in which the same large and small files change a little each time: what deltas are made for. */
async function makeHistory(repository: string): Promise<string> {
  const lines = Array.from({ length: 400 }, (_, at) => `${at} ${createHash('sha1').update(`${at}`).digest('hex')}`);
  for (let round = 0; round < 25; round++) {
    lines[(round * 37) % 400] = `changed in round ${round}`;
    const files = Object.fromEntries(
      Array.from({ length: 8 }, (_, at) => [`folder-${at}/f.txt`, `${at}\n${lines.slice(at * 20).join('\n')}`]),
    );
    await commitFiles(repository, { ...files, 'empty.txt': '', 'all.txt': lines.join('\n') }, `round ${round}`);
  }
  await git(repository, 'branch', 'old', 'main~3');
  await git(repository, 'tag', '--annotate', '--message', 'a tag', 'v1');
  return repository;
}

const repository = await makeHistory(await newRepository());

/** Runs git in a repository with bytes on its standard input. */
const pipe = (repository: string, input: string | Uint8Array, ...args: readonly string[]): Buffer =>
  execFileSync('git', [...args], { cwd: repository, env: gitEnv, input, maxBuffer: 1024 ** 3, stdio: 'pipe' });

/** The only pack of a repository, and the index that git made of it. */
async function onlyPack(repository: string): Promise<{ readonly pack: Buffer; readonly index: Buffer }> {
  const folder = path.join(repository, '.git/objects/pack');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.pack'));
  assert.is(names.length, 1);
  const file = path.join(folder, names[0]!);
  return { pack: await readFile(file), index: await readFile(file.replace(/pack$/, 'idx')) };
}

/** Builds the index of a pack; the pack may become another. */
async function build(
  pack: Uint8Array,
  repository?: string,
  stop: AbortSignal = signal,
): Promise<BuiltIndex & { readonly pack: Buffer }> {
  const file = path.join(directory.path, `${++counter}.pack`);
  await writeFile(file, pack);
  const handle = await open(file, 'r+');
  const database = repository === undefined ? undefined : openObjectDatabase(path.join(repository, '.git/objects'));
  try {
    const readOutside = async (id: string) => ((await database?.has(id)) ? database!.readRaw(id) : undefined);
    const built = await buildPackIndex({
      descriptor: handle.fd,
      bytes: pack.length,
      readOutside,
      signal: stop,
    });
    return { ...built, pack: await readFile(file) };
  } finally {
    await handle.close();
    database?.close();
  }
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
    return `${error.errorClass} ${error.code}`;
  }
  return 'success';
}

/** With the right checksum at its end. */
const sealed = (body: Uint8Array): Buffer => Buffer.concat([body, createHash('sha1').update(body).digest()]);

test('an index of 100,000 small objects is written, and git reads it', async () => {
  const objects = Array.from({ length: 100_000 }, (_, at) => newBlob(`${at}`));
  const { id, pack, index } = encodePack(objects);
  const repository = await newRepository();
  const base = path.join(repository, `.git/objects/pack/pack-${id}`);
  await mkdir(path.dirname(base), { recursive: true });
  await writeFile(`${base}.pack`, pack);
  await writeFile(`${base}.idx`, index);
  await git(repository, 'verify-pack', `${base}.idx`);
  assert.is(await git(repository, 'cat-file', '-p', objects[77_777]!.id), '77777');
  assert.ok((await build(pack)).index.equals(index), 'both ways to an index lead to the same');
});

test('offsets beyond 2 GiB are written as git has them', () => {
  const offsets = Float64Array.of(12, 2 ** 31 - 1, 2 ** 31, 5 * 2 ** 32 + 7);
  const ids = Buffer.from(['9a', '01', 'ff', '9b'].map((start) => start.padEnd(40, '0')).join(''), 'hex');
  const index = parsePackIndex(encodePackIndex({ ids, crcs: new Uint32Array(4), offsets }, Buffer.alloc(20)), 'x');
  assert.equal(
    ['9a', '01', 'ff', '9b'].map((start) => index.offsetOf(start.padEnd(40, '0'))),
    [...offsets],
  );
});

test('packs with deep chains of deltas, by offset and by id, get the very index that git makes', async () => {
  await git(repository, 'repack', '-adfq', '--depth=50', '--window=50');
  const { pack, index } = await onlyPack(repository);
  const built = await build(pack);
  assert.ok(built.index.equals(index));
  assert.is(built.checksum, pack.subarray(-20).toString('hex'));
  assert.ok(built.pack.equals(pack), 'a pack that is complete stays as it is');
  const chains = /^chain length = (\d+): /gm;
  const verified = pipe(repository, '', 'verify-pack', '-v', ...(await indexPaths(repository))).toString();
  assert.ok(Math.max(...[...verified.matchAll(chains)].map((found) => Number(found[1]))) >= 10, 'the chains are deep');
  // Without --delta-base-offset every delta names its base by id, and reuse of the offsets is switched off.
  const byId = pipe(repository, '', 'pack-objects', '--all', '--revs', '--stdout', '-q', '--no-reuse-delta');
  const other = await newRepository();
  pipe(other, byId, 'index-pack', '--stdin');
  assert.ok((await build(byId)).index.equals((await onlyPack(other)).index));
});

const indexPaths = async (repository: string): Promise<readonly string[]> => {
  const folder = path.join(repository, '.git/objects/pack');
  return (await readdir(folder)).filter((name) => name.endsWith('.idx')).map((name) => path.join(folder, name));
};

test('objects that are too large to hold, compressible and not, are passed in a stream', async () => {
  const repository = await newRepository();
  const noise = randomBytes(9_000_000);
  await commitFiles(repository, { 'noise.bin': noise, 'zeros.bin': Buffer.alloc(70 * 1024 * 1024), 'a.txt': 'a' });
  await git(repository, '-c', 'core.bigFileThreshold=1m', 'repack', '-adfq');
  const { pack, index } = await onlyPack(repository);
  assert.ok((await build(pack)).index.equals(index));
});

test('a thin pack is completed with the objects that it stands on; without them it is refused', async () => {
  const old = await newRepository();
  await git(old, 'fetch', '--quiet', repository, 'old:refs/heads/old');
  const wanted = 'main\n^main~3\n';
  const thin = pipe(repository, wanted, 'pack-objects', '--revs', '--thin', '--stdout', '-q', '--delta-base-offset');
  const whole = pipe(repository, wanted, 'pack-objects', '--revs', '--stdout', '-q', '--delta-base-offset');
  assert.ok(thin.length < whole.length / 2, 'deltas stand on what is not in the pack');
  assert.is(await failure(build(thin)), 'transient PackInvalid');
  const { pack, index, checksum, objects } = await build(thin, old);
  assert.ok(objects > thin.readUInt32BE(8));
  const base = path.join(old, `.git/objects/pack/pack-${checksum}`);
  await writeFile(`${base}.pack`, pack);
  await writeFile(`${base}.idx`, index);
  await git(old, 'verify-pack', `${base}.idx`);
  await git(old, 'update-ref', 'refs/heads/main', await git(repository, 'rev-parse', 'main'));
  await git(old, 'fsck', '--strict', '--full');
  assert.is(await git(old, 'show', 'main:all.txt'), await git(repository, 'show', 'main:all.txt'));
});

test('an empty pack has an index of nothing', async () => {
  const { objects, index } = await build(sealed(packHeader(0)));
  assert.is(objects, 0);
  assert.is(parsePackIndex(index, 'x').offsetOf('0'.repeat(40)), undefined);
});

test('what is cut off or changed on the way is refused by its checksum', async () => {
  await git(repository, 'repack', '-adfq');
  const { pack } = await onlyPack(repository);
  for (const length of [0, 5, 12, 31, 32, 1000, pack.length - 20, pack.length - 1]) {
    assert.is(await failure(build(pack.subarray(0, length))), 'transient PackCutOff', `${length} bytes`);
  }
  for (const at of [0, 7, 11, 12, 500, pack.length - 30, pack.length - 1]) {
    const changed = Buffer.from(pack);
    changed[at]! ^= 0x55;
    assert.is(await failure(build(changed)), 'transient PackCutOff', `byte ${at}`);
  }
});

test('what is no pack in spite of its checksum is refused, whatever is wrong with it', async () => {
  await git(repository, 'repack', '-adfq');
  const body = (await onlyPack(repository)).pack.subarray(0, -20);
  const count = body.readUInt32BE(8);
  const withCount = (number: number): Buffer => Buffer.concat([packHeader(number), body.subarray(12)]);
  const broken: readonly (readonly [string, Uint8Array])[] = [
    ['cut in the middle of an entry', body.subarray(0, body.length - 7)],
    ['one entry more than there are', withCount(count + 1)],
    ['one entry less than there are', withCount(count - 1)],
    ['an unbelievable number of entries', withCount(0xffffffff)],
    ['another version', Buffer.concat([Buffer.from('PACK\0\0\0\u0004', 'latin1'), body.subarray(8)])],
    ['something behind the last entry', Buffer.concat([body, randomBytes(40)])],
    ['nonsense in place of the entries', Buffer.concat([packHeader(3), randomBytes(400)])],
    ['a delta on a place where no entry begins', Buffer.concat([packHeader(1), Buffer.from([0x64, 0x02]), body])],
  ];
  for (const [what, bytes] of broken) assert.is(await failure(build(sealed(bytes))), 'transient PackInvalid', what);
  let refused = 0;
  for (let round = 0; round < 60; round++) {
    const changed = Buffer.from(body);
    changed[12 + ((round * 7919) % (body.length - 12))]! ^= 1 << (round % 8);
    // Zlib's checksum finds what is changed in an entry; few bits of a header could be another that is valid too.
    if ((await failure(build(sealed(changed)))) !== 'success') refused += 1;
  }
  assert.ok(refused >= 58, `${refused} of 60`);
});

test('a caller can stop it', async () => {
  const objects = Array.from({ length: 5000 }, (_, at) => newBlob(`${at}`));
  assert.is(await failure(build(encodePack(objects).pack, undefined, AbortSignal.abort())), 'transient Cancelled');
});

test.run();
