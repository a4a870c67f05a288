import type { AskedEnd, PodContext, PodExpectation, WarmContext } from '../../outcome/pod.ts';
import { expectationOf } from '../../render/evidence.ts';
import { RUNNER_CONTAINER } from '../../render/runner-pod.ts';
import { planRecord } from '../../render/steps.ts';
import type { RunRecord } from '../port.ts';
import type { NodeLoss } from './lost-nodes.ts';
import type { Pod } from './wire.ts';

/** An end that we ask for, noted on the pod so that the next leader knows of it. */
export const END_ANNOTATION = 'runledger.dev/end';

/** What has to be known of a pod beside the pod itself. Every pod is looked at each second: what lasts is remembered. */
export function createPodContexts(
  nodeLostAfterMs: number,
  warmOf: (pod: Pod) => WarmContext | undefined,
): (record: RunRecord, pod: Pod, loss: NodeLoss | null) => PodContext {
  const known = new WeakMap<RunRecord, PodExpectation>();
  const lastingOf = (record: RunRecord): PodExpectation => {
    const lasting = known.get(record) ?? expectationOf(planRecord(record));
    known.set(record, lasting);
    return lasting;
  };
  return (record, pod, loss) => {
    const lasting = lastingOf(record);
    const warm = warmOf(pod);
    return {
      ...(warm ? inRunner(lasting) : lasting),
      asked: askedEnd(pod),
      nodeLostSince: earlier(overdue(pod), loss?.since ?? null),
      nodeLostAfterMs: loss?.isCertain ? 0 : nodeLostAfterMs,
      ...(warm ? { warm } : {}),
    };
  };
}

/** The container of a runner is there before anybody knows which step it will be. */
const inRunner = (expected: PodExpectation): PodExpectation => ({
  ...expected,
  steps: expected.steps.map((step) => ({ ...step, container: RUNNER_CONTAINER })),
});

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
