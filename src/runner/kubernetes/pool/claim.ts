import { isCoded, transientError } from '../../../errors.ts';
import { ownedBy } from '../../../render/context.ts';
import {
  ANNOTATIONS,
  identityOf,
  isOfRun,
  OUTCOME_FINALIZER,
  podLabels,
  runAnnotations,
} from '../../../render/labels.ts';
import type { RunRecord, RunTask } from '../../port.ts';
import type { PayloadFacts } from '../inventory.ts';
import { findObject, mergePatch } from '../objects.ts';
import type { Scope } from '../scope.ts';
import { type Pod, pods } from '../wire.ts';
import { viewRunner } from './view.ts';

/** An attempt that a runner is to have. */
export interface WarmStart {
  /** Of the run. */
  readonly record: RunRecord;
  readonly task: RunTask;
  /** Counts from 1. */
  readonly number: number;
}

/** Other writers change a pod too, the kubelet above all: then it is read anew. */
const TRIES = 6;

/**
 * Makes a runner that of an attempt, by one patch that succeeds only if nobody has changed the pod: from then on it belongs to
 * the run, is protected, and is held until its outcome is recorded. Returns the pod, also where it has the attempt already; null
 * where it never will: it is gone, or going, or another attempt's.
 */
export async function claimRunner(
  scope: Scope,
  { record, task, number }: WarmStart,
  payload: PayloadFacts,
  runner: Pod,
  signal: AbortSignal,
): Promise<Pod | null> {
  const { cluster, namespace } = scope;
  const { name = '', uid } = runner.metadata ?? {};
  const ref = { name, namespace };
  let pod: Pod | null = runner;
  for (let tries = 1; pod && pod.metadata?.uid === uid; tries += 1) {
    const identity = identityOf(pod);
    if (identity) {
      const isOurs = isOfRun(identity, scope, record) && identity.task === task.name && identity.attempt === number;
      return isOurs ? pod : null;
    }
    if (viewRunner(pod)?.phase !== 'idle') return null;
    if (!scope.authority.isValid())
      throw transientError('LeadershipLost', `not claiming ${name}: another process leads by now`);
    const resourceVersion = pod.metadata?.resourceVersion ?? '';
    try {
      const patch = claimPatch(scope, { record, task, number }, payload, pod);
      return await mergePatch(cluster, pods, ref, patch, { signal, resourceVersion });
    } catch (error) {
      // No finalizer is added any more to what is being deleted.
      if (isCoded(error, 'NotFound') || isCoded(error, 'Invalid')) return null;
      if (!isCoded(error, 'Conflict') || tries === TRIES) throw error;
      pod = await findObject(cluster, pods, ref, { signal });
    }
  }
  return null;
}

function claimPatch(
  scope: Scope,
  { record, task, number }: WarmStart,
  payload: PayloadFacts,
  { metadata }: Pod,
): Readonly<Record<string, unknown>> {
  return {
    metadata: {
      labels: podLabels(scope, record, task.name, number),
      annotations: {
        ...runAnnotations(record, scope.authority.epoch),
        [ANNOTATIONS.claimed]: new Date(scope.clock.now()).toISOString(),
        [ANNOTATIONS.slots]: String(task.slots),
      },
      ownerReferences: [ownedBy(payload)],
      finalizers: [...(metadata?.finalizers ?? []), OUTCOME_FINALIZER],
    },
  };
}
