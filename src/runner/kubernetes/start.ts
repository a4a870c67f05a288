import type { V1ConfigMap } from '@kubernetes/client-node';
import { randomBytes } from 'node:crypto';
import { asCoded, isCoded, terminalError, transientError, type CodedError } from '../../errors.ts';
import { renderClaim } from '../../render/claim.ts';
import { ownedBy, type Owner, type PodContext, UNKNOWN_UID } from '../../render/context.ts';
import { identityOf, isOfRun } from '../../render/labels.ts';
import { recordFrom, renderPayload } from '../../render/payload.ts';
import { renderPod } from '../../render/pod.ts';
import { judgePolicy, violationText, type PolicySubject, type Violation } from '../../render/policy.ts';
import { planRecord } from '../../render/steps.ts';
import { needsToken, renderToken } from '../../render/workspace.ts';
import type { Policy } from '../../schemas/index.ts';
import { taskRecord } from '../../job/task-spec.ts';
import { runObjectName } from '../../render/names.ts';
import type { AttemptStart, RunFile, RunRecord } from '../port.ts';
import { type AttemptMarks, type AttemptName, attemptName, marksAnnotation, marksWith } from './attempt-marks.ts';
import { type PayloadFacts, payloadFacts } from './inventory.ts';
import { createObject, deleteObject, findObject, mergePatch } from './objects.ts';
import { parkedOn } from './park.ts';
import type { StartPoint, TokenPoint } from './points.ts';
import type { Scope } from './scope.ts';
import { type ApiObject, type ConfigMap, configMaps, toWire, type Pod, pods, type Resource, secrets } from './wire.ts';

export interface StartParts {
  readonly scope: Scope;
  readonly podContext: Omit<PodContext, 'payload' | 'epoch' | 'namespace' | 'installation' | 'source'>;
  /** What jobs may do; judged on the rendered pod. Absent: anything that the namespace allows. */
  readonly policy?: Policy | undefined;
  /** Reads every Secret that the pod sees. Throws what makes it certain that the run can't start, or not be redacted. */
  readonly readSecrets: (pod: Pod, record: RunRecord, signal: AbortSignal) => Promise<unknown>;
  readonly reached: (point: StartPoint | TokenPoint) => Promise<void>;
}

/** An object that is there, and whether this call has certainly made it. */
interface Made<T> {
  readonly object: T;
  readonly made: boolean;
}

/** The claim of a run, and whether this process has certainly made it; `taken`: the number belongs to a run of another trigger. */
export async function claimRun(
  parts: StartParts,
  record: RunRecord,
  signal: AbortSignal,
): Promise<Made<ConfigMap> | 'taken'> {
  const context = { ...parts.scope, epoch: parts.scope.authority.epoch };
  await parts.reached('beforeClaim');
  const claimed = await createOrAdopt(parts, 'Claim', configMaps, toWire(renderClaim(record, context)), record, signal);
  await parts.reached('afterClaim');
  return claimed;
}

export interface PayloadParts {
  readonly claim: ConfigMap;
  readonly record: RunRecord;
  readonly files: readonly RunFile[];
  /** The attempts that begin with it. */
  readonly marks: AttemptMarks;
  readonly isRecorded: () => Promise<boolean>;
  /** Whether this process has made the claim so short a time ago that nobody else can have finished the run. */
  readonly isNew: () => boolean;
}

/**
 * The payload of a run, made or adopted. Undefined where the run is over. `settled`: another process has put down the run with another
 * spec; it goes by that.
 *
 * Another process may have adopted the claim, finished the run and taken its payload away since the caller looked, even between
 * two calls here. So unless there was no time for that, claim and ledger are asked once more with the payload in place: outcomes
 * are on one of them before payloads go, and so either the outcome is seen here, or the payload goes after this and no pod
 * can mount it.
 */
export async function makePayload(
  parts: StartParts,
  { claim, record, files, marks, isRecorded, isNew }: PayloadParts,
  signal: AbortSignal,
): Promise<(PayloadFacts & { readonly settled?: RunRecord }) | undefined> {
  const { scope } = parts;
  const context = { ...scope, epoch: scope.authority.epoch };
  const rendered = toWire(renderPayload({ record, files, context, claim: ownerOf(claim) }));
  const annotations = { ...rendered.metadata?.annotations, ...marksAnnotation(marks) };
  const marked: ConfigMap = { ...rendered, metadata: { ...rendered.metadata, annotations } };
  const mounted = await createOrAdopt(parts, 'Payload', configMaps, marked, record, signal);
  if (mounted === 'taken') return undefined;
  await parts.reached('afterPayload');
  if (!isNew() && ((await isParked(scope, claim, signal)) || (await isRecorded()))) {
    if (mounted.made) await takeBack(scope, mounted.object, signal);
    return undefined;
  }
  const facts = payloadFacts(mounted.object);
  const isSame = identityOf(mounted.object)?.digest === record.digest;
  return isSame ? facts : { ...facts, settled: recordFrom(mounted.object as unknown as V1ConfigMap) };
}

