import { isCoded } from '../errors.ts';
import type { JobStatus } from '../schemas/index.ts';
import type { Left } from './crowd.ts';
import { encode } from './format.ts';
import { bucketOf, isJobName, statusPath } from './layout.ts';
import { fingerprint } from './left.ts';
import { stageChange, type Stage } from './stage.ts';
import type { LedgerFiles, LedgerState } from './view.ts';

export interface StagedLeft {
  readonly stage: Stage;
  readonly taken: readonly Left[];
  /** What can't be taken in any more, on this head or a later one. */
  readonly drop: readonly Left[];
}

/**
 * The stage with what others have left, as far as it can be taken in: all of one writer's or nothing. Left alone is what this
 * version can't read, and what concerns jobs that the stage has changed. What concerns jobs of which others have recorded
 * something since is void: its writer, if it still lives, looks for it in the ledger, and applies it anew.
 */
export async function stageLeft(
  files: LedgerFiles,
  state: LedgerState,
  stage: Stage,
  others: readonly Left[],
): Promise<StagedLeft> {
  const [taken, drop]: [Left[], Left[]] = [[], []];
  let staged = stage;
  for (const left of others) {
    if (left.content === undefined) continue;
    const jobs = left.content.changes.flatMap(({ facts }) => facts.map(({ facts: { job } }) => job));
    if (jobs.some((job) => staged.jobs.has(job))) continue;
    const next = await stageOne(files, state, staged, left.content, jobs).catch((error: unknown) => {
      // What can't be read here and now says nothing about what was left.
      if (isCoded(error) && error.errorClass !== 'terminal') throw error;
      return undefined;
    });
    if (next === undefined) drop.push(left);
    else {
      taken.push(left);
      staged = next;
    }
  }
  return { stage: staged, taken, drop };
}

async function stageOne(
  files: LedgerFiles,
  state: LedgerState,
  stage: Stage,
  { changes, seen }: NonNullable<Left['content']>,
  jobs: readonly string[],
): Promise<Stage | undefined> {
  const statusOf = (job: string): JobStatus | undefined => state.buckets.get(bucketOf(job))?.jobs.get(job)?.status;
  if (!jobs.every((job) => isJobName(job) && seen.get(job) === fingerprint(statusOf(job)))) return undefined;
  let staged = stage;
  for (const change of changes) staged = await stageChange(files, state, staged, change);
  // Checked here, where it costs the others nothing: a commit with one bad status fails as a whole.
  for (const job of jobs) encode('jobstatus', staged.jobs.get(job)!.status, statusPath(job));
  return staged;
}
