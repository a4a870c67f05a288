/**
 * The same as ledger-writers.ts with the real git: each writer commits all that has finished by then, pushes, and after a
 * lost race rebases and pushes again, with a pause between as people script it. It writes only files of its own, so that
 * a rebase never conflicts.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode } from '../../src/ledger/format.ts';
import { outcomePath } from '../../src/ledger/layout.ts';
import { git } from '../../test/support/git.ts';
import type { WritersResult, WritersTask } from './ledger-writers.ts';
import { runFacts } from './runs.ts';

const LIMIT_MS = 120_000;
const task = JSON.parse(process.argv[2]!) as WritersTask;
const delays: number[] = [];
let [pushes, retries] = [0, 0];

async function writer(number: number): Promise<() => Promise<void>> {
  const directory = join(task.folder, `native-${number}`);
  await git(task.folder, 'clone', '--quiet', '--branch', 'runledger/status', '--single-branch', task.url, directory);
  const waiting: { readonly finished: number; readonly run: number }[] = [];
  const pushAll = async (deadline: number): Promise<void> => {
    const written: typeof waiting = [];
    for (let tries = 1; performance.now() < deadline; tries += 1) {
      const fresh = waiting.splice(0);
      for (const { run } of fresh) await writeRun(directory, `job-${number}`, run);
      written.push(...fresh);
      if (fresh.length > 0) {
        await git(directory, 'add', '--all');
        await git(directory, 'commit', '--quiet', '--message', `job-${number}: ${fresh.length} runs`);
      }
      const accepted = await git(directory, 'push', '--quiet', 'origin', 'HEAD').then(
        () => true,
        () => false,
      );
      if (accepted) {
        pushes += 1;
        for (const { finished } of written) delays.push(performance.now() - finished);
        return;
      }
      retries += 1;
      await sleep(Math.random() * Math.min(1500, 100 * tries));
      await git(directory, 'pull', '--quiet', '--rebase').catch(() =>
        git(directory, 'rebase', '--abort').catch(() => ''),
      );
    }
  };
  return async () => {
    await sleep(Math.random() * task.everyMs);
    const deadline = performance.now() + LIMIT_MS;
    const state = { ended: false };
    const pusher = (async () => {
      while (!state.ended || waiting.length > 0) {
        if (waiting.length > 0 && performance.now() < deadline) await pushAll(deadline);
        else if (state.ended) return;
        else await sleep(20);
      }
    })();
    for (let run = 1; run <= task.outcomes; run += 1) {
      waiting.push({ finished: performance.now(), run });
      await sleep(task.everyMs);
    }
    state.ended = true;
    await pusher;
  };
}

async function writeRun(directory: string, job: string, run: number): Promise<void> {
  const { finished } = runFacts(job, run, Date.now());
  const files = new Map(finished!.logs);
  files.set(outcomePath(job, run), encode('outcome', finished!.outcome, ''));
  files.set(`${dirname(outcomePath(job, run))}/status.yaml`, Buffer.from(`job: ${job}\nnextRun: ${run + 1}\n`));
  for (const [path, content] of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
}

const ready: (() => Promise<void>)[] = [];
for (const number of task.writers) ready.push(await writer(number));
process.send?.('ready');
process.once('message', () => {
  void Promise.all(ready.map((start) => start())).then(() => {
    const result: WritersResult = { delays, pushes, retries, left: 0, taken: 0, errors: [] };
    process.send?.(result, () => process.disconnect());
  });
});
