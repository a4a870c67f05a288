/**
 * Some of the writers of the contended bench, in a process of their own: each has a clone and a ledger of its own, and finishes
 * one run every half second. Sends, for each outcome, the milliseconds from finished to pushed.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGitHttp } from '../../src/git/http.ts';
import { openRemoteBranch } from '../../src/git/remote-branch.ts';
import { openLedger } from '../../src/ledger/writer.ts';
import { runFacts } from './runs.ts';

export interface WritersTask {
  readonly url: string;
  readonly folder: string;
  readonly writers: readonly number[];
  readonly outcomes: number;
  readonly everyMs: number;
}

export interface WritersResult {
  readonly delays: readonly number[];
  readonly pushes: number;
  /** Lost races. */
  readonly retries: number;
  /** How often changes were left for others, and how often another took them in. */
  readonly left: number;
  readonly taken: number;
  readonly errors: readonly string[];
}

const task = JSON.parse(process.argv[2]!) as WritersTask;
const signal = new AbortController().signal;
const http = await createGitHttp({ env: {} });
const delays: number[] = [];
const errors: string[] = [];
let [pushes, retries, left, taken] = [0, 0, 0, 0];

async function write(writer: number): Promise<() => Promise<void>> {
  const gitdir = join(task.folder, `writer-${writer}.git`);
  const branch = await openRemoteBranch({ url: task.url, branch: 'runledger/status', gitdir, http });
  const ledger = openLedger({
    branch,
    author: { name: `writer ${writer}`, email: 'bench@example.com' },
    now: () => Date.now(),
    signal,
    log: (event) => {
      if (event.kind === 'pushed') pushes += 1;
      if (event.kind === 'raced') retries += 1;
      if (event.kind === 'left') left += 1;
      if (event.kind === 'taken') taken += 1;
    },
  });
  await ledger.read(signal);
  return async () => {
    await sleep(Math.random() * task.everyMs);
    const waiting: Promise<unknown>[] = [];
    for (let run = 1; run <= task.outcomes; run += 1) {
      const finished = performance.now();
      const done = ledger.write({ facts: [runFacts(`job-${writer}`, run, Date.now())] }, signal);
      waiting.push(
        done.then(
          () => delays.push(performance.now() - finished),
          (error: unknown) => errors.push(String(error)),
        ),
      );
      await sleep(task.everyMs);
    }
    await Promise.all(waiting);
  };
}

const ready: (() => Promise<void>)[] = [];
for (const writer of task.writers) ready.push(await write(writer));
process.send?.('ready');
process.once('message', () => {
  void Promise.all(ready.map((start) => start())).then(async () => {
    await http.close();
    process.send?.({ delays, pushes, retries, left, taken, errors } satisfies WritersResult, () =>
      process.disconnect(),
    );
  });
});
