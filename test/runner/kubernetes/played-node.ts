/** Nodes whose kubelet is the test: the API server, the scheduler and the controllers around them are real, and they can go away. */
import { createObject, deleteObject, mergePatch } from '../../../src/runner/kubernetes/objects.ts';
import { watchResource } from '../../../src/runner/kubernetes/watch.ts';
import { nodes, type Pod, pods } from '../../../src/runner/kubernetes/wire.ts';
import type { TestCluster } from '../../support/cluster.ts';

/** The taint of these nodes, and the label that pods find one by. */
export const PLAYED = 'test.runledger.dev/played';

export interface PlayedNode {
  readonly name: string;
  /** Takes it out of the cluster, as a cloud does whose machine is gone. */
  remove(): Promise<void>;
}

const HEARTBEAT_MS = 5_000;
const QUIET = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/** Adds a node on which every pod runs at once, and for ever. `value`: of its label. */
export async function playNode({ cluster }: TestCluster, value: string): Promise<PlayedNode> {
  const name = `${value}-${Math.random().toString(36).slice(2, 8)}`;
  const ending = new AbortController();
  const { signal } = ending;
  const metadata = { name, labels: { [PLAYED]: value } };
  await createObject(
    cluster,
    nodes,
    { metadata, spec: { taints: [{ key: PLAYED, effect: 'NoSchedule' }] } },
    { signal },
  );
  const room = { cpu: '8', memory: '16Gi', pods: '110' };
  const beat = async (): Promise<void> => {
    const at = new Date().toISOString();
    const ready = { type: 'Ready', status: 'True', reason: 'Played', lastHeartbeatTime: at, lastTransitionTime: at };
    const status = { capacity: room, allocatable: room, conditions: [ready] };
    await mergePatch(cluster, nodes, { name }, { status }, { signal, subresource: 'status', repeatable: true });
  };
  await beat();
  const timer = setInterval(() => void beat().catch(() => undefined), HEARTBEAT_MS);
  const onPod = async (pod: Pod): Promise<void> => {
    const { name: podName = '', namespace = '', deletionTimestamp } = pod.metadata ?? {};
    const ref = { name: podName, namespace };
    if (deletionTimestamp !== undefined) await deleteObject(cluster, pods, ref, { signal, gracePeriodSeconds: 0 });
    else if (pod.status?.phase === 'Pending')
      await mergePatch(cluster, pods, ref, { status: running(pod) }, { signal, subresource: 'status' });
  };
  const watch = watchResource(cluster, pods, {
    fieldSelector: `spec.nodeName=${name}`,
    signal,
    log: QUIET,
    onChange: ({ type, object }) => void (type !== 'deleted' && onPod(object).catch(() => undefined)),
  });
  await watch.ready;
  return {
    name,
    async remove() {
      clearInterval(timer);
      ending.abort();
      await watch.ended;
      await deleteObject(cluster, nodes, { name }, { signal: new AbortController().signal });
    },
  };
}

function running({ spec }: Pod): object {
  const at = new Date().toISOString();
  return {
    phase: 'Running',
    startTime: at,
    conditions: ['Initialized', 'ContainersReady', 'Ready'].map((type) => ({
      type,
      status: 'True',
      lastTransitionTime: at,
    })),
    containerStatuses: (spec?.containers ?? []).map(({ name, image }) => ({
      name,
      image,
      imageID: 'played',
      containerID: 'played://none',
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: at } },
    })),
  };
}
