import type { AskedEnd, PodContext } from '../../outcome/pod.ts';
import { planPod } from '../../render/steps.ts';
import type { RunRecord } from '../port.ts';
import type { NodeLoss } from './lost-nodes.ts';
import type { Pod } from './wire.ts';

/** An end that we ask for, noted on the pod so that the next leader knows of it. */
export const END_ANNOTATION = 'runledger.dev/end';

/** What a pod's run says of it, whatever becomes of the pod. */
type Lasting = Omit<PodContext, 'asked' | 'nodeLostSince' | 'nodeLostAfterMs'>;

/** What has to be known of a pod beside the pod itself. Every pod is looked at each second: what lasts is remembered. */
export function createPodContexts(
  nodeLostAfterMs: number,
): (record: RunRecord, pod: Pod, loss: NodeLoss | null) => PodContext {
  const known = new WeakMap<RunRecord, Lasting>();
  const lastingOf = (record: RunRecord): Lasting => {
    const lasting = known.get(record) ?? lastingFrom(record);
    known.set(record, lasting);
    return lasting;
  };
  return (record, pod, loss) => ({
    ...lastingOf(record),
    asked: askedEnd(pod),
    nodeLostSince: earlier(overdue(pod), loss?.since ?? null),
    nodeLostAfterMs: loss?.isCertain ? 0 : nodeLostAfterMs,
  });
}

function lastingFrom(record: RunRecord): Lasting {
  const { spec, steps, gated } = planPod(record.spec);
  return {
    steps: spec.steps.map(({ name, timeoutMs }) => ({ name, timeoutMs })),
    gates: gated ? steps.map(({ name }) => name) : [],
    runMs: spec.timeouts.runMs,
    startMs: spec.timeouts.startMs,
    graceMs: spec.timeouts.graceMs,
  };
}

function askedEnd(pod: Pod): AskedEnd | null {
  const text = pod.metadata?.annotations?.[END_ANNOTATION];
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as AskedEnd;
  } catch {
    return null;
  }
}

/** Since when a pod should have been gone, as its kubelet was told: a kubelet that does not end a pod is not heard of. */
const overdue = (pod: Pod): string | null => pod.metadata?.deletionTimestamp ?? null;

const earlier = (one: string | null, other: string | null): string | null =>
  one === null || (other !== null && Date.parse(other) < Date.parse(one)) ? other : one;
