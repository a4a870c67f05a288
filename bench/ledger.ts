import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createGitHttp, type GitHttp } from '../src/git/http.ts';
import { openLocalBranch } from '../src/git/local-branch.ts';
import type { Branch } from '../src/git/port.ts';
import { openRemoteBranch } from '../src/git/remote-branch.ts';
import { outcomePath } from '../src/ledger/layout.ts';
import type { Ledger } from '../src/ledger/port.ts';
import { openLedger } from '../src/ledger/writer.ts';
import { git } from '../test/support/git.ts';
import { printReport, quantile, type Row } from './report.ts';
import { runWriters, seededRepository, startServer } from './support/contended.ts';
import { runFacts } from './support/runs.ts';

const BRANCH = 'runledger/status';
const WRITERS = 50;
const OUTCOMES = 20;
const JOBS = 10_000;
const RUNS = 5;
const COMMITS = 20;
const GROWTH_RUNS = 1000;
/** Far from the runs that a ledger is filled with. */
const START = Date.UTC(2026, 0, 1);

const never = new AbortController().signal;

/**
 * The ledger under load. Goals: of 50 writers to one branch over http, each with a clone of its own and two outcomes a
 * second, all 1,000 outcomes are there and 99 of 100 are pushed within 10 s; in a ledger of 10,000 jobs and 50,000 runs,
 * committing and pushing one run takes under 300 ms, and at most twice what it takes in an empty ledger. Beside each, the
 * real git does the same work in the same run. An argument picks a part: `contended`, `large`, `growth`.
 */
