import type { ContainerStatus, PodContext, PodObject, Terminated } from './pod.ts';

/** A step, and what its container says. */
export interface StepReading {
  readonly name: string;
  readonly timeoutMs: number | null;
  readonly end: Terminated | undefined;
  /** Whether its container ever ran. */
  readonly ran: boolean;
}

/** The steps of a pod, as far as its object tells. Times are milliseconds since 1970. */
export interface StepsReading {
  readonly all: readonly StepReading[];
  readonly gated: boolean;
  /** When the first step began: RFC 3339, UTC; null while none has. */
  readonly started: string | null;
  /** Whether all steps have ended, and with them the other containers behind gates. */
  readonly allEnded: boolean;
  /** The first step that ended badly, after others that ended well. */
  readonly failed: StepReading | undefined;
  /** When it was decided how the steps end: with the first that failed, or the last. Null: not, or not that anybody saw. */
  readonly decidedMs: number | null;
  /** The last end of a step that was seen. */
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

const endedBadly = ({ exitCode, reason = '' }: Terminated): boolean =>
  exitCode !== 0 || reason === 'OOMKilled' || UNKNOWN_STATES.has(reason) || START_ERRORS.has(reason);

export function readSteps(pod: PodObject, context: PodContext): StepsReading {
  const byName = new Map((pod.status?.containerStatuses ?? []).map((status) => [status.name, status]));
  const names = context.steps.map(({ name }) => name);
  const gates = context.gates ?? (names.length > 1 ? names : []);
  const all = context.steps.map(({ name, timeoutMs }): StepReading => {
    const status = byName.get(name);
    return { name, timeoutMs, end: endOf(status), ran: startOf(pod, status) !== null };
  });
  const gated = gates.length > 0;
  const counting = new Set([...names, ...gates]);
  const ends = all.flatMap(({ end }) => timeOf(end?.finishedAt) ?? []);
  const undecided = all.find(({ end }) => end === undefined || endedBadly(end));
  const failed = undecided?.end && undecided;
  const lastMs = ends.length === 0 ? null : Math.max(...ends);
  const startedMs = startedOf([...(gated ? counting : names)].map((name) => startOf(pod, byName.get(name))));
  return {
    all,
    gated,
    started: startedMs === null ? null : new Date(startedMs).toISOString(),
    allEnded: all.length > 0 && [...counting].every((name) => endOf(byName.get(name)) !== undefined),
    failed,
    decidedMs: failed ? timeOf(failed.end?.finishedAt) : undecided ? null : lastMs,
    lastMs,
  };
}

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

/** The first gate opens when all containers run; without gates there is one step. */
function startedOf(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length < times.length || known.length === 0 ? null : Math.max(...known);
}
