/** The two ends of what pods ask for: the program in the pod, and the server, over real HTTP. */
import { chmod, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createDirectoryStore } from '../../src/artifacts/directory-store.ts';
import { framed, unframed } from '../../src/artifacts/frames.ts';
import { artifactRoots } from '../../src/artifacts/keep.ts';
import { packTree, type TreeEntry } from '../../src/artifacts/tree.ts';
import { fetchWorkspace, uploadArtifacts } from '../../src/cli/attempt-client.ts';
import { collectorOf, receiveArtifacts } from '../../src/cli/attempt-desk.ts';
import { isCoded, transientError } from '../../src/errors.ts';
import type { Admitted, AttemptDesk } from '../../src/server/attempts.ts';
import { type RunningServer, startServer } from '../../src/server/server.ts';
import { rejection, tree, writeTree } from '../support/artifacts.ts';
import { temporaryDirectory } from '../support/git.ts';

interface World {
  folder: string;
  remove: () => Promise<void>;
  servers: RunningServer[];
}

const test = suite<World>('attempts and the server');
const TOKEN = 'a-token-of-forty-three-characters-as-they-are';
const KEY = { source: 'acme', job: 'report', run: 1, task: 'default', attempt: 1 };
const signal = AbortSignal.timeout(100_000);

test.before.each(async (context) => {
  const { path: folder, remove } = await temporaryDirectory();
  await mkdir(join(folder, 'store'));
  Object.assign(context, { folder, remove, servers: [] });
});
test.after.each(async ({ remove, servers }) => {
  for (const server of servers) await server.close();
  await remove();
});

async function serve({ servers }: World, admitted: Partial<Admitted>): Promise<string> {
  const desk: AttemptDesk = {
    admit: async (source, pod, token) =>
      source === 'acme' && pod === 'report-1-x' && token === TOKEN
        ? { checkout: null, receive: null, ...admitted }
        : null,
  };
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    healthy: () => true,
    notReady: () => null,
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    queue: () => [],
    hooks: new Map(),
    attempts: desk,
    onHook: () => undefined,
  });
  servers.push(server);
  return server.address;
}

const access = (address: string) => ({ url: `${address}/attempts/acme/report-1-x`, token: TOKEN });
const storeIn = ({ folder }: World) => createDirectoryStore(join(folder, 'store'), Date.now);
const receiving = (world: World): Admitted['receive'] => {
  const open = async () => storeIn(world);
  return (body, given) => receiveArtifacts(body, open, KEY, given);
};
const collected = (world: World, upload?: { exitCode: number; message: string }) =>
  collectorOf('acme', async () => storeIn(world))(KEY, { task: 'default', number: 1 }, upload, signal);

async function* entriesOf(...entries: readonly TreeEntry[]): AsyncGenerator<TreeEntry> {
  yield* entries;
}
const content = (...entries: readonly TreeEntry[]) => framed(packTree(entriesOf(...entries)), () => true);
const file = (path: string, text: string, executable = false): TreeEntry => ({
  kind: 'file',
  path,
  executable,
  content: Buffer.from(text),
});

test('a revision arrives as it is, from the replica that has it', async (world) => {
  const files = [file('bin/x', 'run me', true), file('a', 'A'), { kind: 'link', path: 'b', target: 'a' } as const];
  const leader = await serve(world, { checkout: async () => ({ kind: 'here', content: content(...files) }) });
  let asked = 0;
  const follower = await serve(world, {
    async checkout() {
      asked += 1;
      // At first nobody leads.
      return asked === 1 ? { kind: 'later' } : { kind: 'elsewhere', address: leader };
    },
  });
  const workspace = join(world.folder, 'workspace');
  await fetchWorkspace(access(follower), workspace, signal);
  assert.is(asked, 2);
  assert.equal(await tree(workspace), { a: 'A', b: '-> a', 'bin/x': 'run me (executable)' });
});

test('what is cut off is asked for again, and what is refused is not', async (world) => {
  let asked = 0;
  const address = await serve(world, {
    async checkout() {
      asked += 1;
      const whole = await buffer(Readable.from(content(file('a', 'x'.repeat(100_000)), file('b', 'B'))));
      const cut = asked === 1 ? whole.subarray(0, whole.byteLength - 5) : whole;
      return { kind: 'here', content: Readable.from([cut]) };
    },
  });
  const workspace = join(world.folder, 'workspace');
  await fetchWorkspace(access(address), workspace, signal);
  assert.is(asked, 2);
  assert.equal((await readdir(workspace)).sort(), ['a', 'b']);
  const other = join(world.folder, 'other');
  const refused = await rejection(fetchWorkspace({ ...access(address), token: `${TOKEN}x` }, other, signal));
  assert.ok(isCoded(refused, 'ControllerRefused'));
  const link: TreeEntry = { kind: 'link', path: 'out', target: '../../etc' };
  const hostile = await serve(world, {
    checkout: async () => ({ kind: 'here', content: content(file('a', ''), link) }),
  });
  const error = await rejection(fetchWorkspace(access(hostile), other, signal));
  assert.ok(isCoded(error, 'CheckoutRefused'), String(error));
  assert.match(error.message, '"out" is a link that leads out of the folder');
});

