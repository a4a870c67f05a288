import { newBlob } from '../git/objects.ts';
import type { NewObject } from '../git/port.ts';
import type { InvalidManifests, JobStatus } from '../schemas/index.ts';
import { bucketOf, bucketReadmePath, README_PATH } from './layout.ts';
import { bucketReadme, isLarge, rootReadme } from './readme.ts';
import type { LedgerState } from './view.ts';

/**
 * The READMEs that have to change for these statuses, by path; null: the file goes. `stale` are the buckets with jobs that
 * changed since their README was written; of the others, those are looked at that lack a README or have one too many.
 */
export function readmeEdits(
  state: LedgerState,
  statuses: ReadonlyMap<string, JobStatus>,
  invalid: InvalidManifests['items'],
  stale: ReadonlySet<string>,
): ReadonlyMap<string, NewObject | null> {
  const edits = new Map<string, NewObject | null>();
  const root = newBlob(rootReadme(statuses, invalid));
  if (root.id !== state.readme) edits.set(README_PATH, root);
  if (!isLarge(statuses)) {
    for (const [bucket, { readme }] of state.buckets) if (readme !== null) edits.set(bucketReadmePath(bucket), null);
    return edits;
  }
  for (const [bucket, jobs] of byBucket(statuses)) {
    const known = state.buckets.get(bucket)?.readme ?? null;
    if (known !== null && !stale.has(bucket)) continue;
    const readme = newBlob(bucketReadme(bucket, jobs));
    if (readme.id !== known) edits.set(bucketReadmePath(bucket), readme);
  }
  return edits;
}

function byBucket(statuses: ReadonlyMap<string, JobStatus>): ReadonlyMap<string, readonly JobStatus[]> {
  const buckets = new Map<string, JobStatus[]>();
  for (const status of statuses.values()) {
    const bucket = bucketOf(status.job);
    const jobs = buckets.get(bucket);
    if (jobs) jobs.push(status);
    else buckets.set(bucket, [status]);
  }
  return buckets;
}
