/**
 * Reconciles a folder, and is killed at a point of it: `node crash-worker.ts FOLDER POINT`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createRunStore } from '../../src/runner/process/store.ts';
import { statePaths } from '../../src/runner/process/layout.ts';
import type { Runner } from '../../src/runner/port.ts';
import { openKeeper } from './house.ts';

const [folder = '', point = ''] = process.argv.slice(2);

const die = (): Promise<never> => {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
};
const reach = async (name: string): Promise<void> => {
  if (point === name) await die();
};

const around = (inner: Runner, stateDir: string): Runner => ({
  ...inner,
  async claim(record, signal) {
    await reach('before the claim');
    const result = await inner.claim(record, signal);
    await reach('after the claim');
    return result;
  },
  async start(record, files, attempts, signal, isRecorded) {
    const [first] = attempts;
    if (point === 'before the attempt' || point === 'after the attempt was made')
      await inner.start(record, files, [], signal, isRecorded);
    await reach('before the attempt');
    if (point === 'after the attempt was made' && first) {
      await createRunStore(statePaths(stateDir), undefined).makeAttempt(record, {
        task: first.task.name,
        number: first.number,
      });
      await die();
    }
    await inner.start(record, files, attempts, signal, isRecorded);
    if (point !== 'while it runs') return;
    while (!existsSync(join(folder, '..', 'log'))) await sleep(10);
    await die();
  },
});

const keeper = await openKeeper(folder, {
  around,
  async reached(name) {
    if (name === 'beforeRecord') await reach('before the record');
    if (name === 'afterRecord') await reach('after the record');
  },
});
await keeper.settle();
