import type { CodedError } from '../../errors.ts';
import type { PodVerdict } from '../../outcome/pod.ts';
import { ANNOTATIONS, askedIn, identityOf, triggerOf } from '../../render/labels.ts';
import { podName } from '../../render/names.ts';
import type { Reason } from '../../schemas/index.ts';
import type { AttemptEnding, AttemptOutput, AttemptState, RunRecord } from '../port.ts';
import { type AttemptName, attemptOf } from './attempt-marks.ts';
import type { RunObjects } from './inventory.ts';
import type { Scope } from './scope.ts';
import type { Pod } from './wire.ts';

/**
 * An attempt without a pod is a start that was cut off; if it was begun longer ago, the pod may have been there, and somebody
 * removed it. Longer than it takes to start a controller elsewhere when its node is lost (five minutes by default).
 */
const CUT_OFF_MS = 600_000;

/** The attempt of a pod that has ended. */
export function attemptState(
  attempt: AttemptName,
  pod: Pod,
  verdict: PodVerdict & { phase: 'ended' },
  output: AttemptOutput,
): AttemptState {
  const { started, finished, ending } = verdict;
  return { ...runningState(attempt, pod, started), finished, ending, output };
}

/** The attempt of a pod that goes on; `started`: its first step, RFC 3339. */
export function runningState(attempt: AttemptName, pod: Pod, started: string | null): AttemptState {
  const node = pod.spec?.nodeName;
  return {
    ...attempt,
    started,
    finished: null,
    pod: pod.metadata?.name ?? '',
    ...(node === undefined ? {} : { node }),
    ending: null,
    output: null,
  };
}

/** An attempt that had no pod, or of whose pod nothing was seen. */
export const unseen = (attempt: AttemptName, ending: AttemptEnding, finished: string): AttemptState => ({
  ...attempt,
  started: null,
  finished,
  ending,
  output: null,
});

/** What the API server refused: quota, admission, permission, or a pod that is no pod. */
export function refusedEnding({ code, message }: CodedError): AttemptEnding {
  if (code === 'SecretMissing') return { kind: 'secretMissing', message };
  const reason: Reason = code === 'Invalid' || code === 'InvalidPod' ? 'InvalidPod' : 'Refused';
  return { kind: 'infrastructure', reason, message, step: null };
}

/**
 * Attempts whose pods were there and are not any more: never started again, since they may have run. `settled`: the names of
 * those of which more is known.
 */
export function vanishedAttempts(run: RunObjects, settled: ReadonlySet<string>, scope: Scope): readonly AttemptState[] {
  const now = scope.clock.now();
  return Object.entries(run.payload?.marks ?? {}).flatMap(([name, at]) => {
    if (settled.has(name)) return [];
    const attempt = attemptOf(name);
    const pod = podName(scope, { ...run.key, task: attempt.task, attempt: attempt.number });
    const wasSeen = run.vanished.has(pod);
    if (run.pods.has(pod) || (!wasSeen && now - Date.parse(at) <= CUT_OFF_MS)) return [];
    const message = wasSeen
      ? 'the pod is gone, and how it ended was not seen: its finalizer was removed by somebody'
      : `begun at ${at}, and there is no pod: it was removed by somebody, or never made; nobody knows, so it is not started again`;
    const ending: AttemptEnding = { kind: 'infrastructure', reason: 'PodDeleted', message, step: null };
    return [unseen(attempt, ending, new Date(now).toISOString())];
  });
}

/** Which attempt a pod is. */
export function attemptOfPod(pod: Pod): AttemptName {
  const identity = identityOf(pod);
  return { task: identity?.task ?? 'default', number: identity?.attempt ?? 1 };
}

/** The little that a claim or pod tells of a run whose payload is not there: enough to say what it was for. */
export function recordOfObjects({ claim, key, pods: ofRun }: RunObjects): RunRecord | undefined {
  const [pod] = ofRun.values();
  const object = claim ?? pod;
  const identity = object && identityOf(object);
  const trigger = identity && triggerOf(identity);
  const annotations = object?.metadata?.annotations ?? {};
  if (!identity || !trigger) return undefined;
  const requestedBy = annotations[ANNOTATIONS.requestedBy];
  return {
    ...key,
    trigger,
    digest: identity.digest,
    revision: annotations[ANNOTATIONS.revision] ?? '',
    path: annotations[ANNOTATIONS.path] ?? '',
    chain: annotations[ANNOTATIONS.chain] ?? '',
    queued: annotations[ANNOTATIONS.queued] ?? '',
    covered: {},
    // The steps are the pod's containers; what they run is not known here, and not needed to tell how they ended.
    spec: { steps: (pod?.spec?.containers ?? [{ name: 'run' }]).map(({ name }) => ({ name, run: '' })) },
    labels: {},
    params: {},
    args: [],
    ...(claim && askedIn(claim)),
    ...(requestedBy === undefined ? {} : { requestedBy }),
  };
}
