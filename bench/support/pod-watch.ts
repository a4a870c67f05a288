import { LABELS } from '../../src/render/labels.ts';
import { watchResource } from '../../src/runner/kubernetes/watch.ts';
import { pods } from '../../src/runner/kubernetes/wire.ts';
import { eventually, type TestCluster } from '../../test/support/cluster.ts';

/** The pods of a namespace as they come and go. Times are milliseconds since 1970, by this process's clock. */
export interface PodWatch {
  /** How many have ended so far. */
  ended(): number;
  /** Resolves to when the first pod of a job was seen. */
  seen(job: string): Promise<number>;
  /** Resolves once none is left. */
  gone(): Promise<void>;
  stop(): void;
}

const LIMIT_MS = 90_000;

/** Watches from now on. */
export async function watchPods({ cluster, namespace }: TestCluster): Promise<PodWatch> {
  const stopping = new AbortController();
  const ended = new Set<string>();
  const jobs = new Map<string, number>();
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const watch = watchResource(cluster, pods, {
    namespace,
    signal: stopping.signal,
    log,
    onChange({ object: { metadata, status } }) {
      if (status?.phase === 'Succeeded' || status?.phase === 'Failed') ended.add(metadata?.uid ?? '');
      const job = metadata?.labels?.[LABELS.job];
      if (job !== undefined && !jobs.has(job)) jobs.set(job, Date.now());
    },
  });
  await watch.ready;
  return {
    ended: () => ended.size,
    seen: (job) => eventually(`a pod of ${job}`, () => jobs.get(job), LIMIT_MS),
    async gone() {
      await eventually('the pods are gone', () => watch.store.size === 0, LIMIT_MS);
    },
    stop: () => stopping.abort(),
  };
}
