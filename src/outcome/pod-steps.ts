import type { ContainerStatus, PodContext, PodObject, Terminated, WarmContext } from './pod.ts';

/** A step, and what its container says. */
export interface StepReading {
  readonly name: string;
  readonly timeoutMs: number | null;
  readonly atEnd: boolean;
  readonly advisory: boolean;
  readonly end: Terminated | undefined;
}

/** The steps of a pod, as far as its object tells. Times are milliseconds since 1970. */
export interface StepsReading {
  readonly all: readonly StepReading[];
  readonly gated: boolean;
  /** When the first step began: RFC 3339, UTC; null while none has. */
  readonly started: string | null;
  /** Whether all steps have ended, those at the end included. */
  readonly allEnded: boolean;
  /** The first step that ended badly, after others that ended well; one at the end where the steps proper went well. */
  readonly failed: StepReading | undefined;
  /** When it was decided how the steps proper end: with the first that failed, or the last. Null: not, or not that anybody saw. */
  readonly properMs: number | null;
  /** When it was decided how the pod ends: that time, or when the step at the end ended that failed. */
  readonly decidedMs: number | null;
  /** The last end of any step that was seen. */
  readonly lastMs: number | null;
}

/** Milliseconds since 1970 of a time as the API server writes it; null where there is none. */
export function timeOf(text: string | null | undefined): number | null {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? null : time;
}

/** States that a kubelet makes up for a container of which it knows nothing. */
export const UNKNOWN_STATES: ReadonlySet<string> = new Set(['ContainerStatusUnknown', 'Unknown']);
/** Container reasons of commands that could not be started. */
export const START_ERRORS: ReadonlySet<string> = new Set(['StartError', 'ContainerCannotRun']);

const NEVER_FINE: ReadonlySet<string> = new Set(['OOMKilled', ...UNKNOWN_STATES, ...START_ERRORS]);

const endedBadly = ({ exitCode, reason = '' }: Terminated): boolean => exitCode !== 0 || NEVER_FINE.has(reason);

export function readSteps(pod: PodObject, context: PodContext): StepsReading {
  const byName = new Map((pod.status?.containerStatuses ?? []).map((status) => [status.name, status]));
  const all = context.steps.map(({ name, container, timeoutMs, atEnd, advisory = false }): StepReading => {
    return { name, timeoutMs, atEnd, advisory, end: endOf(byName.get(container)) };
  });
  const isFine = ({ exitCode, reason = '' }: Terminated): boolean =>
    context.notFailures.includes(exitCode) && !NEVER_FINE.has(reason);
  const proper = all.filter(({ atEnd }) => !atEnd);
  const stop = proper.find(({ end }) => end === undefined || endedBadly(end));
  const wentWell = stop === undefined || (stop.end !== undefined && isFine(stop.end));
  const atEnd = all.find(
    (step) => step.atEnd && !step.advisory && (step.end === undefined || (endedBadly(step.end) && !isFine(step.end))),
  );
  const undecided = wentWell ? (atEnd ?? stop) : stop;
  const failed = undecided?.end && undecided;
  const properMs = stop ? timeOf(stop.end?.finishedAt) : lastOf(proper);
  const allEnded = all.length > 0 && all.every(({ end }) => end !== undefined);
  const startedMs = context.warm
    ? warmStart(context.warm, allEnded || pod.metadata?.deletionTimestamp !== undefined)
    : startedOf(context.steps.map(({ container }) => startOf(pod, byName.get(container))));
  return {
    all,
    gated: context.gated,
    started: startedMs === null ? null : new Date(startedMs).toISOString(),
    allEnded,
    failed,
    properMs,
    decidedMs: failed ? timeOf(failed.end?.finishedAt) : undecided ? null : properMs,
    lastMs: lastOf(all),
  };
}

/** The last end of these that was seen. */
const lastOf = (steps: readonly StepReading[]): number | null => {
  const ends = steps.flatMap(({ end }) => timeOf(end?.finishedAt) ?? []);
  return ends.length === 0 ? null : Math.max(...ends);
};

const endOf = (status: ContainerStatus | undefined): Terminated | undefined => status?.state?.terminated ?? undefined;

/** When a container began to run; null where it never did. */
function startOf(pod: PodObject, status: ContainerStatus | undefined): number | null {
  const { running, terminated } = status?.state ?? {};
  const time = timeOf(running?.startedAt ?? terminated?.startedAt);
  // The kubelet writes 1970 for a container that it could not start.
  if (time !== null) return time > 0 ? time : null;
  // It was there, and the kubelet has lost it: since when it ran is not known, but it may have.
  const mayHaveRun = terminated !== undefined && terminated !== null && (status?.containerID ?? '') !== '';
  return mayHaveRun ? (timeOf(pod.status?.startTime) ?? timeOf(pod.metadata?.creationTimestamp)) : null;
}

/** A runner's container is older than the step: that begins with the attempt. What may have been handed over may have started. */
function warmStart({ claimed, handed }: WarmContext, isOver: boolean): number | null {
  return handed === 'yes' || (handed === 'unknown' && isOver) ? timeOf(claimed) : null;
}

/** The first gate opens when all containers run; without gates there is one step. */
function startedOf(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length < times.length || known.length === 0 ? null : Math.max(...known);
}
