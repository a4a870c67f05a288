import { jobPrefix, runOf } from './key.ts';
import type { Store, StoredObject } from './port.ts';

export interface Expiry {
  readonly source: string;
  readonly job: string;
  /** `keep.artifacts`, in milliseconds. */
  readonly keepMs: number;
  /** Milliseconds. */
  readonly now: number;
}

/**
 * The runs of a job that have nothing in the store that is younger than `keepMs`; never the newest one that has anything
 * there: the last run always stays.
 */
export function expiredRuns(objects: readonly StoredObject[], { source, job, keepMs, now }: Expiry): readonly number[] {
  const newest = new Map<number, number>();
  for (const { key, modified } of objects) {
    const run = runOf(key, jobPrefix({ source, job }));
    if (run !== undefined) newest.set(run, Math.max(newest.get(run) ?? 0, Date.parse(modified)));
  }
  const last = Math.max(0, ...newest.keys());
  return [...newest]
    .filter(([run, at]) => run !== last && at < now - keepMs)
    .map(([run]) => run)
    .sort((a, b) => a - b);
}

/** Removes what a job has kept for long enough; returns the runs that it is gone of. Throws what the store throws. */
export async function removeExpired(store: Store, expiry: Expiry, signal: AbortSignal): Promise<readonly number[]> {
  const objects: StoredObject[] = [];
  for await (const object of store.list(jobPrefix(expiry), signal)) objects.push(object);
  const runs = expiredRuns(objects, expiry);
  for (const run of runs) await store.remove(`${jobPrefix(expiry)}${run}/`, signal);
  return runs;
}
