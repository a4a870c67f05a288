import type { AttemptEnding } from '../runner/port.ts';
import type { Reason } from '../schemas/index.ts';
import type { AskedEnd, PodContext, PodObject } from './pod.ts';
import { serviceEnding, unhealthyService } from './pod-services.ts';
import { seconds } from './pod-start.ts';
import { START_ERRORS, type StepReading, type StepsReading, timeOf, UNKNOWN_STATES } from './pod-steps.ts';

/** Kubernetes writes whole seconds: of two times within one, either may be the earlier. */
const CLOCK_GRAIN_MS = 1_000;

/** What the pieces of evidence have in common. */
interface Case {
  readonly pod: PodObject;
  readonly steps: StepsReading;
  readonly context: PodContext;
  /** The step that was running when it came to an end, or should have been; null where none had started. */
  readonly step: string | null;
}

/** How a pod ended, or what it amounts to if it is ended now: the order of evidence of design.md §3.9. */
export function endingOf(pod: PodObject, steps: StepsReading, context: PodContext): AttemptEnding {
  const current = steps.failed ?? steps.all.find(({ end }) => end === undefined) ?? steps.all.at(-1);
  const it: Case = { pod, steps, context, step: steps.started === null ? null : (current?.name ?? null) };
  return (
    askedEnding(it) ??
    serviceFault(it) ??
    timeoutEnding(it) ??
    podReasonEnding(it) ??
    disruptionEnding(it) ??
    deletionEnding(it) ??
    neverHanded(it) ??
    failedEnding(it) ??
    unseenEnding(it) ?? { kind: 'exited', step: steps.all.findLast(({ atEnd }) => !atEnd)?.name ?? '', exitCode: 0 }
  );
}

const infrastructure = (reason: Reason, message: string, step: string | null): AttemptEnding => ({
  kind: 'infrastructure',
  reason,
  message,
  step,
});

/** Whether something came before it was decided how the steps end. */
const before = (time: number, { decidedMs }: StepsReading): boolean =>
  decidedMs === null || time < decidedMs + CLOCK_GRAIN_MS;

/** Ends that we ask for because something else went wrong. */
const ASKED_FOR_TROUBLE: ReadonlyMap<Reason, string> = new Map([
  ['StartTimeout', 'the pod did not start within its time-out'],
  ['ImagePullFailed', 'an image could not be pulled'],
  ['InvalidPod', 'the kubelet refused the pod'],
  ['Unschedulable', 'no node had room for the pod'],
  ['SecretMissing', 'a Secret that the pod needs is missing'],
  ['NodeLost', 'the node was not heard of any more'],
  ['StartError', 'a container could not be started'],
  ['ServiceUnhealthy', 'a service was not well'],
]);

function askedEnding(it: Case): AttemptEnding | null {
  const { asked } = it.context;
  // What had ended before we asked was not ended by us.
  return asked && before(Date.parse(asked.at), it.steps) ? endingAsAsked(asked, it) : null;
}

function endingAsAsked(asked: AskedEnd, it: Case): AttemptEnding {
  if (asked.reason === 'DeadlineExceeded') return runTimeout(it);
  if (asked.reason === 'StepTimeout') return stepTimeout(currentStep(it), it);
  const trouble = ASKED_FOR_TROUBLE.get(asked.reason);
  if (trouble !== undefined) return infrastructure(asked.reason, messageOf(asked) ?? trouble, it.step);
  return { kind: 'cancelled', reason: asked.reason, step: it.step };
}

const messageOf = ({ message }: AskedEnd): string | undefined => (message === '' ? undefined : message);

/** The step that failed, or that goes on, or the last one. */
const currentStep = ({ steps }: Case): StepReading | undefined =>
  steps.failed ?? steps.all.find(({ end }) => end === undefined) ?? steps.all.at(-1);

function runTimeout(it: Case): AttemptEnding {
  const step = currentStep(it);
  const exitCode = step?.end?.exitCode ?? null;
  return { kind: 'timeout', timeout: 'run', step: step?.name ?? '', exitCode, limit: seconds(it.context.runMs) };
}

function stepTimeout(step: StepReading | undefined, { context }: Case): AttemptEnding {
  const limit = seconds(step?.timeoutMs ?? context.runMs);
  return { kind: 'timeout', timeout: 'step', step: step?.name ?? '', exitCode: step?.end?.exitCode ?? null, limit };
}

