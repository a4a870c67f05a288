import type { AttemptEnding } from '../runner/port.ts';
import type { Reason } from '../schemas/index.ts';

interface Terminated {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
}

interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: { readonly startedAt?: string };
    readonly terminated?: Terminated;
  };
}

/** The fields of a Pod that are evidence, as the API server sends them: times are RFC 3339. */
export interface PodObject {
  readonly metadata?: {
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly deletionGracePeriodSeconds?: number;
  };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

/** An end that we asked for, noted on the pod before it was asked for. */
export interface AskedEnd {
  readonly reason: Reason;
  /** RFC 3339, UTC. */
  readonly at: string;
  /** Why, as a sentence, where there is more to tell than the reason. */
  readonly message?: string;
}

/** What has to be known beside the pod itself. Times are milliseconds. */
export interface PodContext {
  /** The steps, in order: the pod's containers of these names. */
  readonly steps: readonly { readonly name: string; readonly timeoutMs: number | null }[];
  readonly runMs: number;
  readonly startMs: number;
  readonly asked: AskedEnd | null;
  /** Since when the node has not been heard of; null: it is well, or nobody may look. */
  readonly nodeLostSince: string | null;
  readonly nodeLostAfterMs: number;
}

export type PodReading =
  /** No step has started yet. */
  | { readonly phase: 'starting' }
  | { readonly phase: 'running'; readonly started: string }
  | {
      readonly phase: 'ended';
      readonly started: string | null;
      readonly finished: string;
      readonly ending: AttemptEnding;
    };

/** A reading that may also say that the pod has to be ended by us: it will not come to an end, or to a good one, by itself. */
export type PodVerdict = PodReading & {
  /** Why the controller should delete it now. */
  readonly end?: { readonly reason: Reason; readonly ending: AttemptEnding };
};

const ms = (time: string | undefined): number => (time === undefined ? Number.NaN : Date.parse(time));

/** The kubelet counts whole seconds: a time-out that was kept to the second may look a second short. */
const CLOCK_GRAIN_MS = 1_000;

/**
 * What ended a pod, from its object alone, in this order of evidence: an end that we asked for; the pod's own reason,
 * a disruption or a deletion before the steps had ended; the kernel's OOM kill; states that the kubelet made up; the exit
 * code. Exit code 0 alone is no success, and neither the phase nor anything that the program could write counts
 * (termination messages).
 *
 * `now` is RFC 3339, UTC; it decides on start time-outs, lost nodes and run time-outs of pods that go on.
 */
export function readPod(pod: PodObject, context: PodContext, now: string): PodVerdict {
  const statuses = stepStatuses(pod, context);
  const ended = endOf(pod, statuses, context, now);
  if (ended) return ended;
  const started = firstStart(statuses);
  if (started === null) return startingVerdict(pod, context, now);
  const reading: PodReading = { phase: 'running', started };
  const lost = lostNode(pod, context, now);
  if (lost) return { ...reading, end: { reason: 'NodeLost', ending: lost } };
  if (Date.parse(now) - Date.parse(started) < context.runMs || context.asked) return reading;
  return { ...reading, end: { reason: 'DeadlineExceeded', ending: runTimeout(statuses, context) } };
}

interface StepStatus {
  readonly name: string;
  readonly timeoutMs: number | null;
  readonly status: ContainerStatus | undefined;
  readonly end: Terminated | undefined;
}

function stepStatuses(pod: PodObject, { steps }: PodContext): readonly StepStatus[] {
  const byName = new Map((pod.status?.containerStatuses ?? []).map((status) => [status.name, status]));
  return steps.map(({ name, timeoutMs }) => {
    const status = byName.get(name);
    return { name, timeoutMs, status, end: status?.state?.terminated ?? undefined };
  });
}

/** When the first step began to run: gated steps start together, and the first one runs at once. */
function firstStart(statuses: readonly StepStatus[]): string | null {
  const first = statuses[0]?.status?.state;
  const time = ms(first?.running?.startedAt ?? first?.terminated?.startedAt);
  // The kubelet writes the zero time for a container that it could not start.
  return time > 0 ? new Date(time).toISOString() : null;
}

/** Pods of which the phase is final, or all of whose steps have ended. */
function endOf(pod: PodObject, statuses: readonly StepStatus[], context: PodContext, now: string): PodReading | null {
  const allEnded = statuses.length > 0 && statuses.every(({ end }) => end !== undefined);
  const isFinal = pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
  // No kubelet will ever say anything of a pod that was deleted before it had a node.
  const neverPlaced = pod.metadata?.deletionTimestamp !== undefined && pod.spec?.nodeName === undefined;
  if (!allEnded && !isFinal && !neverPlaced) return null;
  const finishedMs = Math.max(
    ...statuses.map(({ end }) => ms(end?.finishedAt)).filter((time) => !Number.isNaN(time)),
    0,
  );
  const finished = finishedMs > 0 ? new Date(finishedMs).toISOString() : now;
  return {
    phase: 'ended',
    started: firstStart(statuses),
    finished,
    ending: endingOf(pod, statuses, context, finishedMs),
  };
}

function endingOf(
  pod: PodObject,
  statuses: readonly StepStatus[],
  context: PodContext,
  finishedMs: number,
): AttemptEnding {
  const running = statuses.find(({ end }) => end === undefined || end.exitCode !== 0)?.name ?? null;
  return (
    askedEnding(statuses, context, finishedMs, running) ??
    podReasonEnding(pod, running) ??
    disruptionEnding(pod, running) ??
    deletionEnding(pod, finishedMs, running) ??
    memoryEnding(statuses) ??
    syntheticEnding(statuses) ??
    exitEnding(statuses)
  );
}

function askedEnding(
  statuses: readonly StepStatus[],
  context: PodContext,
  finishedMs: number,
  step: string | null,
): AttemptEnding | null {
  const { asked } = context;
  // What had ended before we asked was not ended by us.
  if (asked && (finishedMs === 0 || finishedMs + CLOCK_GRAIN_MS > Date.parse(asked.at))) {
    if (asked.reason === 'DeadlineExceeded') return runTimeout(statuses, context);
    if (INFRASTRUCTURE.has(asked.reason)) {
      return {
        kind: 'infrastructure',
        reason: asked.reason,
        message: asked.message ?? INFRASTRUCTURE.get(asked.reason) ?? asked.reason,
        step,
      };
    }
    return { kind: 'cancelled', reason: asked.reason, step };
  }
  const started = firstStart(statuses);
  if (started !== null && finishedMs - Date.parse(started) >= context.runMs) return runTimeout(statuses, context);
  return stepTimeout(statuses);
}

/** Ends that we ask for because something else went wrong. */
const INFRASTRUCTURE: ReadonlyMap<Reason, string> = new Map([
  ['StartTimeout', 'the pod did not start within its time-out'],
  ['ImagePullFailed', 'an image could not be pulled'],
  ['InvalidPod', 'the kubelet refused the pod'],
  ['Unschedulable', 'no node had room for the pod'],
  ['SecretMissing', 'a Secret that the pod needs is missing'],
  ['NodeLost', 'the node was not heard of any more'],
  ['StartError', 'a container could not be started'],
]);

function runTimeout(statuses: readonly StepStatus[], { runMs }: PodContext): AttemptEnding {
  const step = statuses.find(({ end }) => end === undefined || end.exitCode !== 0) ?? statuses.at(-1);
  const exitCode = step?.end?.exitCode ?? null;
  return { kind: 'timeout', timeout: 'run', step: step?.name ?? '', exitCode, limit: seconds(runMs) };
}

const seconds = (milliseconds: number): string => `${Math.round(milliseconds / 1000)}s`;

/** A step runs from the end of the one before it to its own; the gate ends it at its time-out. */
function stepTimeout(statuses: readonly StepStatus[]): AttemptEnding | null {
  let since = ms(statuses[0]?.end?.startedAt);
  for (const { name, timeoutMs, end } of statuses) {
    if (!end) return null;
    const finished = ms(end.finishedAt);
    if (end.exitCode !== 0) {
      if (timeoutMs === null || finished - since < timeoutMs - CLOCK_GRAIN_MS) return null;
      return { kind: 'timeout', timeout: 'step', step: name, exitCode: end.exitCode, limit: seconds(timeoutMs) };
    }
    since = finished;
  }
  return null;
}

/** `status.reason` of a pod that the kubelet or a controller failed. */
const POD_REASONS: ReadonlyMap<string, Reason> = new Map([
  ['Evicted', 'Evicted'],
  ['Preempting', 'Preempted'],
  ['NodeLost', 'NodeLost'],
  ['NodeShutdown', 'Evicted'],
  ['Shutdown', 'Evicted'],
  ['Terminated', 'Evicted'],
  ['NodeAffinity', 'NodeRejected'],
  ['NodeName', 'NodeRejected'],
  ['NodePorts', 'NodeRejected'],
  ['PodOSNotSupported', 'NodeRejected'],
  ['PodFeatureUnsupported', 'NodeRejected'],
  ['TaintToleration', 'NodeRejected'],
  ['UnexpectedAdmissionError', 'NodeRejected'],
  ['TopologyAffinityError', 'NodeRejected'],
]);

function podReasonEnding(pod: PodObject, step: string | null): AttemptEnding | null {
  const { reason, message } = pod.status ?? {};
  if (!reason) return null;
  if (reason === 'DeadlineExceeded')
    return { kind: 'timeout', timeout: 'run', step: step ?? '', exitCode: null, limit: 'the pod' };
  const known = POD_REASONS.get(reason) ?? (reason.startsWith('OutOf') ? 'NodeRejected' : undefined);
  if (!known) return null;
  return { kind: 'infrastructure', reason: known, message: `${reason}: ${message ?? 'no further word'}`, step };
}

/** Reasons of the DisruptionTarget condition: kubernetes.io/docs/concepts/workloads/pods/disruptions. */
const DISRUPTIONS: ReadonlyMap<string, Reason> = new Map([
  ['PreemptionByScheduler', 'Preempted'],
  ['DeletionByTaintManager', 'Evicted'],
  ['EvictionByEvictionAPI', 'Evicted'],
  ['DeletionByPodGC', 'NodeLost'],
  ['TerminationByKubelet', 'Evicted'],
]);

function disruptionEnding(pod: PodObject, step: string | null): AttemptEnding | null {
  const condition = pod.status?.conditions?.find(
    ({ type, status }) => type === 'DisruptionTarget' && status === 'True',
  );
  if (!condition) return null;
  const reason = DISRUPTIONS.get(condition.reason ?? '') ?? 'Evicted';
  return { kind: 'infrastructure', reason, message: `${condition.reason}: ${condition.message ?? ''}`.trim(), step };
}

/** A deletion counts when it was asked for before the steps had ended: the object says when it would be over. */
function deletionEnding(pod: PodObject, finishedMs: number, step: string | null): AttemptEnding | null {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata ?? {};
  if (!deletionTimestamp) return null;
  const requested = ms(deletionTimestamp) - (deletionGracePeriodSeconds ?? 0) * 1_000;
  if (finishedMs !== 0 && finishedMs < requested) return null;
  const when = step === null ? 'before it had ended' : `while step ${JSON.stringify(step)} was running`;
  return { kind: 'infrastructure', reason: 'PodDeleted', message: `the pod was deleted ${when}`, step };
}

function memoryEnding(statuses: readonly StepStatus[]): AttemptEnding | null {
  const killed = statuses.find(({ end }) => end?.reason === 'OOMKilled');
  return killed?.end ? { kind: 'oomKilled', step: killed.name, exitCode: killed.end.exitCode } : null;
}

const SYNTHETIC: ReadonlyMap<string, Reason> = new Map([
  ['ContainerStatusUnknown', 'NodeLost'],
  ['Unknown', 'NodeLost'],
  ['StartError', 'StartError'],
  ['ContainerCannotRun', 'StartError'],
]);

function syntheticEnding(statuses: readonly StepStatus[]): AttemptEnding | null {
  for (const { name, end } of statuses) {
    const reason = SYNTHETIC.get(end?.reason ?? '');
    if (reason === 'StartError')
      return { kind: 'startError', step: name, message: end?.message ?? 'the container could not be started' };
    if (reason)
      return {
        kind: 'infrastructure',
        reason,
        message: `${end?.reason}: ${end?.message ?? 'the kubelet does not know how the container ended'}`,
        step: name,
      };
  }
  return null;
}

function exitEnding(statuses: readonly StepStatus[]): AttemptEnding {
  const unseen = statuses.find(({ end }) => end === undefined);
  const failed = statuses.find(({ end }) => end !== undefined && end.exitCode !== 0);
  if (failed?.end) return { kind: 'exited', step: failed.name, exitCode: failed.end.exitCode };
  if (unseen || statuses.length === 0) {
    const message = 'the pod is over, and how its containers ended was not seen';
    return { kind: 'infrastructure', reason: 'NodeLost', message, step: unseen?.name ?? null };
  }
  return { kind: 'exited', step: statuses.at(-1)?.name ?? '', exitCode: 0 };
}

/** A pod of which no step has started: goes on, or has to be ended since it never will. */
function startingVerdict(pod: PodObject, context: PodContext, now: string): PodVerdict {
  const reading: PodReading = { phase: 'starting' };
  if (context.asked) return reading;
  const trouble = startTrouble(pod);
  if (trouble?.isFinal) return { ...reading, end: { reason: trouble.reason, ending: infrastructure(trouble) } };
  const lost = lostNode(pod, context, now);
  if (lost) return { ...reading, end: { reason: 'NodeLost', ending: lost } };
  if (Date.parse(now) - ms(pod.metadata?.creationTimestamp) < context.startMs) return reading;
  const last = trouble ?? { reason: 'StartTimeout' as const, message: 'nothing tells why' };
  const reason: Reason = last.reason === 'Unschedulable' ? 'Unschedulable' : 'StartTimeout';
  const message = `the pod did not start within ${seconds(context.startMs)}: ${last.message}`;
  return { ...reading, end: { reason, ending: infrastructure({ reason, message }) } };
}

interface Trouble {
  readonly reason: Reason;
  readonly message: string;
}

const infrastructure = ({ reason, message }: Trouble): AttemptEnding => ({
  kind: 'infrastructure',
  reason,
  message,
  step: null,
});

/** What a registry says of an image that another try will not bring. */
const IMAGE_IS_MISSING =
  /not found|manifest unknown|no such|unauthorized|denied|forbidden|invalid reference|does not exist/i;

/** What keeps a pod from starting, as the kubelet and the scheduler tell it. */
function startTrouble(pod: PodObject): (Trouble & { readonly isFinal: boolean }) | null {
  const containers = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  for (const { name, state, image } of containers) {
    const { reason = '', message = '' } = state?.waiting ?? {};
    if (['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull'].includes(reason)) {
      const isFinal = reason === 'InvalidImageName' || reason === 'ErrImageNeverPull' || IMAGE_IS_MISSING.test(message);
      return { reason: 'ImagePullFailed', message: `${image}: ${message || reason}`, isFinal };
    }
    if (reason === 'CreateContainerConfigError') return configTrouble(name, message);
    if (reason === 'CreateContainerError' || reason === 'RunContainerError') {
      return { reason: 'StartError', message: `container ${name}: ${message}`, isFinal: true };
    }
  }
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    return {
      reason: 'Unschedulable',
      message: scheduled.message ?? scheduled.reason ?? 'no node fits',
      isFinal: false,
    };
  }
  return null;
}

function configTrouble(name: string, message: string): Trouble & { readonly isFinal: boolean } {
  if (/secret|configmap/i.test(message))
    return { reason: 'SecretMissing', message: `container ${name}: ${message}`, isFinal: true };
  const hint = /non-root|runAsNonRoot/i.test(message)
    ? '; add `user: 65532` to the step, or the uid that the image is made for'
    : '';
  return { reason: 'InvalidPod', message: `container ${name}: ${message}${hint}`, isFinal: true };
}

function lostNode(pod: PodObject, { nodeLostSince, nodeLostAfterMs }: PodContext, now: string): AttemptEnding | null {
  if (nodeLostSince === null || Date.parse(now) - Date.parse(nodeLostSince) < nodeLostAfterMs) return null;
  const message = `node ${pod.spec?.nodeName ?? ''} has not been heard of since ${nodeLostSince}; what it ran may still be running`;
  return { kind: 'infrastructure', reason: 'NodeLost', message, step: null };
}
