import type { AttemptEnding } from '../runner/port.ts';
import type { Reason } from '../schemas/index.ts';
import { endingOf } from './pod-ending.ts';
import { lostNode, startingVerdict } from './pod-start.ts';
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

/** What has to be known beside the pod itself. Times are milliseconds. */
export interface PodContext {
  /** The steps, in order: the pod's containers of these names. */
  readonly steps: readonly { readonly name: string; readonly timeoutMs: number | null }[];
  /**
   * The containers that wait for each other behind gates: the steps and those of `finally`. Empty: none does. Absent: the
   * steps, where there are several.
   */
  readonly gates?: readonly string[];
  readonly runMs: number;
  readonly startMs: number;
  /** What a step has left after TERM. */
  readonly graceMs?: number;
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

/** How much later than a gate, which counts the same time, we end a run: the steps of `finally` are to run after it. */
const GATE_MARGIN_MS = 10_000;

/**
 * What ended a pod, from its object alone, in this order of evidence: an end that we asked for; the pod's own reason,
 * a disruption or a deletion before the steps had ended; the kernel's OOM kill; states that the kubelet made up; the exit
 * code. Exit code 0 alone is no success, and neither the phase nor anything that the program could write counts
 * (termination messages). Of several steps the first one that failed decides, and its end is what the others' times are
 * compared with.
 *
 * `now` is RFC 3339, UTC; it decides on start time-outs, lost nodes and run time-outs of pods that go on.
 */
export function readPod(pod: PodObject, context: PodContext, now: string): PodVerdict {
  const steps = readSteps(pod, context);
  if (hasEnded(pod, steps)) return endedReading(pod, steps, context, now);
  const reading: PodReading =
    steps.started === null ? { phase: 'starting' } : { phase: 'running', started: steps.started };
  const end = endNow(pod, steps, context, now);
  return end ? { ...reading, end } : reading;
}

/** Whether nothing more will come: all containers that count have ended, or the phase is final. */
function hasEnded({ metadata, spec, status }: PodObject, { allEnded }: StepsReading): boolean {
  const isFinal = status?.phase === 'Failed' || status?.phase === 'Succeeded';
  // No kubelet will ever say anything of a pod that was deleted before it had a node.
  const neverPlaced = metadata?.deletionTimestamp !== undefined && spec?.nodeName === undefined;
  return allEnded || isFinal || neverPlaced;
}

function endedReading(pod: PodObject, steps: StepsReading, context: PodContext, now: string): PodReading {
  const { started, lastMs } = steps;
  const finished = lastMs === null ? now : new Date(lastMs).toISOString();
  return { phase: 'ended', started, finished, ending: endingOf(pod, steps, context) };
}

/** Why a pod that goes on should not. */
function endNow(pod: PodObject, steps: StepsReading, context: PodContext, now: string): PodVerdict['end'] {
  const lost = lostNode(pod, context, now);
  if (lost) return { reason: 'NodeLost', ending: lost };
  if (context.asked) {
    // Whoever noted it was cut off before asking.
    const isAsked = pod.metadata?.deletionTimestamp !== undefined;
    return isAsked ? undefined : { reason: context.asked.reason, ending: endingOf(pod, steps, context) };
  }
  return steps.started === null ? startingVerdict(pod, context, now) : overTime(pod, steps, context, now);
}

/** Time-outs that no gate keeps; of those that one keeps, a backstop. */
function overTime(pod: PodObject, steps: StepsReading, context: PodContext, now: string): PodVerdict['end'] {
  const ranMs = Date.parse(now) - Date.parse(steps.started ?? now);
  const { runMs, graceMs = 0 } = context;
  const end = (reason: Reason): PodVerdict['end'] => {
    const asked: AskedEnd = { reason, at: now };
    return { reason, ending: endingOf(pod, steps, { ...context, asked }) };
  };
  if (steps.gated) {
    const stepsGoOn = steps.all.some((step) => step.end === undefined);
    return stepsGoOn && ranMs >= runMs + graceMs + GATE_MARGIN_MS ? end('DeadlineExceeded') : undefined;
  }
  const stepMs = context.steps[0]?.timeoutMs ?? Number.POSITIVE_INFINITY;
  if (ranMs < Math.min(runMs, stepMs)) return undefined;
  return end(stepMs < runMs ? 'StepTimeout' : 'DeadlineExceeded');
}