/** A service that died under the steps, whatever they made of it, and whether or not a controller was there to end them. */
function serviceFault({ pod, steps, context }: Case): AttemptEnding | null {
  const service = unhealthyService(pod, steps, context, null);
  return service && serviceEnding(service, steps);
}

/** Exit codes of commands that were told to end: TERM, KILL, and the gate's own word for one that ended with 0. */
const STOPPED_CODES: ReadonlySet<number> = new Set([124, 137, 143]);

/**
 * Time-outs that were over at the end, although nobody noted that it was asked for: those that gates keep, and those that
 * passed while no controller looked. What a gate lets end with 0 was in time: it counts more finely than the kubelet.
 */
function timeoutEnding(it: Case): AttemptEnding | null {
  const { steps, context } = it;
  const { decidedMs, failed, gated } = steps;
  const startedMs = timeOf(steps.started);
  if (startedMs === null || decidedMs === null) return null;
  const step = failed ?? steps.all.findLast(({ atEnd }) => !atEnd);
  const isOver = (sinceMs: number, limitMs: number): boolean => {
    // Of a start and an end in whole seconds, the difference may be a second too long, and one too short.
    if (!gated) return decidedMs - sinceMs >= limitMs + CLOCK_GRAIN_MS;
    const { exitCode = 0, reason } = failed?.end ?? {};
    const slack = STOPPED_CODES.has(exitCode) && reason === 'Error' ? CLOCK_GRAIN_MS : 0;
    return failed !== undefined && decidedMs - sinceMs >= limitMs - slack;
  };
  const stepMs = step?.timeoutMs ?? Number.POSITIVE_INFINITY;
  const wholeMs = step?.atEnd ? context.finallyMs : context.runMs;
  if (step && stepMs < wholeMs && isOver(beginOf(step, it), stepMs)) return stepTimeout(step, it);
  if (step?.atEnd) return isOver(steps.properMs ?? Number.NaN, wholeMs) ? finallyTimeout(step, it) : null;
  return isOver(startedMs, wholeMs) ? runTimeout(it) : null;
}

const finallyTimeout = ({ name, end }: StepReading, { context }: Case): AttemptEnding => ({
  kind: 'timeout',
  timeout: 'finally',
  step: name,
  exitCode: end?.exitCode ?? null,
  limit: seconds(context.finallyMs),
});

/** A step begins when the one before it has ended. */
function beginOf(step: StepReading, { steps }: Case): number {
  const previous = steps.all[steps.all.indexOf(step) - 1];
  return timeOf(previous ? previous.end?.finishedAt : steps.started) ?? Number.NaN;
}

/** `status.reason` of a pod that the kubelet or a controller failed; any other is a refusal if no step had started. */
const POD_REASONS: ReadonlyMap<string, Reason> = new Map([
  ['Evicted', 'Evicted'],
  ['Preempting', 'Preempted'],
  ['NodeLost', 'NodeLost'],
  ['NodeShutdown', 'Evicted'],
  ['Shutdown', 'Evicted'],
  ['Terminated', 'Evicted'],
]);

function podReasonEnding(it: Case): AttemptEnding | null {
  const { reason, message } = it.pod.status ?? {};
  if (!reason) return null;
  const neverStarted = it.steps.started === null;
  const told = `${reason}: ${message ?? 'no further word'}`;
  if (reason === 'DeadlineExceeded') return neverStarted ? infrastructure('StartTimeout', told, null) : runTimeout(it);
  const known = POD_REASONS.get(reason) ?? (neverStarted ? 'NodeRejected' : undefined);
  // A pod that lingers on after its steps may be evicted: that is no news of the steps.
  const condition = disruptionOf(it);
  if (!known || (condition !== undefined && !isInTime(condition, it))) return null;
  return infrastructure(known, told, it.step);
}

/** Reasons of the DisruptionTarget condition: kubernetes.io/docs/concepts/workloads/pods/disruptions. */
const DISRUPTIONS: ReadonlyMap<string, Reason> = new Map([
  ['PreemptionByScheduler', 'Preempted'],
  ['DeletionByTaintManager', 'Evicted'],
  ['EvictionByEvictionAPI', 'Evicted'],
  ['DeletionByPodGC', 'NodeLost'],
  ['TerminationByKubelet', 'Evicted'],
]);

