import { runBurst } from '../test/runner/kubernetes/burst.ts';
import { openTestCluster } from '../test/support/cluster.ts';
import { printReport } from './report.ts';

const JOBS = 500;
const RUNNERS = 50;
const LIMIT_MS = 1_800_000;

/**
 * A burst of jobs on a runner set: `-- burst [JOBS] [RUNNERS]`, 500 on 50 by default. All pods are real ones, since a simulated node
 * executes nothing that could be handed over: the node takes as many pods at once as there are runners, and some more that end. Throws
 * where a job did not run exactly once, or the watch of pods has seen a capacity exceeded.
 */
export async function run([jobs = JOBS, runners = RUNNERS]: readonly (string | number)[]): Promise<void> {
  const test = await openTestCluster('bench-burst');
  if (!test) throw new Error('this bench needs a cluster: set KUBECONFIG');
  try {
    const count = Number(jobs);
    const options = { jobs: count, runners: Number(runners), limitMs: LIMIT_MS, progress: console.log };
    const { problems, seconds, idleMs, toldMs, handedMs, mostBusy } = await runBurst(test, options);
    printReport('burst', `a burst of ${count} jobs on ${runners} warm runners`, [
      { name: 'from the commit to the last outcome', unit: 's', values: [seconds] },
      { name: 'runners at work at once, at most', unit: 'runners', values: [mostBusy] },
      { name: 'a runner was idle while runs waited', unit: 'ms', values: idleMs, goal: 1_000, judge: 'p99' },
      { name: 'claim of a runner sent → a watch tells of it', unit: 'ms', values: toldMs },
      { name: 'claim of a runner → it has taken the attempt', unit: 'ms', values: handedMs },
    ]);
    if (problems.length > 0) throw new Error(problems.slice(0, 20).join('\n'));
    console.log('every job ran once, and no capacity was exceeded');
  } finally {
    await test.remove();
  }
}
