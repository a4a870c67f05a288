import { openCluster } from '../../src/runner/kubernetes/client.ts';
import { watchResource } from '../../src/runner/kubernetes/watch.ts';
import { pods } from '../../src/runner/kubernetes/wire.ts';

/** Every pod that was ever there, as the API server told it. */
export interface Creations {
  /** Name to the uids that pods of that name had: two uids are two pods. */
  byName(): ReadonlyMap<string, ReadonlySet<string>>;
  /** How many of them have ended. */
  ended(): number;
  stop(): void;
}

/** Records from now on. */
export async function recordCreations(namespace: string): Promise<Creations> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const cluster = await openCluster({ userAgent: 'chaos-recorder', signal });
  const seen = new Map<string, Set<string>>();
  const ended = new Set<string>();
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const watch = watchResource(cluster, pods, {
    namespace,
    signal,
    log,
    onChange({ object }) {
      const { phase } = object.status ?? {};
      if (phase === 'Succeeded' || phase === 'Failed') ended.add(object.metadata?.uid ?? '');
      const name = object.metadata?.name ?? '';
      seen.set(name, (seen.get(name) ?? new Set()).add(object.metadata?.uid ?? ''));
    },
  });
  await watch.ready;
  return {
    byName: () => seen,
    ended: () => ended.size,
    stop() {
      stopping.abort();
      void cluster.close();
    },
  };
}
