import { isCoded, terminalError, transientError, type CodedError } from '../../errors.ts';
import { renderClaim } from '../../render/claim.ts';
import { type Owner, type PodContext, UNKNOWN_UID } from '../../render/context.ts';
import { identityOf, isOfRun } from '../../render/labels.ts';
import { renderPayload } from '../../render/payload.ts';
import { renderPod } from '../../render/pod.ts';
import { judgePolicy } from '../../render/policy.ts';
import type { Policy } from '../../schemas/index.ts';
import type { RunFile, RunRecord } from '../port.ts';
import { createObject, findObject } from './objects.ts';
import type { Scope } from './scope.ts';
import { type ApiObject, type ConfigMap, configMaps, toWire, type Pod, pods, type Resource } from './wire.ts';

/** Points of a run's life, in order, at which a test may end the process. */
export type StartPoint = 'beforeClaim' | 'afterClaim' | 'afterPayload' | 'afterPod';
export type ReleasePoint = 'beforeRelease' | 'afterPayloads' | 'afterFinalizers' | 'afterRelease';

export interface StartParts {
  readonly scope: Scope;
  readonly podContext: Omit<PodContext, 'payload' | 'epoch' | 'namespace' | 'installation' | 'source'>;
  /** What jobs may do; judged on the rendered pod. Absent: anything that the namespace allows. */
  readonly policy?: Policy | undefined;
  readonly reached: (point: StartPoint) => Promise<void>;
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
 */
export async function startRun(
  parts: StartParts,
  record: RunRecord,
  files: readonly RunFile[],
  signal: AbortSignal,
): Promise<Started> {
  const { scope, reached } = parts;
  const context = { ...scope, epoch: scope.authority.epoch };
  await reached('beforeClaim');
  const claim = await createOrAdopt(scope, configMaps, toWire(renderClaim(record, context)), record, signal);
  if (claim === 'taken') return { kind: 'taken' };
  await reached('afterClaim');
  try {
    const podFor = (payload: Owner) => {
      const podContext = { ...parts.podContext, ...context, payload };
      return renderPod({ record, task: 'default', attempt: 1, slots: 1, context: podContext });
    };
    // Judged before the payload exists: what may not run leaves nothing behind but its claim.
    assertAllowed(parts, record, podFor({ name: claim.metadata?.name ?? '', uid: UNKNOWN_UID }));
    const rendered = toWire(renderPayload({ record, files, context, claim: ownerOf(claim) }));
    const payload = await createOrAdopt(scope, configMaps, rendered, record, signal);
    if (payload === 'taken') return { kind: 'taken' };
    await reached('afterPayload');
    const pod = await createOrAdopt(scope, pods, toWire(podFor(ownerOf(payload))), record, signal);
    if (pod === 'taken') return { kind: 'taken' };
    await reached('afterPod');
    return { kind: 'started', claim, payload, pod };
  } catch (error) {
    if (isCoded(error) && error.errorClass === 'terminal' && error.code !== 'LeadershipLost')
      return { kind: 'refused', claim, error };
    throw error;
  }
}

/** Throws `PolicyViolated` (terminal) with everything that the policy has against the pod. */
function assertAllowed({ policy, podContext }: StartParts, record: RunRecord, pod: ReturnType<typeof renderPod>): void {
  if (!policy) return;
  const violations = judgePolicy({ pod, spec: record.spec, imagePullSecrets: podContext.imagePullSecrets }, policy);
  if (violations.length === 0) return;
  const list = violations.map(({ field, message }) => `${field}: ${message}`).join('; ');
  throw terminalError('PolicyViolated', `the policy of the source refuses the pod: ${list}`);
}

const ownerOf = ({ metadata }: ApiObject): { name: string; uid: string } => ({
  name: metadata?.name ?? '',
  uid: metadata?.uid ?? '',
});

/**
 * Creates an object, or adopts the one that is there if it is the same run's. An answer that was lost is cleared up by
 * reading. Throws `NameTaken` where somebody else's object has the name.
 */
async function createOrAdopt<T extends ApiObject>(
  scope: Scope,
  resource: Resource<T>,
  object: T,
  record: RunRecord,
  signal: AbortSignal,
): Promise<T | 'taken'> {
  const { cluster, authority } = scope;
  const ref = { name: object.metadata?.name ?? '', namespace: scope.namespace };
  // A paused process wakes up here: what it had read may be long past.
  if (!authority.isValid())
    throw transientError('LeadershipLost', `not creating ${ref.name}: another process leads by now`);
  try {
    return await createObject(cluster, resource, object, { signal });
  } catch (error) {
    if (!isCoded(error, 'AlreadyExists') && !isCoded(error, 'CreateUncertain')) throw error;
    const found = await findObject(cluster, resource, ref, { signal });
    if (!found) throw transientError('CreateUncertain', `${ref.name} may have been created and is not to be found now`);
    const identity = identityOf(found);
    if (identity && isOfRun(identity, scope, record)) return found;
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
