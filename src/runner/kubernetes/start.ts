import { asCoded, isCoded, terminalError, transientError, type CodedError } from '../../errors.ts';
import { renderClaim } from '../../render/claim.ts';
import { type Owner, type PodContext, UNKNOWN_UID } from '../../render/context.ts';
import { identityOf, isOfRun } from '../../render/labels.ts';
import { renderPayload } from '../../render/payload.ts';
import { renderPod } from '../../render/pod.ts';
import { judgePolicy, violationText, type PolicySubject, type Violation } from '../../render/policy.ts';
import type { Policy } from '../../schemas/index.ts';
import type { RunFile, RunRecord } from '../port.ts';
import { createObject, deleteObject, findObject } from './objects.ts';
import { parkedOn } from './park.ts';
import type { StartPoint } from './points.ts';
import type { Scope } from './scope.ts';
import { type ApiObject, type ConfigMap, configMaps, toWire, type Pod, pods, type Resource } from './wire.ts';

export interface StartParts {
  readonly scope: Scope;
  readonly podContext: Omit<PodContext, 'payload' | 'epoch' | 'namespace' | 'installation' | 'source'>;
  /** What jobs may do; judged on the rendered pod. Absent: anything that the namespace allows. */
  readonly policy?: Policy | undefined;
  /** Reads every Secret that the pod sees. Throws what makes it certain that the run can't start, or not be redacted. */
  readonly readSecrets: (pod: Pod, record: RunRecord, signal: AbortSignal) => Promise<unknown>;
  readonly reached: (point: StartPoint) => Promise<void>;
}

/** An object that is there, and whether this call has certainly made it. */
interface Made<T> {
  readonly object: T;
  readonly made: boolean;
}

export type Started =
  | { readonly kind: 'started'; readonly claim: ConfigMap; readonly payload: ConfigMap; readonly pod: Pod }
  /** The number belongs to a run of another trigger. */
  | { readonly kind: 'taken' }
  /** The API server refused the payload or the pod for good; the claim is ours. */
  | { readonly kind: 'refused'; readonly claim: ConfigMap; readonly error: CodedError };

/**
 * Claim, payload, pod: each created once, under the name that everybody computes alike. What is there already and is of the same
 * run is adopted, so that a start that was cut off anywhere is finished by calling this again. Throws what the API server
 * says where it keeps the claim from being made, and transient errors.
 *
 * Whoever made the claim may have finished the run and taken its payload away since the caller looked, even between two calls
 * here. So where the claim was adopted, claim and ledger are asked once more with the payload in place: outcomes are on one of
 * them before payloads go, and so either the outcome is seen here, or the payload goes after this and the pod can't mount it.
 */
export async function startRun(
  parts: StartParts,
  record: RunRecord,
  files: readonly RunFile[],
  signal: AbortSignal,
  isRecorded: () => Promise<boolean>,
): Promise<Started> {
  const { scope, reached } = parts;
  const context = { ...scope, epoch: scope.authority.epoch };
  await reached('beforeClaim');
  const claimed = await createOrAdopt(parts, 'Claim', configMaps, toWire(renderClaim(record, context)), record, signal);
  if (claimed === 'taken') return { kind: 'taken' };
  const claim = claimed.object;
  await reached('afterClaim');
  try {
    const podFor = (payload: Owner) => {
      const podContext = { ...parts.podContext, ...context, payload };
      return renderPod({ record, task: 'default', attempt: 1, slots: 1, context: podContext });
    };
    // Judged before the payload exists: what may not run leaves nothing behind but its claim.
    const judged = podFor({ name: claim.metadata?.name ?? '', uid: UNKNOWN_UID });
    assertAllowed(parts, record, judged);
    await parts.readSecrets(toWire(judged), record, signal);
    const rendered = toWire(renderPayload({ record, files, context, claim: ownerOf(claim) }));
    const mounted = await createOrAdopt(parts, 'Payload', configMaps, rendered, record, signal);
    if (mounted === 'taken') return { kind: 'taken' };
    const payload = mounted.object;
    await reached('afterPayload');
    if (!claimed.made && ((await isParked(scope, claim, signal)) || (await isRecorded()))) {
      if (mounted.made) await takeBack(scope, payload, signal);
      return { kind: 'taken' };
    }
    const pod = await createOrAdopt(parts, 'Pod', pods, toWire(podFor(ownerOf(payload))), record, signal);
    if (pod === 'taken') return { kind: 'taken' };
    await reached('afterPod');
    return { kind: 'started', claim, payload, pod: pod.object };
  } catch (error) {
    if (isCoded(error) && error.errorClass === 'terminal' && error.code !== 'LeadershipLost')
      return { kind: 'refused', claim, error };
    throw error;
  }
}

