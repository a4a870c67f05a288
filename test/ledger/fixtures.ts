import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalBranch } from '../../src/git/local-branch.ts';
import type { Branch } from '../../src/git/port.ts';
import { logPath } from '../../src/ledger/layout.ts';
import type { JobFacts, Ledger } from '../../src/ledger/port.ts';
import { openLedger, type LedgerOptions } from '../../src/ledger/writer.ts';
import type { JobStatus, Outcome, Result } from '../../src/schemas/index.ts';

export const REVISION = '4f0c2d9be1a7365c8d04f2b1907ae6538cd41f2a';
export const AUTHOR = { name: 'runledger', email: 'bot@example.com' };
export const START = Date.UTC(2026, 10, 20, 1, 30, 0);
export const DAY = 86_400_000;
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
export const digestOf = (text: string): string => `v1:${sha256(text)}`;
export const at = (ms: number): string => new Date(ms).toISOString();
export const never = (): AbortSignal => new AbortController().signal;

export interface OutcomeWish {
  readonly job?: string;
  readonly run?: number;
  readonly result?: Result;
  readonly message?: string;
  readonly finished?: number;
  readonly trigger?: Outcome['trigger'];
  readonly tookMs?: number;
}

/** An outcome with everything that the schema asks for. */
export function outcomeOf(wish: OutcomeWish = {}): Outcome {
  const { job = 'nightly-report', run = 1, result = 'succeeded', finished = START + run * 600_000 } = wish;
  const well = result === 'succeeded';
  const verdict = {
    result,
    reason: well ? ('Completed' as const) : ('ExitCode' as const),
    message: wish.message ?? (well ? 'all steps succeeded' : 'step "load" ended with exit code 3'),
    exitCode: well ? 0 : 3,
  };
  const started = finished - (wish.tookMs ?? 192_000);
  const times = { queued: at(started - 1000), started: at(started), finished: at(finished) };
  const text = logText(job, run);
  const log = { path: logPath(job, run, 1), bytes: text.length, sha256: sha256(text), complete: true };
  return {
    apiVersion: 'runledger.dev/v1',
    kind: 'Outcome',
    job,
    run,
    ...verdict,
    trigger: wish.trigger ?? { kind: 'commit', revision: REVISION },
    source: { revision: REVISION, path: `jobs/${job}.yaml`, digest: digestOf(`${job}/${run}`) },
    times,
    vars: { rows: '1204' },
    log,
    tasks: [{ name: 'default', ...verdict, times, attempts: [{ number: 1, ...verdict, log, times }] }],
    params: {},
    chain: REVISION,
    by: { runner: 'process', version: '0.1.0', host: 'workstation' },
  };
}

export const logText = (job: string, run: number): string => `2026-11-20T01:30:00Z main stdout ${job} run ${run}\n`;

/** The facts of a finished run of a valid job. */
export function finishedFacts(wish: OutcomeWish & { readonly keep?: { runs: number; forMs: number } } = {}): JobFacts {
  const outcome = outcomeOf(wish);
  return {
    job: outcome.job,
    at: outcome.times.finished,
    manifest: { state: 'valid', path: outcome.source.path, revision: outcome.source.revision },
    active: null,
    commit: { digest: outcome.source.digest, spec: { image: 'alpine:3.20', run: `./report ${outcome.run}` } },
    finished: {
      outcome,
      logs: new Map([[logPath(outcome.job, outcome.run, 1), Buffer.from(logText(outcome.job, outcome.run))]]),
      keep: wish.keep ?? { runs: 50, forMs: 180 * DAY },
    },
  };
}

/** The facts of a manifest alone. */
export function manifestFacts(
  job: string,
  state: 'valid' | 'invalid' | 'suspended' | 'removed',
  time = START,
  revision = REVISION,
): JobFacts {
  const problems = [
    { file: `jobs/${job}.yaml`, line: 12, column: 7, message: '"5 minutes" is not a duration; write 5m' },
  ];
  return {
    job,
    at: at(time),
    manifest: { state, path: `jobs/${job}.yaml`, revision, ...(state === 'invalid' ? { problems } : {}) },
  };
}

export interface Repository {
  readonly dir: string;
  git(...args: readonly string[]): string;
  branch(): Promise<Branch>;
  /** A file of the ledger as the real git shows it. */
  show(path: string): string;
  files(): readonly string[];
  subjects(): readonly string[];
  remove(): Promise<void>;
}

export const LEDGER_BRANCH = 'runledger/status';

/** A new repository in a temporary folder. */
export async function newRepository(): Promise<Repository> {
  const dir = await mkdtemp(join(tmpdir(), 'runledger-ledger-'));
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-C', dir, ...args], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  git('init', '-q');
  const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');
  return {
    dir,
    git,
    branch: () => openLocalBranch({ gitdir: join(dir, '.git'), branch: LEDGER_BRANCH }),
    show: (path) => git('show', `${LEDGER_BRANCH}:${path}`),
    files: () => lines(git('ls-tree', '-r', '--name-only', LEDGER_BRANCH)),
    subjects: () => lines(git('log', '--format=%s', LEDGER_BRANCH)),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** A ledger on a branch with a clock that stands still unless the test moves it. */
export function ledgerOn(branch: Branch, more: Partial<LedgerOptions> = {}): Ledger {
  return openLedger({ branch, author: AUTHOR, now: () => START, signal: never(), ...more });
}

/** Statuses of jobs that have run once each: job-0, job-1, … */
export function manyStatuses(count: number, status: (job: string, index: number) => JobStatus): Map<string, JobStatus> {
  return new Map(Array.from({ length: count }, (_, index) => [`job-${index}`, status(`job-${index}`, index)]));
}
