import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kubectl, withNamespace } from '../test/chaos/kubectl.ts';
import { recordCreations } from '../test/chaos/creations.ts';
import { startGitServer } from '../test/support/git-server.ts';
import { temporaryDirectory } from '../test/support/git.ts';
import { printReport, type Row } from './report.ts';

const JOBS = 1_000;
const LIMIT_MS = 600_000;

/**
 * 1,000 one-step jobs in one commit on one simulated node (labelled `type: kwok`): until all pods have finished, and
 * until all outcomes are pushed; beside it, in the same run, the same 1,000 as plain Kubernetes Jobs. Needs KUBECONFIG; API
 * calls are counted where RUNLEDGER_TEST_AUDIT_LOG names the API server's audit log. `npm run bench -- throughput [JOBS]`.
 */
export async function run(args: readonly string[]): Promise<void> {
  const jobs = Number(args[0] ?? JOBS);
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  const ours = await runledger(jobs);
  const theirs = await jobController(jobs);
  const rows: readonly Row[] = [
    { name: 'runledger: all pods finished', unit: 's', values: [ours.finishedS], against: [theirs] },
    { name: 'runledger: all outcomes pushed', unit: 's', values: [ours.pushedS], goal: 30, against: [theirs] },
    { name: 'Kubernetes Jobs: all complete', unit: 's', values: [theirs] },
    { name: 'API calls for each run', unit: 'calls', values: [ours.callsPerRun], goal: 5 },
    { name: 'deletions among them', unit: 'calls', values: [ours.deletionsPerRun] },
    { name: 'memory of the controller, at most', unit: 'MB', values: [ours.memoryMB], goal: 250 },
  ];
  printReport('throughput', `${jobs} one-step jobs in one commit on a simulated node`, rows);
}

interface Figures {
  readonly finishedS: number;
  readonly pushedS: number;
  readonly callsPerRun: number;
  readonly deletionsPerRun: number;
  readonly memoryMB: number;
}

const manifest = (index: number): string => `apiVersion: runledger.dev/v1
kind: Job
metadata: { name: job-${index} }
spec:
  image: busybox:1.36
  run: echo ${index}
  pod:
    nodeSelector: { type: kwok }
    tolerations: [{ key: kwok.test/node, operator: Exists }]
`;

async function runledger(jobs: number): Promise<Figures> {
  const { path: directory, remove } = await temporaryDirectory();
  const server = await startGitServer({ root: path.join(directory, 'git') });
  const repository = await server.createRepository('jobs.git');
  await repository.commit({ 'README.md': 'jobs\n' });
  const agent = `bench-${Date.now().toString(36)}`;
  let figures: Figures | undefined;
  await withNamespace('bench', async ({ name }) => {
    const config = path.join(directory, 'config.yaml');
    writeFileSync(
      config,
      `apiVersion: runledger.dev/v1\nkind: Config\nconcurrency: ${jobs}\nsources:\n  - { name: bench, url: "${repository.url}", interval: 1s, namespace: ${name} }\n`,
    );
    const child = spawn(
      process.execPath,
      [
        'dist/src/cli/main.js',
        'controller',
        '--config',
        config,
        '--listen',
        '127.0.0.1:0',
        '--installation',
        agent,
        '--lease-namespace',
        name,
      ],
      { stdio: ['ignore', 'ignore', 'ignore'] },
    );
    const creations = await recordCreations(name);
    await sleep(5_000);
    const files = Object.fromEntries(
      Array.from({ length: jobs }, (_, index) => [`jobs/job-${index}.yaml`, manifest(index)]),
    );
    await repository.commit(files);
    const started = performance.now();
    let finishedS = Number.NaN;
    for (;;) {
      await sleep(250);
      const elapsed = (performance.now() - started) / 1_000;
      if (Number.isNaN(finishedS) && creations.ended() >= jobs) finishedS = elapsed;
      const tree = await repository.git('ls-tree', '-r', '--name-only', 'runledger/status').catch(() => '');
      if (tree.split('\n').filter((file) => file.endsWith('/1.yaml')).length >= jobs) break;
      if (elapsed * 1_000 > LIMIT_MS) throw new Error('not done within the limit');
    }
    const pushedS = (performance.now() - started) / 1_000;
    await sleep(5_000);
    const memory = /VmHWM:\s+(\d+) kB/.exec(
      existsSync(`/proc/${child.pid}/status`) ? readFileSync(`/proc/${child.pid}/status`, 'utf8') : '',
    );
    const { calls, deletions } = countCalls(name);
    child.kill('SIGTERM');
    await new Promise((resolve) => child.on('close', resolve));
    creations.stop();
    figures = {
      finishedS: Number.isNaN(finishedS) ? pushedS : finishedS,
      pushedS,
      callsPerRun: calls / jobs,
      deletionsPerRun: deletions / jobs,
      memoryMB: Number(memory?.[1] ?? Number.NaN) / 1_000,
    };
  });
  await server.close();
  await remove();
  if (!figures) throw new Error('no figures');
  return figures;
}

/** What the API server says it was asked by the controller in a namespace; NaN without its audit log. */
function countCalls(namespace: string): { readonly calls: number; readonly deletions: number } {
  const file = process.env['RUNLEDGER_TEST_AUDIT_LOG'];
  if (file === undefined) return { calls: Number.NaN, deletions: Number.NaN };
  const lines = readFileSync(file, 'utf8').split('\n');
  const ours = lines.filter(
    (line) =>
      line.includes(`"namespace":"${namespace}"`) &&
      line.includes('"userAgent":"runledger/') &&
      !line.includes('"resource":"leases"'),
  );
  return { calls: ours.length, deletions: ours.filter((line) => /"verb":"delete(collection)?"/.test(line)).length };
}

/** Seconds until as many plain Jobs are complete. */
async function jobController(jobs: number): Promise<number> {
  const { path: directory, remove } = await temporaryDirectory();
  const file = path.join(directory, 'jobs.yaml');
  const one = (index: number): string => `apiVersion: batch/v1
kind: Job
metadata: { name: job-${index} }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      nodeSelector: { type: kwok }
      tolerations: [{ key: kwok.test/node, operator: Exists }]
      containers: [{ name: main, image: "busybox:1.36", command: [echo, "${index}"] }]
`;
  writeFileSync(file, Array.from({ length: jobs }, (_, index) => one(index)).join('---\n'));
  let seconds = Number.NaN;
  await withNamespace('bench-jobs', async ({ name }) => {
    const started = performance.now();
    const applied = kubectl('-n', name, 'create', '-f', file);
    for (;;) {
      await sleep(1_000);
      const done = await kubectl(
        '-n',
        name,
        'get',
        'jobs',
        '-o',
        'jsonpath={range .items[?(@.status.succeeded==1)]}x{end}',
      );
      seconds = (performance.now() - started) / 1_000;
      if (done.length >= jobs || seconds * 1_000 > LIMIT_MS) break;
    }
    await applied;
  });
  await remove();
  return seconds;
}