/** Throws `PolicyViolated` (terminal) with everything that the policy has against the pod. */
function assertAllowed({ policy, podContext }: StartParts, record: RunRecord, pod: ReturnType<typeof renderPod>): void {
  if (!policy) return;
  const violations = violationsOf({ pod, spec: record.spec, imagePullSecrets: podContext.imagePullSecrets }, policy);
  if (violations.length === 0) return;
  throw terminalError('PolicyViolated', `the policy of the source refuses the pod: ${violationText(violations)}`);
}

/** Throws `InvalidPod` (terminal) for an overlay whose fields have types that no pod has: nothing of it can be judged. */
function violationsOf(subject: PolicySubject, policy: Policy): readonly Violation[] {
  try {
    return judgePolicy(subject, policy);
  } catch (error) {
    throw asCoded(error, (why) => terminalError('InvalidPod', `spec.pod is not part of a pod: ${why}`));
  }
}

const ownerOf = ({ metadata }: ApiObject): { name: string; uid: string } => ({
  name: metadata?.name ?? '',
  uid: metadata?.uid ?? '',
});

/** Whether the outcome of the claim's run has been put onto it, or the claim is gone. */
async function isParked({ cluster, namespace }: Scope, { metadata }: ConfigMap, signal: AbortSignal): Promise<boolean> {
  const now = await findObject(cluster, configMaps, { name: metadata?.name ?? '', namespace }, { signal });
  return now?.metadata?.uid !== metadata?.uid || parkedOn(now ?? undefined) !== undefined;
}

/** Deletes the payload that was made here, and no other of its name. */
async function takeBack({ cluster, namespace }: Scope, { metadata }: ConfigMap, signal: AbortSignal): Promise<void> {
  const { name = '', uid } = metadata ?? {};
  const precondition = uid === undefined ? {} : { uid };
  await deleteObject(cluster, configMaps, { name, namespace }, { signal, precondition });
}

const vanishedAgain = (name: string): CodedError =>
  transientError('CreateUncertain', `${name} existed a moment ago and is not to be found now`);

/**
 * Creates an object, or adopts the one that is there if it is the same run's. An answer that was lost is cleared up by
 * reading. Throws `NameTaken` where somebody else's object has the name.
 */
async function createOrAdopt<T extends ApiObject>(
  { scope, reached }: StartParts,
  what: 'Claim' | 'Payload' | 'Pod',
  resource: Resource<T>,
  object: T,
  record: RunRecord,
  signal: AbortSignal,
): Promise<Made<T> | 'taken'> {
  const { cluster, authority } = scope;
  const ref = { name: object.metadata?.name ?? '', namespace: scope.namespace };
  // A paused process wakes up here: what it had read may be long past.
  if (!authority.isValid())
    throw transientError('LeadershipLost', `not creating ${ref.name}: another process leads by now`);
  await reached(`checked${what}`);
  try {
    return { object: await createObject(cluster, resource, object, { signal }), made: true };
  } catch (error) {
    if (!isCoded(error, 'AlreadyExists') && !isCoded(error, 'CreateUncertain')) throw error;
    await reached(`adopting${what}`);
    const found = await findObject(cluster, resource, ref, { signal });
    if (!found) throw isCoded(error, 'AlreadyExists') ? vanishedAgain(ref.name) : error;
    const identity = identityOf(found);
    if (identity && isOfRun(identity, scope, record)) return { object: found, made: false };
    if (identity?.installation === scope.installation && identity.source === scope.source) return 'taken';
    throw terminalError(
      'NameTaken',
      `${resource.kind} ${scope.namespace}/${ref.name} exists and belongs to somebody else`,
      {
        hint: `look at it with \`kubectl -n ${scope.namespace} get ${resource.plural} ${ref.name} -o yaml\``,
      },
    );
  }
}
