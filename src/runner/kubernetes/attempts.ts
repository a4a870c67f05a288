import type { CodedError } from '../../errors.ts';
import type { PodVerdict } from '../../outcome/pod.ts';
import { ANNOTATIONS, identityOf, triggerOf } from '../../render/labels.ts';
import type { Reason } from '../../schemas/index.ts';
import type { AttemptEnding, AttemptOutput, AttemptState, RunRecord } from '../port.ts';
import type { RunObjects } from './inventory.ts';
import type { Pod } from './wire.ts';

/** A payload without a pod is a start that was cut off; if it is older than this, the pod was there and somebody removed it. */
const CUT_OFF_MS = 120_000;

/** The attempt of a pod that has ended. */
export function attemptState(pod: Pod, verdict: PodVerdict & { phase: 'ended' }, output: AttemptOutput): AttemptState {
  const { started, finished, ending } = verdict;
  const node = pod.spec?.nodeName;
  return {
    task: 'default',
    number: 1,
    started,
    finished,
    pod: pod.metadata?.name ?? '',
    ...(node === undefined ? {} : { node }),
    ending,
    output,
  };
}

const unseen = (ending: AttemptEnding, finished: string): AttemptState => ({
  task: 'default',
  number: 1,
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

/** The attempt of a run that the API server refused. */
export const refusal = (ending: AttemptEnding | undefined, record: RunRecord): AttemptState | undefined =>
  ending && unseen(ending, record.queued);

/** A run whose pod was there and is not any more: never started again, since it may have run. */
export function vanished(run: RunObjects, record: RunRecord, now: number): AttemptState | undefined {
  if (run.pods.size > 0) return undefined;
  const old = run.payloadMade !== undefined && now - Date.parse(run.payloadMade) > CUT_OFF_MS;
  if (!run.vanished && !old) return undefined;
  const message = 'the pod is gone, and how it ended was not seen: its finalizer was removed by somebody';
  return unseen(
    { kind: 'infrastructure', reason: 'PodDeleted', message, step: null },
    new Date(now).toISOString() || record.queued,
  );
}

/** The little that a claim or pod tells of a run whose payload is not there: enough to say what it was for. */
export function recordOfObjects({ claim, key, pods: ofRun }: RunObjects): RunRecord | undefined {
  const [pod] = ofRun.values();
  const object = claim ?? pod;
  const identity = object && identityOf(object);
  const trigger = identity && triggerOf(identity);
  const annotations = object?.metadata?.annotations ?? {};
  if (!identity || !trigger) return undefined;
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
  };
}
