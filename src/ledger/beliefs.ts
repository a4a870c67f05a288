import type { JobStatus } from '../schemas/index.ts';
import { bucketOf } from './layout.ts';
import { fingerprint } from './left.ts';
import type { PreparedChange } from './prepare.ts';
import { applyFacts } from './status.ts';
import type { LedgerState } from './view.ts';

/**
 * What a writer takes statuses to be whose changes others have taken in: those of the ledger as it read it last, with its own
 * changes since. It has no need to fetch, for each of its runs, what all the others have recorded meanwhile.
 */
export interface Beliefs {
  /** The statuses of the jobs that the changes are about, as fingerprints. */
  seen(changes: readonly PreparedChange[]): ReadonlyMap<string, string | null>;
  /** These changes are in the ledger by now; returns the buckets that they concern. */
  changed(changes: readonly PreparedChange[]): ReadonlySet<string>;
  /** Whether the ledger holds changes of ours that have not been read from it. */
  isBehind(): boolean;
  /** The ledger has been read. */
  forget(): void;
}

export function createBeliefs(read: () => LedgerState | undefined): Beliefs {
  const statuses = new Map<string, JobStatus>();
  const statusOf = (job: string): JobStatus | undefined =>
    statuses.get(job) ?? read()?.buckets.get(bucketOf(job))?.jobs.get(job)?.status;
  const factsOf = (changes: readonly PreparedChange[]) =>
    changes.flatMap((change) => change.facts.map(({ facts }) => facts));
  return {
    seen: (changes) => new Map(factsOf(changes).map(({ job }) => [job, fingerprint(statusOf(job))])),
    changed(changes) {
      const all = factsOf(changes);
      for (const facts of all) {
        const before = statusOf(facts.job) ?? applyFacts(undefined, facts);
        statuses.set(facts.job, applyFacts(before, facts));
      }
      return new Set(all.map(({ job }) => bucketOf(job)));
    },
    isBehind: () => statuses.size > 0,
    forget: () => statuses.clear(),
  };
}
