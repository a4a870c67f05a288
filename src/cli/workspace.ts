import { artifactRoots, keepArtifacts, KEEP_LIMIT_MS } from '../artifacts/keep.ts';
import { attemptKey } from '../artifacts/key.ts';
import type { Store } from '../artifacts/port.ts';
import { removeExpired } from '../artifacts/retention.ts';
import { checkoutOfSpec, normalizeSpec } from '../job/defaults.ts';
import type { RunRecord } from '../runner/port.ts';
import type { KeepArtifacts } from '../runner/process/index.ts';
import type { CheckoutPaths } from '../sources/port.ts';

/** The files that a job checks out. */
export function checkoutOf({ spec }: Pick<RunRecord, 'spec'>): CheckoutPaths {
  const checkout = checkoutOfSpec(spec);
  return checkout === false ? [] : checkout;
}

/** Keeps the artifacts of processes in a store, under the name of their source. */
export const keeperOf =
  (source: string, openStore: () => Promise<Store>): KeepArtifacts =>
  ({ job, run, spec }, { task, number }, { output, workspace }, signal) =>
    keepArtifacts(
      artifactRoots(output, workspace, spec.artifacts?.paths),
      attemptKey({ source, job, run, task: task.name, attempt: number }),
      openStore,
      { signal: AbortSignal.any([signal, AbortSignal.timeout(KEEP_LIMIT_MS)]) },
    );

/** Removes what a job's `keep.artifacts` lets go of. */
export const expirerOf =
  (source: string, openStore: () => Promise<Store>): ((record: RunRecord) => Promise<void>) =>
  async ({ job, spec }) => {
    const store = await openStore();
    try {
      const { artifactsMs: keepMs } = normalizeSpec(spec).keep;
      await removeExpired(store, { source, job, keepMs, now: Date.now() }, AbortSignal.timeout(KEEP_LIMIT_MS));
    } finally {
      store.close();
    }
  };