test('artifacts are kept and listed; what was left out is told', async (world) => {
  const address = await serve(world, { receive: receiving(world) });
  const workspace = join(world.folder, 'workspace');
  const output = join(world.folder, 'output');
  await writeTree(workspace, { 'out/a': 'A', 'out/b': 'B', other: 'no' });
  await writeTree(output, { made: 'M' });
  await symlink('/etc/passwd', join(workspace, 'out/leak'));
  await uploadArtifacts(access(address), artifactRoots(output, workspace, ['out', 'none']), signal);
  const kept = await collected(world);
  assert.equal(
    kept.files.map(({ path, bytes }) => [path, bytes]),
    [
      ['made', 1],
      ['out/a', 1],
      ['out/b', 1],
    ],
  );
  assert.is(kept.archive?.complete, true);
  assert.is(kept.archive?.key, 'acme/report/1/default/1.tar.zst');
  assert.is(kept.warnings.length, 2);
});

test('a file that can not be read makes them incomplete; nothing at all is no archive', async (world) => {
  const address = await serve(world, { receive: receiving(world) });
  const [workspace, output] = [join(world.folder, 'workspace'), join(world.folder, 'output')];
  await writeTree(workspace, {});
  await uploadArtifacts(access(address), artifactRoots(output, workspace, ['none']), signal);
  assert.equal(await collected(world), { files: [], warnings: ['artifacts: "none" matches no file'] });
  if (process.getuid?.() === 0) return; // root reads everything
  await writeTree(output, { a: 'A', locked: 'L' });
  await chmod(join(output, 'locked'), 0);
  await uploadArtifacts(access(address), artifactRoots(output, workspace), signal);
  const kept = await collected(world);
  assert.is(kept.archive?.complete, false);
  assert.match(kept.archive?.reason ?? '', '"locked"');
});

test('a store in trouble is tried again, and what never arrived is said', async (world) => {
  let asked = 0;
  const receive = receiving(world);
  const address = await serve(world, {
    async receive(body, given) {
      asked += 1;
      if (asked === 1) throw transientError('StoreUnavailable', 'the store is full');
      return receive?.(body, given);
    },
  });
  const output = join(world.folder, 'output');
  await writeTree(output, { a: 'A' });
  assert.match(
    (await collected(world, { exitCode: 1, message: 'error: the store is full\n' })).archive?.reason ?? '',
    /^they could not be sent: the store is full$/,
  );
  assert.match((await collected(world)).archive?.reason ?? '', 'ended before');
  await uploadArtifacts(access(address), artifactRoots(output, output), signal);
  assert.is(asked, 2);
  assert.is((await collected(world)).archive?.complete, true);
});

test('a hostile archive is refused and nothing of it is kept', async (world) => {
  const address = await serve(world, { receive: receiving(world) });
  const send = (chunks: AsyncIterable<Uint8Array>): Promise<Response> =>
    fetch(`${address}/attempts/acme/report-1-x/artifacts`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${TOKEN}` },
      body: Readable.toWeb(Readable.from(chunks)),
      duplex: 'half',
    });
  const note = { sha256: '', complete: true, warnings: [] };
  const garbage = await send(framed(Readable.from([Buffer.alloc(100_000, 7)]), () => note));
  assert.is(garbage.status, 422);
  const unframedBytes = await send(Readable.from([Buffer.alloc(1_000, 255)]));
  assert.is(unframedBytes.status, 422);
  const other = await send(framed(packTree(entriesOf(file('a', 'A'))), () => ({ ...note, sha256: 'f'.repeat(64) })));
  assert.is(other.status, 422);
  assert.match(await other.text(), 'not what was sent');
  assert.is((await collected(world)).archive?.complete, false);
});

test('frames carry any bytes, the last word, and what went wrong', async () => {
  const chunks = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(300_000, 1)];
  const whole = await buffer(Readable.from(framed(Readable.from(chunks), () => ({ fine: 1 }))));
  const pieces = function* (): Generator<Buffer> {
    for (let at = 0; at < whole.byteLength; at += 1_001) yield whole.subarray(at, at + 1_001);
  };
  const { body, last } = unframed(Readable.from(pieces()));
  assert.ok((await buffer(body)).equals(Buffer.concat(chunks)));
  assert.equal(last(), { fine: 1 });
  for (const cut of [0, 3, 10, whole.byteLength - 1])
    assert.ok(isCoded(await rejection(buffer(unframed(Readable.from([whole.subarray(0, cut)])).body)), 'CutOff'));
});

test.run();
