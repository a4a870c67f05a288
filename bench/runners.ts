import type { RunnerSet } from '../src/schemas/index.ts';
import { unopposed, type Scope } from '../src/runner/kubernetes/scope.ts';
import { systemClock } from '../src/runner/kubernetes/clock.ts';
import { createPool } from '../src/runner/kubernetes/pool/pool.ts';
import { viewRunner, type RunnerView } from '../src/runner/kubernetes/pool/view.ts';
import { watchResource } from '../src/runner/kubernetes/watch.ts';
import { pods } from '../src/runner/kubernetes/wire.ts';
import type { Cluster } from '../src/runner/kubernetes/client.ts';
import { startProxy } from '../test/runner/kubernetes/proxy.ts';
import { connect, eventually, openTestCluster, type TestCluster } from '../test/support/cluster.ts';
import { printReport, type Row } from './report.ts';
import { measureStarts } from './support/warm-starts.ts';

/** Sizes, and how often each is measured. */
const SIZES: readonly (readonly [runners: number, times: number])[] = [
  [30, 3],
  [100, 3],
  [1_000, 1],
];
const PARALLEL = [1, 10, 50];
/** How long a distant API server, or one with admission webhooks, takes to create a pod. */
const DISTANT_MS = 100;
const STARTS = 15;

const IMAGE = 'busybox:1.36';
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };

const simulated = (maxRunners: number, parallelCreations: number): RunnerSet => ({
  apiVersion: 'runledger.dev/v1',
  kind: 'RunnerSet',
  // Simulated pods end by themselves, unless told not to.
  metadata: { name: 'bench', annotations: { 'kwok.test/run-ms': '86400000' } },
  spec: {
    image: IMAGE,
    minRunners: maxRunners,
    maxRunners,
    parallelCreations,
    pod: { nodeSelector: { type: 'kwok' }, tolerations: [{ key: 'kwok.test/node', operator: 'Exists' }] },
  },
});

/** Seconds from the order to the last of so many runners being ready, and to the last one being created. */
async function scaleUp(
  test: TestCluster,
  cluster: Cluster,
  size: number,
  parallel: number,
): Promise<{ readonly ready: number; readonly created: number }> {
  const namespace = await test.createNamespace();
  const ending = new AbortController();
  const { signal } = ending;
  const views = new Map<string, RunnerView>();
  const scope: Scope = {
    cluster,
    namespace,
    installation: 'bench',
    source: 'bench',
    authority: unopposed,
    clock: systemClock,
    log: quiet,
  };
  let due = false;
  let created = 0;
  const tend = (): void => {
    if (due || signal.aborted) return;
    due = true;
    setImmediate(() => {
      due = false;
      pool.tend([...views.values()], { waiting: 0, assigned: 0 });
    });
  };
  const put = (pod: Parameters<typeof viewRunner>[0]): void => {
    const view = viewRunner(pod);
    if (!view) return;
    if (!views.has(view.name)) created = performance.now();
    views.set(view.name, view);
  };
  const pool = createPool('bench', {
    scope,
    podContext: { image: IMAGE, imagePullSecrets: [], podDefaults: {} },
    emit: () => undefined,
    dirty: tend,
    // The watch may have told more by now.
    learn: (pod) => void (views.has(pod.metadata?.name ?? '') || put(pod)),
    reached: async () => undefined,
    signal,
  });
  const watch = watchResource(cluster, pods, {
    namespace,
    signal,
    log: quiet,
    onChange({ object }) {
      put(object);
      tend();
    },
  });
  await watch.ready;
  const began = performance.now();
  pool.order = { set: simulated(size, parallel), scheduledMin: 0 };
  tend();
  const isReady = (): boolean => [...views.values()].filter(({ phase }) => phase === 'idle').length >= size;
  try {
    await eventually(`${size} runners are ready`, isReady, 600_000);
    return { ready: (performance.now() - began) / 1_000, created: (created - began) / 1_000 };
  } finally {
    ending.abort();
  }
}

/** `where`: what is said of the API server. */
async function scaleUps(
  test: TestCluster,
  cluster: Cluster,
  sizes: typeof SIZES,
  where: string,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const [size, times] of sizes) {
    const found = new Map<number, { ready: number; created: number }[]>();
    // In turn, so that what else the machine does falls on all of them.
    for (let time = 0; time < times; time += 1)
      for (const parallel of PARALLEL)
        found.set(parallel, [...(found.get(parallel) ?? []), await scaleUp(test, cluster, size, parallel)]);
    const one = found.get(1)?.map(({ created }) => created) ?? [];
    for (const [parallel, values] of found) {
      const against = parallel === 1 ? {} : { against: one };
      const label = `0 → ${size} runners, ${parallel} at a time${where}`;
      rows.push({ name: `${label}: created`, unit: 's', values: values.map(({ created }) => created), ...against });
      const goal = size === 100 && parallel === 10 ? { goal: 5 } : {};
      rows.push({ name: `${label}: ready`, unit: 's', values: values.map(({ ready }) => ready), ...goal });
    }
  }
  return rows;
}

/** The same where each pod takes a while to be created: what is done at the same time shows there, and not the machine. */
async function distantScaleUps(test: TestCluster, most: number): Promise<readonly Row[]> {
  const proxy = await startProxy(test.kubeconfig);
  proxy.fault = (method, url) =>
    method === 'POST' && /\/pods(\?|$)/.test(url) ? { kind: 'delay', ms: DISTANT_MS } : undefined;
  const cluster = await connect({ kubeconfig: proxy.kubeconfig });
  try {
    const sizes = SIZES.filter(([size]) => size <= Math.min(100, most));
    return await scaleUps(test, cluster, sizes, `, ${DISTANT_MS} ms a pod`);
  } finally {
    await cluster.close();
    await proxy.close();
  }
}

/**
 * Runner sets: how fast a pool grows on simulated nodes, by how many runners are created at a time, and on a real kubelet how long
 * an attempt takes from the claim of a runner to its first output, beside a pod of its own. `-- starts`, `-- sizes [MOST]` or
 * `-- distant [MOST]`: only those, up to so many runners.
 */
export async function run(args: readonly string[]): Promise<void> {
  const test = await openTestCluster('bench-runners');
  if (!test) throw new Error('this bench needs a cluster: set KUBECONFIG');
  const isWanted = (part: string): boolean => args.length === 0 || args.includes(part);
  try {
    const most = Number(args[1] ?? Number.POSITIVE_INFINITY);
    const sizes = SIZES.filter(([size]) => size <= most);
    const rows = [
      ...(isWanted('starts') ? await measureStarts(test, STARTS) : []),
      ...(isWanted('sizes') ? await scaleUps(test, test.cluster, sizes, '') : []),
      ...(isWanted('distant') ? await distantScaleUps(test, most) : []),
    ];
    printReport('runners', 'runner sets', rows);
  } finally {
    await test.remove();
  }
}
