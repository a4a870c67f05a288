import type { Catalog } from '../../job/model.ts';
import type { LedgerView } from '../../ledger/port.ts';
import { needsOf } from '../../reconciler/chain.ts';
import { plan } from '../../reconciler/plan.ts';
import type { EndedRun } from './picture.ts';

export interface SettledInput {
  readonly catalog: Catalog;
  readonly view: LedgerView;
  /** The revision that is waited for. */
  readonly revision: string;
  /** Only this job. */
  readonly job: string | undefined;
  readonly now: Date;
}

/** What a revision has come to. */
export type Settled =
  /** `for`: a phrase that goes after "waits for". */
  | { readonly kind: 'waits'; readonly for: string }
  | {
      readonly kind: 'settled';
      /** The run of each job that stands for the revision: its own, or the last one of the same digest. */
      readonly runs: readonly EndedRun[];
      /** Jobs that can't run as their manifests are. */
      readonly invalid: readonly string[];
    };

/**
 * Whether everything that a revision causes is in the ledger: commit runs, and runs of jobs that need them. Asked of the plan, as
 * it would be without anything live: what is claimed or runs is not in the ledger yet. Pure.
 */
export function settledAt({ catalog, view, revision, job, now }: SettledInput): Settled {
  if (!isRevision(catalog.revision, revision)) {
    const own = job === undefined ? undefined : newestOf(view, job, revision);
    // The branch has gone on; what the revision has caused is recorded all the same.
    if (own) return { kind: 'settled', runs: [own], invalid: [] };
    return {
      kind: 'waits',
      for: `revision ${revision.slice(0, 12)}: the branch is at ${catalog.revision.slice(0, 12)}`,
    };
  }
  const keys = job === undefined ? [...catalog.jobs.keys()] : [...withNeeds(job, catalog)];
  const input = { catalog, view, live: [], requests: [], changes: new Map(), refuses: () => [], triggers: true, now };
  const left = plan(input, keys).filter(
    ({ action, trigger }) => action === 'run' && (trigger?.kind === 'commit' || trigger?.kind === 'needs'),
  );
  const [first] = left;
  if (first) {
    const more = left.length === 1 ? '' : `, and ${left.length - 1} more`;
    return { kind: 'waits', for: `run ${first.run} of ${first.job}${more}` };
  }
  const wanted = job === undefined ? [...catalog.jobs.keys()] : [job];
  const runs = wanted.flatMap(
    (name) => newestOf(view, name, revision) ?? (job === undefined ? [] : (lastCommitRun(view, name) ?? [])),
  );
  const invalid = job === undefined ? [...catalog.invalidJobs.keys()] : catalog.invalidJobs.has(job) ? [job] : [];
  return { kind: 'settled', runs, invalid };
}

/** Whether a revision is the one that was named, possibly by its first digits. */
export const isRevision = (revision: string, named: string): boolean => revision.startsWith(named);

function newestOf({ statuses }: LedgerView, job: string, revision: string): EndedRun | undefined {
  const run = statuses.get(job)?.lastRuns.find((each) => isRevision(each.revision, revision));
  return run && { job, ...run };
}

/** An unchanged job did not run for the revision: its last commit run has executed the same. */
function lastCommitRun({ statuses }: LedgerView, job: string): EndedRun | undefined {
  const lastRuns = statuses.get(job)?.lastRuns ?? [];
  const run = lastRuns.find(({ trigger }) => trigger.kind === 'commit') ?? lastRuns[0];
  return run && { job, ...run };
}

/** A job, and all that it needs, directly or not. */
function withNeeds(job: string, { jobs }: Catalog, found = new Set<string>()): ReadonlySet<string> {
  const desired = jobs.get(job);
  if (!desired || found.has(job)) return found;
  found.add(job);
  for (const need of needsOf(desired.manifest.spec)) withNeeds(need.job, { jobs } as Catalog, found);
  return found;
}
