import { eachOf } from '../../each-of.ts';
import { isCoded } from '../../errors.ts';
import { type Component, LABELS, OUTCOME_FINALIZER } from '../../render/labels.ts';
import { runObjectName } from '../../render/names.ts';
import type { RunKey } from '../port.ts';
import type { Inventory } from './inventory.ts';
import { selectorOf } from './inventory.ts';
import { deleteObjects, findObject, jsonPatch } from './objects.ts';
import type { ReleasePoint } from './points.ts';
import type { Scope } from './scope.ts';
import { configMaps, type Pod, pods } from './wire.ts';

/** Values of one `in (…)` selector: the request has to stay a URL that every proxy takes. */
export const RUNS_A_CALL = 50;
const PATCHES_AT_ONCE = 16;

/**
 * Lets go of runs whose outcome is recorded, in this order: payloads first (nothing of the run can start from here on, whoever
 * still tries), then finalizers, then pods. Claims stay: they keep the number until they are swept.
 */
export async function releaseRuns(
  scope: Scope,
  inventory: Inventory,
  keys: readonly RunKey[],
  signal: AbortSignal,
  reached: (point: ReleasePoint) => Promise<void> = async () => undefined,
): Promise<void> {
  const { cluster, namespace } = scope;
  for (const batch of batches(keys)) {
    const select = (component: 'payload' | 'attempt') => ({
      namespace,
      labelSelector: ofRuns(scope, component, batch),
    });
    await reached('beforeRelease');
    await deleteObjects(cluster, configMaps, select('payload'), { signal });
    await reached('afterPayloads');
    const held = batch.flatMap((key) => Array.from(inventory.find(key)?.pods.values() ?? []));
    let left = 0;
    await eachOf(held, PATCHES_AT_ONCE, async (pod) => {
      // The cluster's garbage collector may have told a pod to go by now, for its payload is gone.
      const freed = await removeFinalizer(scope, pod, signal);
      if (freed && freed.metadata?.deletionTimestamp === undefined) left += 1;
      await reached('afterFinalizer');
    });
    await reached('afterFinalizers');
    if (left > 0) await deleteObjects(cluster, pods, select('attempt'), { signal });
    await reached('afterRelease');
  }
}

/** Removes claims; what they own, should there be anything left, goes with them. */
export async function deleteClaims(scope: Scope, keys: readonly RunKey[], signal: AbortSignal): Promise<void> {
  for (const batch of batches(keys)) {
    const selection = { namespace: scope.namespace, labelSelector: ofRuns(scope, 'claim', batch) };
    await deleteObjects(scope.cluster, configMaps, selection, { signal });
  }
}

function* batches(keys: readonly RunKey[]): Iterable<readonly RunKey[]> {
  for (let at = 0; at < keys.length; at += RUNS_A_CALL) yield keys.slice(at, at + RUNS_A_CALL);
}

/** Selects what exactly these runs have of one kind. */
function ofRuns(scope: Scope, component: Component, runs: readonly RunKey[]): string {
  const claims = runs.map(({ job, run }) => runObjectName('claim', scope, job, run));
  return `${selectorOf(scope, component)},${LABELS.claim} in (${claims.join(',')})`;
}

/** Other finalizers come and go before ours; a pod that was read anew is tried so often. */
const FINALIZER_TRIES = 3;

/** Takes our finalizer off a pod and returns what is left of it; undefined where it is gone. */
export async function removeFinalizer(
  scope: Pick<Scope, 'cluster' | 'namespace'>,
  pod: Pod,
  signal: AbortSignal,
): Promise<Pod | undefined> {
  const ref = { name: pod.metadata?.name ?? '', namespace: scope.namespace };
  let known: Pod | null = pod;
  for (let tries = 1; known; tries += 1) {
    const index: number = known.metadata?.finalizers?.indexOf(OUTCOME_FINALIZER) ?? -1;
    if (index < 0) return known;
    const path = `/metadata/finalizers/${index}`;
    const steps = [
      { op: 'test', path, value: OUTCOME_FINALIZER },
      { op: 'remove', path },
    ] as const;
    try {
      return await jsonPatch(scope.cluster, pods, ref, [...steps], { signal, repeatable: true });
    } catch (error) {
      if (isCoded(error, 'NotFound')) return undefined;
      if (!isCoded(error, 'Invalid') || tries === FINALIZER_TRIES) throw error;
      known = await findObject(scope.cluster, pods, ref, { signal });
    }
  }
  return undefined;
}
