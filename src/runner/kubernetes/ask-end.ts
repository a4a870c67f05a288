import { messageOf } from '../../errors.ts';
import type { AskedEnd } from '../../outcome/pod.ts';
import { deleteObject, mergePatch } from './objects.ts';
import { END_ANNOTATION } from './pod-context.ts';
import type { Scope } from './scope.ts';
import { type EndCause, startCause } from './start-cause.ts';
import { type Pod, pods } from './wire.ts';

/**
 * Notes why on the pod, then deletes it: the finalizer keeps it until its outcome is recorded. Returns what was noted; null
 * where it failed, and is to be tried again. `gracePeriodSeconds`: where it is not the pod's own.
 */
export async function askEnd(
  scope: Scope,
  pod: Pod,
  cause: EndCause,
  signal: AbortSignal,
  gracePeriodSeconds?: number,
): Promise<AskedEnd | null> {
  const ref = { name: pod.metadata?.name ?? '', namespace: scope.namespace };
  try {
    const told = cause.reason === 'StartTimeout' ? await startCause(scope, pod, cause, signal) : cause;
    const asked: AskedEnd = {
      reason: told.reason,
      at: new Date(scope.clock.now()).toISOString(),
      ...(told.message === undefined ? {} : { message: told.message }),
    };
    const annotations = { [END_ANNOTATION]: JSON.stringify(asked) };
    await mergePatch(scope.cluster, pods, ref, { metadata: { annotations } }, { signal, repeatable: true });
    const grace = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
    await deleteObject(scope.cluster, pods, ref, { signal, ...grace });
    return asked;
  } catch (error) {
    scope.log.warn({ pod: ref.name, error: messageOf(error) }, 'a pod could not be ended; it is tried again');
    return null;
  }
}
