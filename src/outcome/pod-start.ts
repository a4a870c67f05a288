import type { AttemptEnding } from '../runner/port.ts';
import type { Reason } from '../schemas/index.ts';
import type { ContainerStatus, PodContext, PodObject, PodVerdict } from './pod.ts';
import { timeOf } from './pod-steps.ts';

/** What keeps a pod from starting. */
export interface Trouble {
  readonly reason: Reason;
  readonly message: string;
  /** Another try of the kubelet will not help. */
  readonly isFinal: boolean;
}

/** Why a pod of which no step has started should be ended; undefined while there is hope. */
export function startingVerdict(pod: PodObject, { startMs, warm }: PodContext, now: string): PodVerdict['end'] {
  const trouble = startTrouble(pod);
  if (trouble?.isFinal) return { reason: trouble.reason, ending: infrastructure(trouble.reason, trouble.message) };
  const waitedMs = Date.parse(now) - (timeOf(warm?.claimed ?? pod.metadata?.creationTimestamp) ?? Number.NaN);
  if (waitedMs < startMs) return undefined;
  const reason: Reason = trouble?.reason === 'Unschedulable' ? 'Unschedulable' : 'StartTimeout';
  const message = `the pod did not start within ${seconds(startMs)}: ${trouble?.message ?? 'nothing tells why'}`;
  return { reason, ending: infrastructure(reason, message) };
}

/** The ending of a pod whose node, as far as is known, is gone. */
export function lostNode(
  pod: PodObject,
  { nodeLostSince, nodeLostAfterMs }: PodContext,
  now: string,
): AttemptEnding | null {
  if (nodeLostSince === null || Date.parse(now) - Date.parse(nodeLostSince) < nodeLostAfterMs) return null;
  const message = `node ${pod.spec?.nodeName ?? ''} has not been heard of since ${nodeLostSince}; what it ran may still be running`;
  return infrastructure('NodeLost', message);
}

const infrastructure = (reason: Reason, message: string): AttemptEnding => ({
  kind: 'infrastructure',
  reason,
  message,
  step: null,
});

export const seconds = (milliseconds: number): string => `${Math.round(milliseconds / 1000)}s`;

/** What a registry says of an image that another try will not bring. */
const IMAGE_IS_MISSING =
  /not found|manifest unknown|no such|unauthorized|denied|forbidden|invalid reference|does not exist/i;
const PULL_TROUBLE: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
]);
const IMAGE_IS_WRONG: ReadonlySet<string> = new Set(['InvalidImageName', 'ErrImageNeverPull']);
/** What a kubelet or a runtime that is busy says: the next try may work. */
const BUSY = /timed out|deadline exceeded|failed to sync|failed to reserve|connection refused|unavailable|try again/i;

/** What keeps a pod from starting, as the kubelet and the scheduler tell it. */
export function startTrouble(pod: PodObject): Trouble | null {
  const containers = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  // What is final is told, whatever else is slow.
  const troubles = containers.flatMap((container) => containerTrouble(container) ?? []);
  return troubles.find(({ isFinal }) => isFinal) ?? troubles[0] ?? serviceTrouble(containers) ?? schedulingTrouble(pod);
}

function containerTrouble({ name, state, image }: ContainerStatus): Trouble | null {
  const { reason = '', message = '' } = state?.waiting ?? {};
  if (PULL_TROUBLE.has(reason)) {
    const isFinal = IMAGE_IS_WRONG.has(reason) || IMAGE_IS_MISSING.test(message);
    return { reason: 'ImagePullFailed', message: `${image}: ${message || reason}`, isFinal };
  }
  const told = `container ${name}: ${message}`;
  if (reason === 'CreateContainerConfigError') return configTrouble(told);
  if (reason === 'CreateContainerError' || reason === 'RunContainerError')
    return { reason: 'StartError', message: told, isFinal: !BUSY.test(message) };
  return null;
}

/** A service that runs, and for whose health the steps wait. */
function serviceTrouble(containers: readonly ContainerStatus[]): Trouble | null {
  const waits = containers.find(({ state, started }) => state?.running !== undefined && started === false);
  if (!waits) return null;
  const message = `service ${JSON.stringify(waits.name)} is not healthy yet`;
  return { reason: 'ServiceUnhealthy', message, isFinal: false };
}

function configTrouble(told: string): Trouble {
  const isFinal = !BUSY.test(told);
  if (/secret|configmap/i.test(told)) return { reason: 'SecretMissing', message: told, isFinal };
  const hint = /non-root|runAsNonRoot/i.test(told)
    ? '; add `user: 65532` to the step, or the uid that the image is made for'
    : '';
  return { reason: 'InvalidPod', message: `${told}${hint}`, isFinal };
}

function schedulingTrouble(pod: PodObject): Trouble | null {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status !== 'False') return null;
  const message = scheduled.message ?? scheduled.reason ?? 'no node fits';
  return { reason: 'Unschedulable', message, isFinal: false };
}
