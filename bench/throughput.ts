import { execFileSync } from 'node:child_process';
import { printReport, type Row } from './report.ts';
import { totalOf } from './support/audit.ts';
import { measureDelays } from './support/commit-to-pod.ts';
import { measureFailover } from './support/failover.ts';
import { runFleet } from './support/fleet.ts';
import { runPlainJobs } from './support/job-controller.ts';
import { jobManifest } from './support/stage.ts';

const JOBS = 1_000;
/** Real pods, in one commit and one after the other: what a run costs with its log. */
const REAL_JOBS = 20;
const SINGLE_RUNS = 10;
const PUSHES = 20;
const FAILOVERS = 3;

type Part = (jobs: number, alone: boolean) => Promise<readonly Row[]>;

const PARTS: Readonly<Record<string, Part>> = {
  async fleet(jobs, alone) {
    const ours = await runFleet([manifests(jobs, 'simulated')]);
    const theirs = alone ? [] : [await runPlainJobs(jobs)];
    const against = alone ? {} : { against: theirs };
    return [
      { name: 'runledger: all pods finished', unit: 's', values: [ours.finishedS], ...against },
      { name: 'runledger: all outcomes pushed', unit: 's', values: [ours.pushedS], goal: 30, ...against },
      ...(alone ? [] : [{ name: 'Kubernetes Jobs: all complete', unit: 's', values: theirs }]),
      ...costs('', ours, jobs),
      { name: 'memory of the controller, at most', unit: 'MB', values: [ours.memoryMB], goal: 250 },
      { name: 'CPU of the controller', unit: 's', values: [ours.cpuS] },
    ];
  },
  async real() {
    const together = await runFleet([manifests(REAL_JOBS, 'any')]);
    const single = await runFleet(
      Object.entries(manifests(SINGLE_RUNS, 'any')).map(([path, text]) => ({ [path]: text })),
    );
    return [
      ...costs(`, ${REAL_JOBS} real pods in one commit`, together, REAL_JOBS),
      ...costs(`, ${SINGLE_RUNS} real pods one after the other`, single, SINGLE_RUNS),
    ];
  },
  async delay() {
    const delays = await measureDelays(PUSHES);
    if (!delays) return [];
    return [
      { name: 'git push to the forge', unit: 'ms', values: delays.push },
      { name: "from the push's end to the forge's webhook", unit: 'ms', values: delays.forge },
      { name: 'from the webhook to the pod', unit: 'ms', values: delays.ours },
      { name: "from the push's beginning to the pod", unit: 'ms', values: delays.whole, goal: 1_000 },
    ];
  },
  async failover() {
    const killed = await measureFailover('SIGKILL', FAILOVERS);
    const stopped = await measureFailover('SIGTERM', FAILOVERS);
    return [
      { name: "leader killed: until the next one's first pod", unit: 's', values: killed, goal: 20 },
      { name: "leader stopped: until the next one's first pod", unit: 's', values: stopped, goal: 2 },
    ];
  },
};

/**
 * What the controller does in a cluster, beside the cluster's own Job controller in the same run. `fleet`: 1,000 one-step
 * jobs in one commit on one simulated node (labelled `type: kwok`), until all pods have finished and all outcomes are
 * pushed. `real`: API calls for a run with its log. `delay`: from a push to a forge to the pod. `failover`: from the end of
 * a leader to the next one's first pod.
 *
 * Needs KUBECONFIG; `delay` needs the FORGE_* variables; API calls are counted where RUNLEDGER_TEST_AUDIT_LOG names the API
 * server's audit log. `npm run bench -- throughput [JOBS] [PART…] [alone]`; `alone` leaves out the Job controller, which takes
 * minutes.
 */
export async function run(args: readonly string[]): Promise<void> {
  const jobs = Number(args.find((word) => /^\d+$/.test(word)) ?? JOBS);
  const parts = args.filter((word) => word in PARTS);
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  const rows: Row[] = [];
  for (const part of parts.length > 0 ? parts : Object.keys(PARTS))
    rows.push(...(await PARTS[part]!(jobs, args.includes('alone'))));
  printReport('throughput', `${jobs} one-step jobs in one commit on a simulated node`, rows);
}

const manifests = (jobs: number, node: 'simulated' | 'any'): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from({ length: jobs }, (_, index) => [`jobs/job-${index}.yaml`, jobManifest(`job-${index}`, node)]),
  );

/** API calls for each run; none where nobody has counted them. */
function costs(of: string, { calls }: Awaited<ReturnType<typeof runFleet>>, runs: number): readonly Row[] {
  if (!calls) return [];
  const perRun = (verb?: string): readonly number[] => [totalOf(calls, verb) / runs];
  return [
    { name: `API calls for each run${of}`, unit: 'calls', values: perRun(), ...(of === '' ? { goal: 5 } : {}) },
    { name: `deletions among them${of}`, unit: 'calls', values: perRun('delete') },
  ];
}
