import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { acquireLock, createProcesses, type LockHolder, type LockOptions } from '../../src/runner/process/index.ts';
import { HOST, never } from './world.ts';

const processes = createProcesses(HOST);
const options = (more: Partial<LockOptions> = {}): LockOptions => ({
  processes,
  purpose: 'runledger reconcile',
  now: () => new Date('2026-11-20T01:30:00Z'),
  onWait: () => undefined,
  signal: never,
  timeoutMs: 60_000,
  ...more,
});

async function withFolder(work: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'runledger-lock-'));
  try {
    await work(join(folder, 'locks', 'reconcile'), folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function placeHolder(path: string, more: Partial<LockHolder>): Promise<void> {
  await mkdir(path, { recursive: true });
  const holder = { ...processes.self, id: 'dead-one', purpose: 'runledger reconcile', since: 'then', ...more };
  await writeFile(join(path, 'holder.json'), JSON.stringify(holder));
}

const lock = suite('lock');

lock('is held by one at a time, and waiting says by whom', () =>
  withFolder(async (path, folder) => {
    const first = await acquireLock(path, options());
    const waited: LockHolder[] = [];
    let second = false;
    const waiting = acquireLock(path, options({ onWait: (holder) => waited.push(holder) })).then((held) => {
      second = true;
      return held;
    });
    while (waited.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.is(second, false);
    assert.is(waited[0]?.pid, process.pid);
    assert.is(waited[0]?.purpose, 'runledger reconcile');
    await first.release();
    await first.release();
    await (await waiting).release();
    assert.is(waited.length, 1);
    assert.equal(await readdir(join(folder, 'locks')), []);
  }),
);

lock('gives up after its time, naming the holder', () =>
  withFolder(async (path) => {
    const held = await acquireLock(path, options());
    try {
      await acquireLock(path, options({ timeoutMs: 0 }));
      assert.unreachable();
    } catch (error) {
      assert.ok(isCoded(error, 'LockHeld'), String(error));
      assert.match(error.message, `process ${process.pid} on ${HOST}, since 2026-11-20T01:30:00.000Z`);
    }
    const stop = new AbortController();
    const waiting = acquireLock(path, options({ signal: stop.signal }));
    stop.abort(new Error('enough'));
    try {
      await waiting;
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).message, 'enough');
    }
    await held.release();
  }),
);

lock('of a dead process, or of one whose number was given away, is taken over', () =>
  withFolder(async (path, folder) => {
    const dead = spawn('true');
    await new Promise((resolve) => dead.once('exit', resolve));
    for (const former of [{ pid: dead.pid ?? 0 }, { started: 'another time' }, { boot: 'an earlier boot' }]) {
      await placeHolder(path, former);
      await (await acquireLock(path, options({ timeoutMs: 0 }))).release();
    }
    assert.equal(await readdir(join(folder, 'locks')), []);
  }),
);

lock('of a process that can not be asked is left alone', () =>
  withFolder(async (path) => {
    await placeHolder(path, { boot: 'another', host: 'another-host' });
    try {
      await acquireLock(path, options({ timeoutMs: 0 }));
      assert.unreachable();
    } catch (error) {
      assert.ok(isCoded(error, 'LockHeld'), String(error));
    }
  }),
);

lock('keeps many processes apart, also when they find it left by a dead one', () =>
  withFolder(async (path, folder) => {
    const dead = spawn('true');
    await new Promise((resolve) => dead.once('exit', resolve));
    await placeHolder(path, { pid: dead.pid ?? 0 });
    const counter = join(folder, 'counter');
    await writeFile(counter, '0');
    const worker = fileURLToPath(new URL('lock-worker.ts', import.meta.url));
    const args = ['--disable-warning=ExperimentalWarning', worker, path, counter, '25'];
    const all = await Promise.all(Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, args)));
    assert.equal(
      all.map(({ stdout }) => stdout),
      ['', '', '', ''],
    );
    assert.is(await readFile(counter, 'utf8'), '100');
    assert.equal(await readdir(join(folder, 'locks')), []);
  }),
);

lock.run();
