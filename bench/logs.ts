import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRecorder } from '../src/logs/recorder.ts';
import { createBoundedLog } from '../src/logs/bound.ts';
import { stampLines } from '../src/logs/stamp.ts';
import { printReport, quantile, type Row } from './report.ts';
import { logCorpus, secretsOf, seeded } from './support/log-corpus.ts';

const MEGABYTES = 32;
const ROUNDS = 9;
const CHUNK = 64 * 1024;
const LIMITS = { maxBytes: 256 * 1024, maxLine: 16 * 1024 };

/**
 * The log pipeline on realistic output (lines, directives, redaction of every form of every secret, time stamps, head and tail) with
 * 20 and 1,000 secrets, beside a pass-through that only stamps every line and keeps head and tail, and beside a Go program with
 * `strings.ReplaceAll` per line and secret, which looks for the plain values alone. Goals: 150 MB/s with 20 secrets, a third of
 * pass-through with 1,000, and the same memory for 1 GB as for 10 MB.
 */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'runledger-bench-'));
  try {
    const rows: Row[] = [];
    const goProgram = buildGo(folder);
    const passed: number[] = [];
    for (const count of [20, 1_000]) {
      const random = seeded(count);
      const secrets = secretsOf(count, random);
      const corpus = logCorpus(MEGABYTES * 1e6, secrets, random);
      const files = { log: join(folder, `${count}.log`), secrets: join(folder, `${count}.json`) };
      writeFileSync(files.log, corpus);
      writeFileSync(files.secrets, JSON.stringify(secrets));
      const pipeline: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        passed.push(rate(corpus, passThrough()));
        pipeline.push(rate(corpus, throughPipeline(secrets)));
      }
      const go = goProgram === undefined ? undefined : goRates(goProgram, files, count > 100 ? 2 : 5, corpus.length);
      const goal = count === 20 ? 150 : quantile(passed, 0.5) / 3;
      const shared = { name: `pipeline, ${count} secrets`, unit: 'MB/s', values: pipeline, goal, atLeast: true };
      rows.push(go ? { ...shared, against: go } : shared);
      rows.push({
        name: go ? `Go, ReplaceAll of ${count} values` : 'Go: not on this machine',
        unit: 'MB/s',
        values: go ?? [],
      });
      if (count === 20) rows.push(...memory(files, folder));
    }
    rows.unshift({ name: 'pass-through', unit: 'MB/s', values: passed });
    printReport('logs', `${MEGABYTES} MB of output in chunks of 64 KiB; ratios are against Go`, rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Take = (chunk: Buffer) => void;

function rate(corpus: Buffer, take: Take): number {
  const began = performance.now();
  for (let at = 0; at < corpus.length; at += CHUNK) take(corpus.subarray(at, at + CHUNK));
  return corpus.length / 1e3 / (performance.now() - began);
}

function throughPipeline(secrets: readonly string[]): Take {
  const recorder = createRecorder({
    secrets: secrets.map((value, index) => ({ label: `secret ${index}`, value })),
    limits: LIMITS,
    now: () => new Date(),
  });
  return (chunk) => recorder.write('run', 'stdout', chunk);
}

/** Cuts into lines, stamps each of them and keeps head and tail: the plain way, without a look at anything. */
function passThrough(): Take {
  const log = createBoundedLog(LIMITS.maxBytes);
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(0x0a) + 1;
    rest = bytes.subarray(end);
    const prefix = Buffer.from(`${new Date().toISOString()} run stdout `);
    log.push(stampLines(bytes.subarray(0, end), prefix));
  };
}

function buildGo(folder: string): string | undefined {
  const program = join(folder, 'replace-all');
  try {
    execFileSync('go', ['build', '-o', program, join(import.meta.dirname, 'support/replace-all.go')], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, GOFLAGS: '-mod=mod', GO111MODULE: 'off' },
    });
    return program;
  } catch {
    return undefined;
  }
}

interface Files {
  readonly log: string;
  readonly secrets: string;
}

function goRates(program: string, { log, secrets }: Files, rounds: number, bytes: number): number[] {
  const answer = execFileSync(program, [log, secrets, String(rounds)], { encoding: 'utf8' });
  return (JSON.parse(answer) as number[]).map((seconds) => bytes / 1e6 / seconds);
}

function memory({ log, secrets }: Files, folder: string): Row[] {
  const file = join(folder, 'rss');
  const measured = (megabytes: number): number => {
    const support = join(import.meta.dirname, 'support');
    execFileSync(
      process.execPath,
      ['--import', join(support, 'usage.ts'), join(support, 'log-memory.ts'), log, secrets, String(megabytes)],
      {
        env: { ...process.env, USAGE_FILE: file },
        stdio: 'inherit',
      },
    );
    return (JSON.parse(readFileSync(file, 'utf8')) as { bytes: number }).bytes / 1e6;
  };
  const small = [10, 10, 10].map(measured);
  const large = [1_000, 1_000, 1_000].map(measured);
  // Flat: the collector of garbage has room to breathe, and that room does not grow with the output.
  return [
    { name: 'memory, 10 MB', unit: 'MB', values: small },
    { name: 'memory, 1 GB', unit: 'MB', values: large, goal: quantile(small, 0.5) * 1.25, against: small },
  ];
}