type Condition = NonNullable<NonNullable<PodObject['status']>['conditions']>[number];

const disruptionOf = ({ pod }: Case): Condition | undefined =>
  pod.status?.conditions?.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');

/** The eviction of a pod that has ended, by a drain for one, sets the condition too. */
const isInTime = ({ lastTransitionTime }: Condition, { steps }: Case): boolean => {
  const time = timeOf(lastTransitionTime);
  return time === null || before(time, steps);
};

function disruptionEnding(it: Case): AttemptEnding | null {
  const condition = disruptionOf(it);
  if (!condition || !isInTime(condition, it)) return null;
  const reason = DISRUPTIONS.get(condition.reason ?? '') ?? 'Evicted';
  return infrastructure(reason, `${condition.reason}: ${condition.message ?? ''}`.trim(), it.step);
}

function deletionEnding(it: Case): AttemptEnding | null {
  if (it.pod.metadata?.deletionTimestamp === undefined || isDeletedAfter(it)) return null;
  // Our own deletion, and it came too late to be the cause, or so the clocks say.
  if (it.context.asked) return endingAsAsked(it.context.asked, it);
  const when = it.step === null ? 'before it had ended' : `while step ${JSON.stringify(it.step)} was running`;
  return infrastructure('PodDeleted', `the pod was deleted ${when}`, it.step);
}

/**
 * Whether it is certain that the deletion was asked for after the end. The timestamp is not when it was asked for: it is
 * the grace later, and once the kubelet has ended the pod, which deletes it anew without a grace, it is the time of
 * that (measured, 1.34): a program that traps TERM then looks as if it had ended before. But a status that the kubelet
 * wrote without knowing of the deletion tells of an end that came first.
 */
function isDeletedAfter({ pod, steps }: Case): boolean {
  if (steps.decidedMs === null) return false;
  const { deletionTimestamp, deletionGracePeriodSeconds, generation = 0 } = pod.metadata ?? {};
  const observed = pod.status?.observedGeneration ?? 0;
  if (observed > 0 && generation > 0) return observed < generation;
  const graceMs = (deletionGracePeriodSeconds ?? 0) * 1_000;
  return graceMs > 0 && !before((timeOf(deletionTimestamp) ?? 0) - graceMs, steps);
}

/** A runner that ended before it had its attempt: its exit code is its own. */
function neverHanded({ context, steps }: Case): AttemptEnding | null {
  if (context.warm?.handed !== 'no' || !steps.allEnded) return null;
  const { exitCode, reason } = steps.all[0]?.end ?? {};
  const how = reason === 'OOMKilled' ? 'was killed for its memory' : `ended with exit code ${exitCode}`;
  return infrastructure('StartError', `the runner ${how} before the attempt was handed to it`, null);
}

/** The first step that ended badly: killed for its memory, not known how, not started, or by its exit code. */
function failedEnding({ steps }: Case): AttemptEnding | null {
  if (!steps.failed?.end) return null;
  const { name, end } = steps.failed;
  const { reason = '', exitCode } = end;
  if (reason === 'OOMKilled') return { kind: 'oomKilled', step: name, exitCode };
  if (START_ERRORS.has(reason))
    return { kind: 'startError', step: name, message: end.message ?? 'the container could not be started' };
  if (!UNKNOWN_STATES.has(reason)) return { kind: 'exited', step: name, exitCode };
  const told = end.message ?? 'the kubelet does not know how the container ended';
  return infrastructure('NodeLost', `${reason}: ${told}`, name);
}

/** A pod that is over with a step of which no end was seen. */
function unseenEnding({ pod, steps, step }: Case): AttemptEnding | null {
  if (steps.all.length > 0 && steps.all.every(({ end }) => end !== undefined)) return null;
  const init = pod.status?.initContainerStatuses?.find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
  if (steps.started === null && init) {
    const { exitCode, reason, message } = init.state?.terminated ?? {};
    const told = `container ${init.name} ended with exit code ${exitCode} before any step: ${message ?? reason ?? ''}`;
    return infrastructure('StartError', told.replace(/: $/, ''), null);
  }
  return infrastructure('NodeLost', 'the pod is over, and how its containers ended was not seen', step);
}
