import type { AttemptEnding } from '../runner/port.ts';
import type { Reason } from '../schemas/index.ts';
import { endingOf } from './pod-ending.ts';
import { lostNode, startingVerdict } from './pod-start.ts';
import { blamedService, serviceEnding, type UnhealthyService, unhealthyService } from './pod-services.ts';
import { readSteps, type StepsReading } from './pod-steps.ts';

export interface Terminated {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
}

export interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  /** Empty until the container exists. */
  readonly containerID?: string;
  readonly restartCount?: number;
  /** Whether it has passed its startup probe. */
  readonly started?: boolean;
  readonly state?: ContainerState;
  /** How it was before it was restarted. */
  readonly lastState?: ContainerState;
}

export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: Terminated;
}

/** The fields of a Pod that are evidence, as the API server sends them: times are RFC 3339. */
export interface PodObject {
  readonly metadata?: {
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly deletionGracePeriodSeconds?: number;
    readonly generation?: number;
  };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly startTime?: string;
    /** What the kubelet knew of the pod when it wrote this status. */
    readonly observedGeneration?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly lastTransitionTime?: string;
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

/** A step or a hook, and its container. */
export interface StepContext {
  readonly name: string;
  readonly container: string;
  readonly timeoutMs: number | null;
  /** Whether it is of `finally` or a hook after it: it runs whatever became of the steps. */
  readonly atEnd: boolean;
  /** Whether it has no say in how the pod ended. */
  readonly advisory?: boolean;
}

/** A service, whose container has its name. Times are milliseconds. */
export interface ServiceContext {
  readonly name: string;
  /** Null: it is ready once it runs. */
  readonly health: { readonly intervalMs: number; readonly timeoutMs: number; readonly retries: number } | null;
}

/** What the spec of a task says of its pods. Times are milliseconds. */
export interface PodExpectation {
  /** In the order in which they run. */
  readonly steps: readonly StepContext[];
  /** Whether they wait for each other behind gates. */
  readonly gated: boolean;
  /** The container that sends the artifacts once the steps have ended; null: none does. */
  readonly upload: string | null;
  readonly services: readonly ServiceContext[];
  readonly runMs: number;
  readonly startMs: number;
  /** What a step has left after TERM. */
  readonly graceMs: number;
  /** All steps at the end together. */
  readonly finallyMs: number;
  /** Exit codes besides 0 that are no failure. */
  readonly notFailures: readonly number[];
}

/** What has to be known beside the pod itself. */
export interface PodContext extends PodExpectation {
  readonly asked: AskedEnd | null;
  /** Since when the node has not been heard of; null: it is well, or nobody may look. */
  readonly nodeLostSince: string | null;
  readonly nodeLostAfterMs: number;
  /** Of a runner of a set, which was there before its attempt; absent: the pod is the attempt's own. */
  readonly warm?: WarmContext;
}

/** What has to be known of a runner that has an attempt. */
export interface WarmContext {
  /** Since when it has it: RFC 3339. It counts as the start of the step. */
  readonly claimed: string;
  /**
   * Whether the attempt was handed over to it; `unknown`: it may have been, by a process that is no more. What was never
   * handed over has not started.
   */
  readonly handed: 'yes' | 'no' | 'unknown';
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

/** How the steps of a pod ended that still sends their artifacts: whatever becomes of it, that stays. */
export interface SettledSteps {
  readonly finished: string;
  readonly ending: AttemptEnding;
}

/** How the container ended that sends the artifacts; its exit code is evidence of nothing else. */
export interface UploadEnd {
  readonly exitCode: number;
  /** What it said, or Kubernetes says of it. */
  readonly message: string;
}

/** A reading that may also say that the pod has to be ended by us: it will not come to an end, or to a good one, by itself. */
export type PodVerdict = PodReading & {
  /** Why the controller should delete it now. */
  readonly end?: { readonly reason: Reason; readonly ending: AttemptEnding };
  /** The service whose fault that, or the ending, is; its last lines belong into the message (withLastLines). */
  readonly service?: UnhealthyService;
  readonly settled?: SettledSteps;
  /** Absent where it was not seen to end. */
  readonly upload?: UploadEnd;
};

/** How much later than a gate, which counts the same time, we end a run: the steps of `finally` are to run after it. */
const GATE_MARGIN_MS = 10_000;

/**
 * What ended a pod, from its object alone, in this order of evidence: an end that we asked for; the pod's own reason,
 * a disruption or a deletion before the steps had ended; a service that died under them; the kernel's OOM kill; states that
 * the kubelet made up; the exit code. Exit code 0 alone is no success, and neither the phase nor anything that the program
 * could write counts (termination messages). Of several steps the first one that failed decides, and its end is what the
 * others' times are compared with; one at the end decides only where the steps went well.
 *
 * `now` is RFC 3339, UTC; it decides on start time-outs, lost nodes and run time-outs of pods that go on.
 */
export function readPod(pod: PodObject, context: PodContext, now: string): PodVerdict {
  const steps = readSteps(pod, context);
  if (hasEnded(pod, steps, context)) return { ...endedReading(pod, steps, context, now), ...uploadOf(pod, context) };
  const reading: PodReading =
    steps.started === null ? { phase: 'starting' } : { phase: 'running', started: steps.started };
  return { ...reading, ...endNow(pod, steps, context, now), ...settledSteps(pod, steps, context) };
}

/** Whether nothing more will come: all containers that count have ended, or the phase is final. */
function hasEnded(pod: PodObject, { allEnded }: StepsReading, context: PodContext): boolean {
  const { metadata, spec, status } = pod;
  const isFinal = status?.phase === 'Failed' || status?.phase === 'Succeeded';
  // No kubelet will ever say anything of a pod that was deleted before it had a node.
  const neverPlaced = metadata?.deletionTimestamp !== undefined && spec?.nodeName === undefined;
  const isSent = context.upload === null || uploadOf(pod, context).upload !== undefined;
  return (allEnded && isSent) || isFinal || neverPlaced;
}

function uploadOf({ status }: PodObject, { upload }: PodContext): Pick<PodVerdict, 'upload'> {
  const end = status?.containerStatuses?.find(({ name }) => name === upload)?.state?.terminated;
  if (upload === null || !end) return {};
  return { upload: { exitCode: end.exitCode, message: (end.message ?? end.reason ?? '').trim() } };
}

/** Only as long as nothing else can have ended them: a pod that is being deleted does not tell what came first. */
function settledSteps(pod: PodObject, steps: StepsReading, context: PodContext): Pick<PodVerdict, 'settled'> {
  const isGoing = pod.metadata?.deletionTimestamp !== undefined || context.asked !== null;
  if (!steps.allEnded || isGoing || steps.lastMs === null) return {};
  return { settled: { finished: new Date(steps.lastMs).toISOString(), ending: endingOf(pod, steps, context) } };
}

function endedReading(pod: PodObject, steps: StepsReading, context: PodContext, now: string): PodVerdict {
  const { started, lastMs } = steps;
  const finished = lastMs === null ? now : new Date(lastMs).toISOString();
  const ending = endingOf(pod, steps, context);
  const service = context.asked ? null : blamedService(ending, pod, steps, context);
  return { phase: 'ended', started, finished, ending, ...(service ? { service } : {}) };
}

/** Why a pod that goes on should not. */
function endNow(
  pod: PodObject,
  steps: StepsReading,
  context: PodContext,
  now: string,
): Pick<PodVerdict, 'end' | 'service'> {
  const because = (end: PodVerdict['end']): Pick<PodVerdict, 'end'> => (end ? { end } : {});
  const lost = lostNode(pod, context, now);
  if (lost) return { end: { reason: 'NodeLost', ending: lost } };
  if (context.asked) {
    // Whoever noted it was cut off before asking.
    const isAsked = pod.metadata?.deletionTimestamp !== undefined;
    return isAsked ? {} : { end: { reason: context.asked.reason, ending: endingOf(pod, steps, context) } };
  }
  const service = unhealthyService(pod, steps, context, now);
  if (service) return { end: { reason: 'ServiceUnhealthy', ending: serviceEnding(service, steps) }, service };
  return because(steps.started === null ? startingVerdict(pod, context, now) : overTime(pod, steps, context, now));
}

/** Time-outs that no gate keeps; of those that one keeps, a backstop. */
function overTime(pod: PodObject, steps: StepsReading, context: PodContext, now: string): PodVerdict['end'] {
  const ranMs = Date.parse(now) - Date.parse(steps.started ?? now);
  const { runMs, graceMs } = context;
  const end = (reason: Reason): PodVerdict['end'] => {
    const asked: AskedEnd = { reason, at: now };
    return { reason, ending: endingOf(pod, steps, { ...context, asked }) };
  };
  if (steps.gated) {
    const stepsGoOn = steps.all.some(({ atEnd, end: ended }) => !atEnd && ended === undefined);
    return stepsGoOn && ranMs >= runMs + graceMs + GATE_MARGIN_MS ? end('DeadlineExceeded') : undefined;
  }
  const stepMs = context.steps[0]?.timeoutMs ?? Number.POSITIVE_INFINITY;
  if (ranMs < Math.min(runMs, stepMs)) return undefined;
  return end(stepMs < runMs ? 'StepTimeout' : 'DeadlineExceeded');
}
