import { isDeepStrictEqual } from 'node:util';
import { terminalError, type CodedError } from '../errors.ts';
import type { NewObject } from '../git/port.ts';
import type { JobStatus, Outcome } from '../schemas/index.ts';
import { decode } from './format.ts';
import { outcomeName, outcomePath, SPEC_NAME } from './layout.ts';
import type { FinishedRun } from './port.ts';
import { stageRequests, type StagedRequests } from './requests.ts';
import type { StagedSets } from './runner-sets.ts';
import type { PreparedChange, PreparedFacts } from './prepare.ts';
import { applyFacts } from './status.ts';
import type { LedgerFiles, LedgerState } from './view.ts';
import { bucketOf } from './layout.ts';

/** What a commit in the making does to one job. */
export interface StagedJob {
  readonly before: JobStatus | undefined;
  readonly status: JobStatus;
  /** The names and blobs of the job's folder at the head. */
  readonly names: ReadonlyMap<string, string>;
  /** New files by name; such as are in the folder already with the same content are left out. */
  readonly files: ReadonlyMap<string, NewObject>;
  readonly outcomes: readonly Outcome[];
  /** Of the newest outcome; null: none is new, so retention does not look at the job. */
  readonly keep: FinishedRun['keep'] | null;
}

/** Changes applied to a head, before there are trees: nothing of it is written. */
export interface Stage {
  readonly jobs: ReadonlyMap<string, StagedJob>;
  readonly invalid: PreparedChange['invalid'];
  readonly requests: StagedRequests;
  readonly runnerSets: StagedSets;
}

export const emptyStage: Stage = { jobs: new Map(), invalid: undefined, requests: new Map(), runnerSets: new Map() };

/**
 * The stage with one more change: all of it or, when it throws, nothing. Throws `RunAlreadyRecorded` (the same run has been
 * recorded with another ending) and `RunNumberTaken` (another run has the number), both terminal: what is recorded is
 * never overwritten. An outcome that is recorded already, byte for byte, changes nothing.
 */
export async function stageChange(
  files: LedgerFiles,
  state: LedgerState,
  stage: Stage,
  change: PreparedChange,
): Promise<Stage> {
  const jobs = new Map(stage.jobs);
  for (const facts of change.facts) {
    const { job } = facts.facts;
    const staged = jobs.get(job) ?? (await untouched(files, state, facts));
    jobs.set(job, await stageFacts(files, staged, facts));
  }
  const requests = stageRequests(state.view.requests, stage.requests, change);
  const runnerSets = new Map([...stage.runnerSets, ...change.runnerSets]);
  return { jobs, invalid: change.invalid ?? stage.invalid, requests, runnerSets };
}

/** Whether a staged job differs from the head. */
export const isChanged = (job: StagedJob): boolean =>
  job.files.size > 0 || job.before === undefined || !isDeepStrictEqual(job.before, job.status);

async function untouched(files: LedgerFiles, state: LedgerState, facts: PreparedFacts): Promise<StagedJob> {
  const { job } = facts.facts;
  const entry = state.buckets.get(bucketOf(job))?.jobs.get(job);
  const names = new Map(entry ? (await files.readTree(entry.folder)).map(({ name, id }) => [name, id]) : []);
  // A status always follows from facts, so the first ones are applied here to have one; applying them again is harmless.
  const status = entry?.status ?? applyFacts(undefined, facts.facts);
  return { before: entry?.status, status, names, files: new Map(), outcomes: [], keep: null };
}

async function stageFacts(files: LedgerFiles, staged: StagedJob, prepared: PreparedFacts): Promise<StagedJob> {
  const { facts, finished, spec } = prepared;
  const added = new Map(staged.files);
  const put = (name: string, blob: NewObject): void => {
    if (staged.names.get(name) === blob.id) added.delete(name);
    else added.set(name, blob);
  };
  if (spec) put(SPEC_NAME, spec);
  const status = applyFacts(staged.status, facts);
  if (!finished) return { ...staged, status, files: added };
  const { outcome } = finished.run;
  const name = outcomeName(outcome.run);
  const known = added.get(name)?.id ?? staged.names.get(name);
  // Logs follow the outcome: where it is recorded, so are they, or they have left the tree.
  if (known === finished.outcome.id) return { ...staged, status, files: added };
  if (known !== undefined) throw await conflict(files, staged, outcome, known);
  put(name, finished.outcome);
  for (const [logName, blob] of finished.logs) put(logName, blob);
  return { ...staged, status, files: added, outcomes: [...staged.outcomes, outcome], keep: finished.run.keep };
}

async function conflict(files: LedgerFiles, staged: StagedJob, ours: Outcome, known: string): Promise<CodedError> {
  const path = outcomePath(ours.job, ours.run);
  const bytes = staged.files.get(outcomeName(ours.run))?.content ?? (await files.branch.readBlob(known));
  const theirs = decode('outcome', bytes, path);
  if (isDeepStrictEqual(theirs.trigger, ours.trigger)) {
    return terminalError(
      'RunAlreadyRecorded',
      `${ours.job} #${ours.run} (${ours.result}) is recorded already as ${theirs.result} at ${theirs.times.finished}: ${path}`,
      { hint: 'what is recorded stays; this ending is dropped' },
    );
  }
  return terminalError(
    'RunNumberTaken',
    `${ours.job} #${ours.run}: another run (trigger ${theirs.trigger.kind}) is recorded under this number: ${path}`,
    { hint: 'two runledgers write to one ledger branch without sharing their claims: give each a branch of its own' },
  );
}
