import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDirectoryStore } from '../../src/artifacts/directory-store.ts';
import type { TreeEntry } from '../../src/artifacts/tree.ts';
import { keeperOf } from '../../src/cli/workspace.ts';
import { tasksOf } from '../../src/job/fan-out.ts';
import type { AttemptState, LiveRun, OutputLine, RunFile, RunKey, RunRecord } from '../../src/runner/port.ts';
import { createProcessRunner, type ProcessRunner, type Secrets } from '../../src/runner/process/index.ts';

export const HOST = 'test-host';
const REVISION = '4f0c'.repeat(10);

/** A planned run with this spec. */
export const recordOf = (spec: RunRecord['spec'], more: Partial<RunRecord> = {}): RunRecord => ({
  job: 'report',
  run: 1,
  trigger: { kind: 'commit', revision: REVISION },
  revision: REVISION,
  path: 'jobs/report.yaml',
  digest: `v1:${'ab'.repeat(32)}`,
  covered: {},
  spec,
  labels: {},
  params: {},
  args: [],
  chain: REVISION,
  queued: '2026-11-20T01:30:00.000Z',
  ...more,
});

export interface World {
  readonly dir: string;
  readonly stateDir: string;
  readonly lines: OutputLine[];
  readonly changes: RunKey[];
  /** A runner of this process on the world's state. */
  runner(options?: { secrets?: Secrets; env?: Record<string, string>; observe?: boolean }): ProcessRunner;
  /** Where its runners keep artifacts; has to be made. */
  readonly store: string;
  /** What a revision has, for jobs that check it out. */
  revision: () => AsyncIterable<TreeEntry>;
  /** Starts a run, waits for its end and returns its attempt. */
  run(spec: RunRecord['spec'], more?: RunOptions): Promise<Ended>;
}

export interface RunOptions {
  readonly record?: Partial<RunRecord>;
  readonly files?: readonly RunFile[];
  readonly secrets?: Record<string, Record<string, string>>;
  readonly env?: Record<string, string>;
}

export interface Ended extends AttemptState {
  /** The log without times. */
  readonly text: string;
}

export const secretsOf = (plain: Record<string, Record<string, string>>): Secrets =>
  new Map(Object.entries(plain).map(([name, keys]) => [name, new Map(Object.entries(keys))]));

export const never = new AbortController().signal;

/** Looks until the answer is neither undefined nor false; gives up after half a minute. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  for (let tries = 0; tries < 1500; tries += 1) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(20);
  }
  throw new Error(`waited in vain until ${what}`);
}

export const textOf = (log: Uint8Array): string =>
  Buffer.from(log)
    .toString()
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /gm, '');

/** Claims a run and makes the first attempt of each of its tasks; `exists`: it is claimed already, and nothing is made. */
export async function begin(
  runner: ProcessRunner,
  record: RunRecord,
  files: readonly RunFile[] = [],
): Promise<'claimed' | 'exists'> {
  const claimed = await runner.claim(record, never);
  const first = tasksOf(record.spec).map((task) => ({ task, number: 1 }));
  if (claimed === 'claimed') await runner.start(record, files, first, never);
  return claimed;
}

/** `waiting` without attempts; else `running` until all that were made have ended. */
export const phaseOf = ({ attempts }: LiveRun): string =>
  attempts.length === 0 ? 'waiting' : attempts.every(({ ending }) => ending !== null) ? 'ended' : 'running';

export function endedAttempt(runs: readonly LiveRun[], key: RunKey): Ended | undefined {
  const run = runs.find(({ record }) => record.job === key.job && record.run === key.run);
  const attempt = run && phaseOf(run) === 'ended' ? run.attempts.at(-1) : undefined;
  return attempt && { ...attempt, text: textOf(attempt.output?.log ?? new Uint8Array()) };
}

export const waitForEnd = (runner: ProcessRunner, key: RunKey): Promise<Ended> =>
  until(`${key.job} #${key.run} ended`, async () => endedAttempt(await runner.list(never), key));

/** Whether a process is there and still runs. */
export function isAlive(pid: number): boolean {
  const state = execFileSync('sh', ['-c', `ps -o stat= -p ${pid} || true`], { encoding: 'utf8' }).trim();
  return state !== '' && !state.startsWith('Z');
}

/** The number in a file that a step writes, as soon as it is there. */
export const pidIn = (path: string): Promise<number> =>
  until(`there is a number in ${path}`, async () => {
    const text = await readFile(path, 'utf8').catch(() => '');
    return /^\d+\n/.test(text) && Number(text);
  });

export async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'runledger-test-'));
  const stateDir = join(dir, 'state');
  const lines: OutputLine[] = [];
  const changes: RunKey[] = [];
  const runners: ProcessRunner[] = [];
  const store = join(dir, 'store');
  const world: World = {
    dir,
    store,
    async *revision() {},
    stateDir,
    lines,
    changes,
    runner({ secrets = new Map(), env = { PATH: process.env['PATH'] ?? '' }, observe = false } = {}) {
      const events = { changed: (key: RunKey) => changes.push(key), output: (line: OutputLine) => lines.push(line) };
      const runner = createProcessRunner({
        stateDir,
        secrets,
        events,
        env,
        now: () => new Date(),
        hostname: HOST,
        observe,
        keep: keeperOf('acme', async () => createDirectoryStore(store, Date.now)),
        checkout: () => world.revision(),
      });
      runners.push(runner);
      return runner;
    },
    async run(spec, { record: more, files = [], secrets = {}, env } = {}) {
      const runner = world.runner({ secrets: secretsOf(secrets), ...(env ? { env } : {}) });
      const record = recordOf(spec, more);
      const claimed = await begin(runner, record, files);
      if (claimed !== 'claimed') throw new Error(`not claimed: ${claimed}`);
      const ended = await waitForEnd(runner, record);
      await runner.release([record], never);
      return ended;
    },
  };
  try {
    await work(world);
  } finally {
    await Promise.all(runners.map((runner) => runner.close('CancelRequested')));
    await rm(dir, { recursive: true, force: true });
  }
}
