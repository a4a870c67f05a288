/** Adds 1 to the number in a file, so many times, each time holding the lock: `node lock-worker.ts LOCK FILE TIMES`. */
import { mkdirSync, rmdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { acquireLock, createProcesses } from '../../src/runner/process/index.ts';
import { HOST, never } from './world.ts';

const [path = '', file = '', times = '0'] = process.argv.slice(2);
const processes = createProcesses(HOST);
for (let turn = 0; turn < Number(times); turn += 1) {
  const lock = await acquireLock(path, {
    processes,
    purpose: 'test',
    now: () => new Date(),
    onWait: () => undefined,
    signal: never,
    timeoutMs: 60_000,
  });
  mkdirSync(`${file}.inside`); // throws when somebody else is inside
  await writeFile(file, String(Number(await readFile(file, 'utf8')) + 1));
  rmdirSync(`${file}.inside`);
  await lock.release();
}
