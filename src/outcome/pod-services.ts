import type { AttemptEnding } from '../runner/port.ts';
import type { ContainerStatus, PodContext, PodObject, ServiceContext, Terminated } from './pod.ts';
import { type StepsReading, timeOf } from './pod-steps.ts';

/** A service that was not well while the steps needed it. */
export interface UnhealthyService {
  /** Of the service and its container. */
  readonly name: string;
  /** A sentence. */
  readonly message: string;
  /** Whether its last lines are those of its container before the last restart (`previous` of the log API). */
  readonly previous: boolean;
}

/** How much longer than its tries take we wait for the kubelet to give a service up. */
const HEALTH_MARGIN_MS = 10_000;
/** Kubernetes writes whole seconds. */
const CLOCK_GRAIN_MS = 1_000;
/** What programs end with that the kubelet ends since they are not healthy. */
const GIVEN_UP_CODES: ReadonlySet<number> = new Set([0, 137, 143]);

/**
 * The first service that has died, or did not get healthy in time, before it was decided how the steps end; null where all were
 * well. The kubelet would restart it and say nothing. `now` is RFC 3339; null for a pod that is over.
 */
export function unhealthyService(
  pod: PodObject,
  steps: StepsReading,
  context: PodContext,
  now: string | null,
): UnhealthyService | null {
  const byName = new Map((pod.status?.initContainerStatuses ?? []).map((status) => [status.name, status]));
  for (const service of context.services) {
    const status = byName.get(service.name);
    const death = status && deathOf(status, pod, steps);
    if (death)
      return { name: service.name, message: deathMessage(service, death.end, steps), previous: death.previous };
    if (status && now !== null && isLate(service, status, steps, now))
      return { name: service.name, message: unhealthyMessage(service), previous: false };
  }
  return null;
}

/** The attempt's ending by the fault of a service. */
export function serviceEnding({ message }: UnhealthyService, steps: StepsReading): AttemptEnding {
  return { kind: 'infrastructure', reason: 'ServiceUnhealthy', message, step: runningStep(steps) };
}

/** The service that an ending is the fault of. */
export function blamedService(
  ending: AttemptEnding,
  pod: PodObject,
  steps: StepsReading,
  context: PodContext,
): UnhealthyService | null {
  const isBlamed = ending.kind === 'infrastructure' && ending.reason === 'ServiceUnhealthy';
  return isBlamed ? unhealthyService(pod, steps, context, null) : null;
}

const LAST_LINES = 10;
const LONGEST_LINE = 200;

/** A message with the last lines of a service's log, which has to be redacted before, on one line. */
export function withLastLines(message: string, log: string): string {
  const lines = log
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-LAST_LINES)
    .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line));
  return lines.length === 0 ? `${message}; it printed nothing` : `${message}; its last lines: ${lines.join(' | ')}`;
}

interface Death {
  readonly end: Terminated;
  readonly previous: boolean;
}

/** How a service died while the steps went on. */
function deathOf({ restartCount = 0, lastState, state }: ContainerStatus, pod: PodObject, steps: StepsReading) {
  const isInTime = (time: string | undefined): boolean =>
    steps.properMs === null || (timeOf(time) ?? Number.NEGATIVE_INFINITY) < steps.properMs;
  // A restart proves a death before the end: the kubelet restarts nothing in a pod that ends.
  const last = lastState?.terminated;
  if (last && isInTime(restartCount > 1 ? last.startedAt : last.finishedAt)) return { end: last, previous: true };
  const end = state?.terminated;
  // When the pod is ended, so are its services.
  if (!end || restartCount > 0 || isBeingEnded(pod) || !isInTime(end.finishedAt)) return null;
  return { end, previous: false } satisfies Death;
}

const isBeingEnded = ({ metadata, status }: PodObject): boolean =>
  metadata?.deletionTimestamp !== undefined ||
  (status?.reason ?? '') !== '' ||
  status?.conditions?.some(({ type, status: value }) => type === 'DisruptionTarget' && value === 'True') === true;

/** A service that runs and is not healthy, although all of its tries should be over. */
function isLate({ health }: ServiceContext, { state, started }: ContainerStatus, steps: StepsReading, now: string) {
  const since = timeOf(state?.running?.startedAt);
  if (!health || since === null || started !== false || steps.started !== null) return false;
  const { intervalMs, timeoutMs, retries } = health;
  const tries = intervalMs + retries * Math.max(intervalMs, timeoutMs);
  return Date.parse(now) - since >= tries + HEALTH_MARGIN_MS;
}

const named = ({ name }: ServiceContext): string => `service ${JSON.stringify(name)}`;

const unhealthyMessage = (service: ServiceContext): string => {
  const { retries = 0 } = service.health ?? {};
  return `${named(service)} did not become healthy: ${retries} ${retries === 1 ? 'try' : 'tries'} failed`;
};

function deathMessage(service: ServiceContext, end: Terminated, steps: StepsReading): string {
  const step = runningStep(steps);
  if (step === null && isGivenUp(service, end)) return unhealthyMessage(service);
  const killed = end.reason === 'OOMKilled' ? ' (it used more memory than its limit)' : '';
  const when = step === null ? 'before the steps began' : `while step ${JSON.stringify(step)} was running`;
  return `${named(service)} ended with exit code ${end.exitCode}${killed} ${when}`;
}

/** Whether the kubelet has ended it since it was not healthy; its status does not say. */
function isGivenUp({ health }: ServiceContext, { exitCode, reason, startedAt, finishedAt }: Terminated): boolean {
  if (!health || reason === 'OOMKilled' || !GIVEN_UP_CODES.has(exitCode)) return false;
  const ranMs = (timeOf(finishedAt) ?? 0) - (timeOf(startedAt) ?? 0);
  return ranMs + CLOCK_GRAIN_MS >= (health.retries - 1) * health.intervalMs;
}

/** The step that the service was needed for; null where none had started. */
function runningStep({ started, all, failed }: StepsReading): string | null {
  if (started === null) return null;
  return (failed ?? all.find(({ end }) => end === undefined) ?? all.at(-1))?.name ?? null;
}
