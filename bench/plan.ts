import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { openTarget } from '../src/cli/compose.ts';
import { openWorkshop } from '../src/cli/workshop.ts';
import type { JobFacts } from '../src/ledger/port.ts';
import type { Observation } from '../src/reconciler/ports.ts';
import { printReport, type Row } from './report.ts';
import { writeRepository } from './support/jobs.ts';

const JOBS = 10_000;
const ROUNDS = 5;
const IO = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
};

/**
 * Planning 10,000 unchanged jobs. Goals: a cold dry run under 3 s and 350 MB; a pass after a one-file change under 100 ms in a
 * process that is already running. Beside it, in the same run: a bare process that only reads the same files and
 * parses their YAML, and `git status` of the same work tree.
 */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'runledger-bench-'));
  try {
    console.log('building what is published …');
    execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
    console.log(`writing ${JOBS} manifests and a ledger that knows them all …`);
    writeRepository(folder, JOBS);
    await recordAll(folder);
    const cold: Sample[] = [];
    const bare: Sample[] = [];
    const status: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      cold.push(measure(folder, ['dist/src/cli/main.js', 'reconcile', folder, '--dry-run', '--output', 'json']));
      bare.push(measure(folder, ['bench/support/bare-parse.ts', folder]));
      const started = performance.now();
      execFileSync('git', ['-C', folder, 'status', '--porcelain'], { stdio: 'ignore' });
      status.push(performance.now() - started);
    }
    const warm = await warmPasses(folder);
    const ms = (samples: readonly Sample[]): readonly number[] => samples.map((sample) => sample.ms);
    const cpu = (samples: readonly Sample[]): readonly number[] => samples.map((sample) => sample.cpuMs);
    const rows: readonly Row[] = [
      { name: 'cold dry run', unit: 'ms', values: ms(cold), goal: 3_000, against: ms(bare) },
      { name: 'cold dry run, processor time', unit: 'ms', values: cpu(cold), against: cpu(bare) },
      { name: 'cold dry run, memory', unit: 'MB', values: cold.map(({ bytes }) => bytes / 1e6), goal: 350 },
      { name: 'reading and parsing alone', unit: 'ms', values: ms(bare) },
      { name: 'reading and parsing, processor time', unit: 'ms', values: cpu(bare) },
      { name: 'git status', unit: 'ms', values: status },
      { name: 'pass after a one-file change', unit: 'ms', values: warm, goal: 100, against: status },
    ];
    printReport('plan', `${JOBS} unchanged jobs of about 40 lines`, rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Sample {
  readonly ms: number;
  /** What it takes on a machine that has other work too; on an idle one it is what counts besides waiting. */
  readonly cpuMs: number;
  /** The largest resident set. */
  readonly bytes: number;
}

function measure(folder: string, args: readonly string[]): Sample {
  const file = join(folder, '.git', 'usage');
  const started = performance.now();
  execFileSync(process.execPath, ['--import', join(import.meta.dirname, 'support/usage.ts'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, USAGE_FILE: file },
  });
  const ms = performance.now() - started;
  return { ms, ...(JSON.parse(readFileSync(file, 'utf8')) as Pick<Sample, 'cpuMs' | 'bytes'>) };
}

/** Makes the ledger say that every job ran once as it is. */
export async function recordAll(folder: string): Promise<void> {
  const signal = new AbortController().signal;
  const repository = await openTarget(folder, {}, IO, signal);
  const workshop = await openWorkshop(repository, {}, IO, () => undefined, signal);
  const { catalog } = await workshop.reconciler.observe(signal);
  const at = new Date().toISOString();
  const times = { queued: at, started: at, finished: at };
  const ending = {
    result: 'succeeded',
    reason: 'Completed',
    message: 'every step ended with 0',
    exitCode: 0,
    times,
  } as const;
  const facts = [...catalog.jobs.values()].map((job): JobFacts => ({
    job: job.name,
    at,
    manifest: {
      state: 'valid',
      path: job.path,
      revision: catalog.revision,
      ...(job.judged ? { judged: job.judged } : {}),
    },
    commit: { digest: job.digest, spec: {} },
    finished: {
      keep: { runs: 30, forMs: 90 * 86_400_000 },
      logs: new Map(),
      outcome: {
        apiVersion: 'runledger.dev/v1',
        kind: 'Outcome',
        job: job.name,
        run: 1,
        ...ending,
        trigger: { kind: 'commit', revision: catalog.revision },
        source: { revision: catalog.revision, path: job.path, digest: job.digest },
        chain: catalog.revision,
        tasks: [{ name: 'default', ...ending, attempts: [] }],
        by: { runner: 'process', version: '0.0.0' },
      },
    },
  }));
  await repository.ledger.write({ facts }, signal);
  await repository.ledger.flush(signal);
  await workshop.close();
}

/** Passes of a process that has planned before and watches the folder; each after one file was changed. */
async function warmPasses(folder: string): Promise<readonly number[]> {
  const stop = new AbortController();
  const repository = await openTarget(folder, {}, IO, stop.signal);
  const workshop = await openWorkshop(repository, {}, IO, () => undefined, stop.signal);
  let told: () => void = () => undefined;
  const watching = repository.source.watch(() => told(), stop.signal);
  const pass = async (): Promise<Observation> => {
    const seen = await workshop.reconciler.observe(stop.signal);
    await workshop.reconciler.plan(seen, { triggers: true, requests: [] });
    return seen;
  };
  await pass();
  // The watcher walks the folder before it hears of changes.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const files = readdirSync(join(folder, 'jobs/007')).slice(0, ROUNDS * 2);
  const times: number[] = [];
  for (const file of files) {
    const changed = new Promise<void>((resolve) => (told = resolve));
    appendFileSync(join(folder, 'jobs/007', file), `# changed\n`);
    await changed;
    const started = performance.now();
    await pass();
    times.push(performance.now() - started);
  }
  stop.abort();
  await watching;
  await workshop.close();
  return times;
}