export async function run(args: readonly string[] = []): Promise<void> {
  const wanted = (part: string): boolean => args.length === 0 || args.includes(part);
  const folder = await mkdtemp(join(tmpdir(), 'runledger-bench-'));
  const server = await startServer(join(folder, 'remote'));
  const http = await createGitHttp({ env: {} });
  const bench: Bench = { folder, url: server.url, http };
  try {
    const rows: Row[] = [];
    if (wanted('contended')) rows.push(...(await contended(bench)));
    if (wanted('large')) rows.push(...(await large(bench)));
    if (wanted('growth')) rows.push(...(await growth(bench)));
    printReport('ledger', `${WRITERS} writers at once; a ledger of ${JOBS} jobs and ${JOBS * RUNS} runs`, rows);
  } finally {
    await http.close();
    server.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

interface Bench {
  readonly folder: string;
  readonly url: string;
  readonly http: GitHttp;
}

const ledgerOn = (branch: Branch): Ledger =>
  openLedger({ branch, author: { name: 'bench', email: 'bench@example.com' }, now: () => Date.now(), signal: never });

async function contended({ folder, url }: Bench): Promise<readonly Row[]> {
  const task = { outcomes: OUTCOMES, everyMs: 500 };
  const ours = await seededRepository(join(folder, 'remote'), 'ours.git');
  console.log(`${WRITERS} writers …`);
  const result = await runWriters('ledger-writers.ts', WRITERS, 4, { ...task, url: `${url}/ours.git`, folder });
  const files = (await git(ours, 'ls-tree', '-r', '--name-only', BRANCH)).split('\n');
  const present = files.filter((file) => /\/\d+\.yaml$/.test(file)).length;
  await git(ours, 'fsck', '--strict', '--no-dangling');
  for (const error of result.errors.slice(0, 3)) console.log(error);

  const theirs = await seededRepository(join(folder, 'remote'), 'native.git');
  await git(theirs, 'branch', BRANCH, 'main');
  console.log(`${WRITERS} writers with the real git, for two minutes at most …`);
  const native = await runWriters('native-writers.ts', WRITERS, 4, { ...task, url: `${url}/native.git`, folder });
  return [
    { name: 'outcomes in the ledger', unit: 'runs', values: [present], goal: WRITERS * OUTCOMES, atLeast: true },
    {
      name: 'finished to pushed',
      unit: 'ms',
      values: result.delays,
      goal: 10_000,
      judge: 'p99',
      against: native.delays,
    },
    { name: 'pushes, lost races', unit: '', values: [result.pushes, result.retries] },
    { name: 'left for others, taken in by others', unit: '', values: [result.left, result.taken] },
    { name: 'git: outcomes pushed within 2 min', unit: 'runs', values: [native.delays.length] },
    { name: 'git: finished to pushed', unit: 'ms', values: native.delays },
    { name: 'git: pushes, lost races', unit: '', values: [native.pushes, native.retries] },
  ];
}

async function timed<T>(times: number[], work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  times.push(performance.now() - started);
  return result;
}

async function fill(gitdir: string): Promise<void> {
  console.log(`writing a ledger of ${JOBS} jobs and ${JOBS * RUNS} runs …`);
  const ledger = ledgerOn(await openLocalBranch({ gitdir, branch: BRANCH }));
  for (let first = 0; first < JOBS; first += 1000) {
    const facts = Array.from({ length: 1000 * RUNS }, (_, index) => {
      const [job, run] = [first + Math.floor(index / RUNS), (index % RUNS) + 1];
      return runFacts(`job-${job}`, run, START + job * 1000 + run * 60_000);
    });
    await ledger.write({ facts }, never);
  }
  await ledger.flush(never);
  await git(gitdir, 'repack', '-adq');
}

async function large(bench: Bench): Promise<readonly Row[]> {
  const { folder, url, http } = bench;
  const root = join(folder, 'remote');
  const [big, small] = [await seededRepository(root, 'big.git'), await seededRepository(root, 'small.git')];
  await fill(big);
  await ledgerOn(await openLocalBranch({ gitdir: small, branch: BRANCH })).write(
    { facts: [runFacts('job-0', 1, START)] },
    never,
  );

  const times = { clone: [], read: [], push: [], pushSmall: [], local: [], localSmall: [], refresh: [] } as Record<
    string,
    number[]
  >;
  const remote = (name: string): Promise<Branch> =>
    openRemoteBranch({ url: `${url}/${name}`, branch: BRANCH, gitdir: join(folder, `clone-${name}`), http });
  const pushed = ledgerOn(await remote('big.git'));
  const pushedSmall = ledgerOn(await remote('small.git'));
  console.log('cloning, reading, committing …');
  await timed(times['clone']!, () => pushed.read(never));
  await pushedSmall.read(never);
  const local = ledgerOn(await openLocalBranch({ gitdir: big, branch: BRANCH }));
  const localSmall = ledgerOn(await openLocalBranch({ gitdir: small, branch: BRANCH }));
  const watcher = ledgerOn(await openLocalBranch({ gitdir: big, branch: BRANCH }));
  await timed(times['read']!, () => watcher.read(never));
  await commitRuns(
    [
      ['push', pushed],
      ['pushSmall', pushedSmall],
    ],
    times,
    100,
  );
  await commitRuns(
    [
      ['local', local],
      ['localSmall', localSmall],
    ],
    times,
    200,
    async () => {
      await timed(times['refresh']!, async () => (await watcher.read(never)).statuses.size);
    },
  );
  const check: number[] = [];
  for (let round = 0; round < 5; round += 1) await timed(check, () => connectivityCheck(big));
  const native = await nativeCommits(bench, ['big.git', 'small.git']);
  return [
    {
      name: 'large ledger, over http: commit and push one run',
      unit: 'ms',
      values: times['push']!,
      goal: 300,
      against: native['big.git']!,
    },
    { name: '  the same in an empty ledger', unit: 'ms', values: times['pushSmall']!, against: native['small.git']! },
    { name: '  large against empty', unit: '×', values: [ratio(times['push']!, times['pushSmall']!)], goal: 2 },
    { name: '  of it, what git-receive-pack checks', unit: 'ms', values: check },
    {
      name: '  large against empty, but for that',
      unit: '×',
      values: [(quantile(times['push']!, 0.5) - quantile(check, 0.5)) / quantile(times['pushSmall']!, 0.5)],
    },
    { name: 'large ledger, local: commit one run', unit: 'ms', values: times['local']!, goal: 300 },
    { name: '  the same in an empty ledger', unit: 'ms', values: times['localSmall']! },
    { name: '  large against empty', unit: '×', values: [ratio(times['local']!, times['localSmall']!)], goal: 2 },
    { name: 'git: add, commit, push one run, large', unit: 'ms', values: native['big.git']! },
    { name: 'git: the same in an empty ledger', unit: 'ms', values: native['small.git']! },
    { name: 'git: large against empty', unit: '×', values: [ratio(native['big.git']!, native['small.git']!)] },
    { name: 'reading 10,000 statuses for the first time', unit: 'ms', values: times['read']!, goal: 700 },
    { name: 'reading again after a commit of one run', unit: 'ms', values: times['refresh']! },
    { name: 'first clone over http, and reading it', unit: 'ms', values: times['clone']!, against: native['clone']! },
    { name: 'git: clone', unit: 'ms', values: native['clone']! },
  ];
}

/** What a server does on every push, whoever pushes: it walks the trees of the head that was there to see what is new. */
async function connectivityCheck(gitdir: string): Promise<void> {
  await git(gitdir, 'rev-list', '--objects', '--quiet', BRANCH, '--not', `${BRANCH}~1`);
}

/** One run after the other, in turn into each ledger; the first commit, which takes the README along, does not count. */
async function commitRuns(
  ledgers: readonly (readonly [string, Ledger])[],
  times: Record<string, number[]>,
  firstRun: number,
  between: () => Promise<void> = async () => undefined,
): Promise<void> {
  for (let index = 0; index <= COMMITS; index += 1) {
    for (const [name, ledger] of ledgers) {
      const facts = [runFacts(`job-${index * 37}`, firstRun + index, START + index)];
      await timed(index === 0 ? [] : times[name]!, () => ledger.write({ facts }, never));
    }
    await between();
  }
}

/** What a script with the real git does for a run: write the outcome, the log and the status, add, commit, push. */
async function nativeCommits({ folder, url }: Bench, names: readonly string[]): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = { clone: [] };
  for (const name of names) {
    const directory = join(folder, `native-${name}`);
    const clone = (): Promise<string> =>
      git(folder, 'clone', '--quiet', '--depth', '1', '--branch', BRANCH, `${url}/${name}`, directory);
    await timed(name === names[0] ? times['clone']! : [], clone);
    const own: number[] = (times[name] = []);
    for (let index = 0; index < COMMITS; index += 1) {
      const facts = runFacts(`job-${index * 37}`, 300 + index, START + index);
      const outcome = outcomePath(facts.job, 300 + index);
      const files = new Map<string, string | Uint8Array>(facts.finished!.logs);
      files.set(outcome, JSON.stringify(facts.finished!.outcome, null, 2));
      files.set(`${dirname(outcome)}/status.yaml`, JSON.stringify({ job: facts.job, nextRun: 301 + index }));
      await timed(own, async () => {
        for (const [path, content] of files) {
          await mkdir(dirname(join(directory, path)), { recursive: true });
          await writeFile(join(directory, path), content);
        }
        await git(directory, 'add', ...files.keys());
        await git(directory, 'commit', '--quiet', '--message', `${facts.job} ran`);
        await git(directory, 'push', '--quiet', 'origin', `HEAD:${BRANCH}`);
      });
    }
  }
  return times;
}

/** How many bytes a clone that has `before` gets when it fetches the branch. */
function fetchedBytes(gitdir: string, before: string): number {
  const command = `git -C ${gitdir} pack-objects --revs --thin --stdout -q | wc -c`;
  return Number(execFileSync('sh', ['-c', command], { input: `${BRANCH}\n^${before}\n`, encoding: 'utf8' }));
}

async function growth({ folder }: Bench): Promise<readonly Row[]> {
  const grown = async (jobs: number, together: number): Promise<number> => {
    const gitdir = await seededRepository(join(folder, 'remote'), `growth-${jobs}-${together}.git`);
    const ledger = ledgerOn(await openLocalBranch({ gitdir, branch: BRANCH }));
    await ledger.write(
      { facts: Array.from({ length: jobs }, (_, job) => runFacts(`job-${job}`, 1, START + job)) },
      never,
    );
    const before = await git(gitdir, 'rev-parse', BRANCH);
    for (let done = 0; done < GROWTH_RUNS; done += together) {
      const facts = Array.from({ length: together }, (_, index) => {
        const job = (done + index) * 7;
        return runFacts(`job-${job % jobs}`, 2 + Math.floor((done + index) / jobs), START + 1e8 + job * 1000);
      });
      await ledger.write({ facts }, never);
    }
    return fetchedBytes(gitdir, before) / 1e6;
  };
  console.log('growing …');
  return [
    {
      name: `clone grows per ${GROWTH_RUNS} runs: 100 jobs, a commit a run`,
      unit: 'MB',
      values: [await grown(100, 1)],
    },
    {
      name: `clone grows per ${GROWTH_RUNS} runs: 100 jobs, 10 runs a commit`,
      unit: 'MB',
      values: [await grown(100, 10)],
    },
    {
      name: `clone grows per ${GROWTH_RUNS} runs: 5,000 jobs, a commit a run`,
      unit: 'MB',
      values: [await grown(5000, 1)],
    },
  ];
}

const ratio = (values: readonly number[], against: readonly number[]): number =>
  quantile(values, 0.5) / quantile(against, 0.5);
