import { LABELS, OUTCOME_FINALIZER } from '../../render/labels.ts';
import { isCoded } from '../../errors.ts';
import type { RunKey } from '../port.ts';
import type { Inventory } from './inventory.ts';
import { selectorOf } from './inventory.ts';
import type { ReleasePoint } from './start.ts';
import { deleteObjects, jsonPatch } from './objects.ts';
import type { Scope } from './scope.ts';
import { configMaps, type Pod, pods } from './wire.ts';

/** Values of one `in (…)` selector: the request has to stay a URL that every proxy takes. */
const JOBS_A_CALL = 50;
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
  for (const { batch, only } of batches(keys)) {
    const select = (component: 'payload' | 'attempt') => ({
      namespace,
      labelSelector: `${selectorOf(scope, component)},${only}`,
    });
    await reached('beforeRelease');
    await deleteObjects(cluster, configMaps, select('payload'), { signal });
    await reached('afterPayloads');
    const held = batch.flatMap((key) => Array.from(inventory.find(key)?.pods.values() ?? []));
    await eachOf(held, (pod) => removeFinalizer(scope, pod, signal));
    await reached('afterFinalizers');
    const left = held.some(({ metadata }) => metadata?.deletionTimestamp === undefined);
    if (left) await deleteObjects(cluster, pods, select('attempt'), { signal });
    await reached('afterRelease');
  }
}

/** Removes claims; what they own, should there be anything left, goes with them. */
export async function deleteClaims(scope: Scope, keys: readonly RunKey[], signal: AbortSignal): Promise<void> {
  for (const { only } of batches(keys)) {
    const labelSelector = `${selectorOf(scope, 'claim')},${only}`;
    await deleteObjects(scope.cluster, configMaps, { namespace: scope.namespace, labelSelector }, { signal });
  }
}

/** Runs of the same number go together: a selector of jobs and one number names exactly those. */
function* batches(keys: readonly RunKey[]): Iterable<{ readonly batch: readonly RunKey[]; readonly only: string }> {
  for (const [run, group] of Map.groupBy(keys, (key) => key.run)) {
    for (let at = 0; at < group.length; at += JOBS_A_CALL) {
      const batch = group.slice(at, at + JOBS_A_CALL);
      yield { batch, only: `${LABELS.run}=${run},${LABELS.job} in (${batch.map(({ job }) => job).join(',')})` };
    }
  }
}

/** Takes our finalizer off a pod; one that is gone already, or has none, is fine. */
export async function removeFinalizer(
  scope: Pick<Scope, 'cluster' | 'namespace'>,
  pod: Pod,
  signal: AbortSignal,
): Promise<void> {
  const finalizers = pod.metadata?.finalizers ?? [];
  const index = finalizers.indexOf(OUTCOME_FINALIZER);
  if (index < 0) return;
  const path = `/metadata/finalizers/${index}`;
  const steps = [
    { op: 'test', path, value: OUTCOME_FINALIZER },
    { op: 'remove', path },
  ] as const;
  const ref = { name: pod.metadata?.name ?? '', namespace: scope.namespace };
  try {
    await jsonPatch(scope.cluster, pods, ref, [...steps], { signal, repeatable: true });
  } catch (error) {
    if (!isCoded(error, 'NotFound') && !isCoded(error, 'Invalid')) throw error;
  }
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const open = items.values();
  const worker = async (): Promise<void> => {
    for (const item of open) await work(item);
  };
  await Promise.all(Array.from({ length: PATCHES_AT_ONCE }, worker));
}
