import { LABELS } from '../../src/render/labels.ts';
import { openCluster } from '../../src/runner/kubernetes/client.ts';
import { watchResource } from '../../src/runner/kubernetes/watch.ts';
import { configMaps, pods, type Pod } from '../../src/runner/kubernetes/wire.ts';

/** A pod that was there, as the API server told it. */
export interface CreatedPod {
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  /** True when its payload was gone before it was created: no kubelet starts a pod that can't mount what it names. */
  readonly fenced: boolean;
  /** Whether a container of it has ever run. */
  readonly started: boolean;
  /** The attempts that it was ever said to be, as `job/run/task.number`: more than one is one too many. */
  readonly attempts: readonly string[];
}

/** Every pod that was ever there, as the API server told it. */
export interface Creations {
  /** Name to the uids that pods of that name had: two uids are two pods. */
  byName(): ReadonlyMap<string, ReadonlySet<string>>;
  /** Those of attempts: a runner of a set counts once it has had one. */
  pods(): readonly CreatedPod[];
  /** How many of them have ended. */
  ended(): number;
  /** False once the watch had to begin anew: a pod that came and went in between would be missing. */
  unbroken(): boolean;
  stop(): void;
}

interface Seen {
  readonly first: Pod;
  readonly attempts: Set<string>;
  labels: Readonly<Record<string, string>>;
  /** The resource version of the first event: versions of one cluster are in the order of its writes. */
  readonly version: bigint;
  started: boolean;
  ended: boolean;
}

const hasStarted = ({ status }: Pod): boolean =>
  (status?.containerStatuses ?? []).some(({ state }) => state?.running ?? state?.terminated?.startedAt);
const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** Records from now on. */
export async function recordCreations(namespace: string): Promise<Creations> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const cluster = await openCluster({ userAgent: 'chaos-recorder', signal });
  const seen = new Map<string, Seen>();
  const payloadsGone = new Map<string, bigint>();
  let lists = 0;
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const common = { namespace, signal, log, onSync: () => void (lists += 1) };
  const attempts = watchResource(cluster, pods, {
    ...common,
    onChange({ object }) {
      const uid = object.metadata?.uid ?? '';
      const version = BigInt(object.metadata?.resourceVersion ?? 0);
      const labels = object.metadata?.labels ?? {};
      const known = seen.get(uid) ?? {
        first: object,
        attempts: new Set(),
        labels,
        version,
        started: false,
        ended: false,
      };
      if (labels[LABELS.job] !== undefined) {
        known.labels = labels;
        const { [LABELS.job]: job, [LABELS.run]: run, [LABELS.task]: task, [LABELS.attempt]: attempt } = labels;
        known.attempts.add(`${job}/${run}/${task}.${attempt}`);
      }
      known.started ||= hasStarted(object);
      known.ended ||= hasEnded(object);
      seen.set(uid, known);
    },
  });
  const payloads = watchResource(cluster, configMaps, {
    ...common,
    onChange({ type, object: { metadata } }) {
      if (type === 'deleted') payloadsGone.set(metadata?.uid ?? '', BigInt(metadata?.resourceVersion ?? 0));
    },
  });
  await Promise.all([attempts.ready, payloads.ready]);
  const isFenced = ({ first, version }: Seen): boolean =>
    (first.metadata?.ownerReferences ?? []).some(({ uid }) => (payloadsGone.get(uid) ?? version) < version);
  return {
    byName() {
      const names = Map.groupBy(seen, ([, { first }]) => first.metadata?.name ?? '');
      return new Map([...names].map(([name, all]) => [name, new Set(all.map(([uid]) => uid))]));
    },
    pods: () =>
      [...seen].flatMap(([uid, one]) =>
        one.attempts.size === 0
          ? []
          : [
              {
                name: one.first.metadata?.name ?? '',
                uid,
                labels: one.labels,
                fenced: isFenced(one),
                started: one.started,
                attempts: [...one.attempts],
              },
            ],
      ),
    ended: () => [...seen.values()].filter((one) => one.ended).length,
    unbroken: () => lists === 2,
    stop() {
      stopping.abort();
      void cluster.close();
    },
  };
}