/**
 * The same for attempts that a runner set might have been given too, by a process that believes that it leads: only if that has
 * not happened. Throws `AttemptGiven` (transient) where it has.
 */
export async function markOwnPods(
  scope: Scope,
  payload: PayloadFacts,
  attempts: readonly AttemptName[],
  signal: AbortSignal,
): Promise<PayloadFacts> {
  const ref = { name: payload.name, namespace: scope.namespace };
  const given = transientError('AttemptGiven', `${payload.name} was changed by another process`);
  if (attempts.some((attempt) => payload.warm[attemptName(attempt)])) throw given;
  const marks = marksWith(payload.marks, attempts, new Date(scope.clock.now()).toISOString());
  const metadata = { annotations: marksAnnotation(marks) };
  const { resourceVersion } = payload;
  try {
    const after = await mergePatch(scope.cluster, configMaps, ref, { metadata }, { signal, resourceVersion });
    return { ...payload, marks, resourceVersion: after.metadata?.resourceVersion ?? '' };
  } catch (error) {
    if (!isCoded(error, 'Conflict')) throw error;
    const now = await findObject(scope.cluster, configMaps, ref, { signal });
    if (now?.metadata?.uid !== payload.uid || !now) throw given;
    return markOwnPods(scope, payloadFacts(now), attempts, signal);
  }
}

/** Says on the payload that these attempts begin now, before their pods are made. */
export async function markAttempts(
  { scope }: StartParts,
  payload: PayloadFacts,
  marks: AttemptMarks,
  signal: AbortSignal,
): Promise<PayloadFacts> {
  const ref = { name: payload.name, namespace: scope.namespace };
  const metadata = { annotations: marksAnnotation(marks) };
  const after = await mergePatch(scope.cluster, configMaps, ref, { metadata }, { signal, repeatable: true });
  return { ...payload, marks, resourceVersion: after.metadata?.resourceVersion ?? '' };
}

/** The pod of an attempt as it is going to be, for the policy to judge. Throws what makes it certain that it can't start. */
export async function judgeAttempt(
  parts: StartParts,
  record: RunRecord,
  start: AttemptStart,
  signal: AbortSignal,
): Promise<(payload: Owner) => Pod> {
  const { scope } = parts;
  const payload = { name: runObjectName('payload', scope, record.job, record.run), uid: UNKNOWN_UID };
  const context = { ...parts.podContext, ...scope, epoch: scope.authority.epoch, payload };
  const judged = renderPod({ record, task: start.task, attempt: start.number, context });
  const own = taskRecord(record, start.task).record;
  assertAllowed(parts, own, judged);
  const pod = toWire(judged);
  await parts.readSecrets(pod, own, signal);
  // Of its payload only the uid was not known.
  return (owner) => ({ ...pod, metadata: { ...pod.metadata, ownerReferences: [ownedBy(owner)] } });
}

/**
 * The token of an attempt whose pod talks to the controller, made or adopted, right before the pod: without it the pod could not
 * start. Nothing for other attempts. Throws `NameTaken` (terminal).
 */
export async function makeToken(
  parts: StartParts,
  run: RunRecord,
  { task, number }: AttemptStart,
  payload: Owner,
  signal: AbortSignal,
): Promise<void> {
  const { record } = taskRecord(run, task);
  if (!needsToken(planRecord(record))) return;
  const context = { ...parts.scope, epoch: parts.scope.authority.epoch };
  const token = randomBytes(32).toString('base64url');
  const secret = toWire(renderToken({ record, task: task.name, attempt: number, context, payload, token }));
  const made = await createOrAdopt(parts, 'Token', secrets, secret, run, signal);
  await parts.reached('afterToken');
  if (made === 'taken') throw terminalError('NameTaken', `another run has the token of ${run.job} #${run.run}`);
}

/** The pod of an attempt, made or adopted; undefined where another run has its name. */
export async function makePod(
  parts: StartParts,
  record: RunRecord,
  pod: Pod,
  signal: AbortSignal,
): Promise<Pod | undefined> {
  const made = await createOrAdopt(parts, 'Pod', pods, pod, record, signal);
  await parts.reached('afterPod');
  return made === 'taken' ? undefined : made.object;
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
  what: 'Claim' | 'Payload' | 'Token' | 'Pod',
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
    const ofRun = identity !== null && isOfRun(identity, scope, record);
    if (ofRun && (what !== 'Pod' || identity.digest === record.digest)) return { object: found, made: false };
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
