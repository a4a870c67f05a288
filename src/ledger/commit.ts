import { newBlob, newCommit } from '../git/objects.ts';
import type { NewObject } from '../git/port.ts';
import type { JobStatus } from '../schemas/index.ts';
import { badgeSvg } from './badge.ts';
import { decode, encode, encodeIndex, formatBytes } from './format.ts';
import {
  BADGE_NAME,
  bucketIndexPath,
  bucketOf,
  FORMAT_PATH,
  INVALID_PATH,
  jobFolder,
  outcomeName,
  outcomePath,
  README_PATH,
  STATUS_NAME,
  statusPath,
} from './layout.ts';
import { commitMessage } from './message.ts';
import { readmeEdits } from './readme-edits.ts';
import { expiredFiles } from './retention.ts';
import { isChanged, type Stage, type StagedJob } from './stage.ts';
import { editTree, fileEntry, folderEntry, type Edit } from './tree.ts';
import type { JobEntry, LedgerFiles, LedgerState } from './view.ts';

export interface CommitOptions {
  readonly author: { readonly name: string; readonly email: string };
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The buckets whose README may be out of date; null: READMEs are left as they are. */
  readonly readme: ReadonlySet<string> | null;
  /** Whether jobs get a badge: a small picture of how their last run ended. */
  readonly badges: boolean;
}

export interface BuiltCommit {
  readonly id: string;
  /** Everything new: blobs, trees, the commit last. */
  readonly objects: readonly NewObject[];
  readonly buckets: ReadonlySet<string>;
  readonly subject: string;
}

/** Objects and edits as they come together. */
interface Draft {
  readonly objects: Map<string, NewObject>;
  readonly edits: Map<string, Edit>;
}

/** The commit that brings the stage onto the head, or null if it would change nothing. Nothing is written here. */
export async function buildCommit(
  files: LedgerFiles,
  state: LedgerState,
  stage: Stage,
  options: CommitOptions,
): Promise<BuiltCommit | null> {
  const draft: Draft = { objects: new Map(), edits: new Map() };
  const changed = new Map([...stage.jobs].filter(([, job]) => isChanged(job)));
  const buckets = await draftJobs(files, state, changed, draft, options);
  const { invalid } = stage;
  const invalidChanged = invalid !== undefined && (invalid.blob?.id ?? null) !== state.invalidBlob;
  if (invalidChanged) put(draft, INVALID_PATH, invalid.blob);
  for (const [path, { blob }] of stage.requests) put(draft, path, blob);
  for (const [set, { path, blob }] of stage.runnerSets)
    if (blob || state.view.runnerSets.has(set)) put(draft, path, blob);
  if (options.readme !== null) {
    const statuses = withChanges(state.view.statuses, changed);
    const stale = new Set([...options.readme, ...buckets]);
    const edits = readmeEdits(state, statuses, invalid?.items ?? state.view.invalid, stale);
    for (const [path, blob] of edits) put(draft, path, blob);
  }
  if (draft.edits.size === 0) return null;
  if (state.root === null) {
    put(draft, FORMAT_PATH, newBlob(formatBytes()));
    if (!draft.edits.has(README_PATH)) {
      const statuses = withChanges(state.view.statuses, changed);
      const edits = readmeEdits(state, statuses, invalid?.items ?? state.view.invalid, buckets);
      for (const [path, blob] of edits) put(draft, path, blob);
    }
  }
  const tree = await editTree(files.readTree, state.root, draft.edits);
  if (tree.id === state.root || tree.id === null) return null;
  const jobs = [...changed.values()];
  const message = commitMessage({
    outcomes: jobs.flatMap((job) => job.outcomes),
    statuses: jobs.map(({ before, status }) => ({ before, after: status })),
    ...(invalidChanged ? { invalid: invalid.items.length } : {}),
    requests: [...stage.requests.values()].map(({ note }) => note),
    runnerSets: [...stage.runnerSets.keys()],
  });
  const { head } = state.view;
  const author = { ...options.author, timestamp: Math.floor(options.now / 1000) };
  const commit = newCommit({ tree: tree.id, parents: head === null ? [] : [head], message, author });
  const objects = [...draft.objects.values(), ...tree.objects, commit];
  return { id: commit.id, objects, buckets, subject: message.split('\n')[0] ?? '' };
}

/** The folders and index files of the changed jobs; returns the buckets they are in. */
async function draftJobs(
  files: LedgerFiles,
  state: LedgerState,
  changed: ReadonlyMap<string, StagedJob>,
  draft: Draft,
  options: CommitOptions,
): Promise<ReadonlySet<string>> {
  const entries = new Map<string, Map<string, JobEntry>>();
  for (const [job, staged] of changed) {
    const bucket = bucketOf(job);
    const jobs = entries.get(bucket) ?? new Map(state.buckets.get(bucket)?.jobs);
    entries.set(bucket, jobs);
    const folder = await draftFolder(files, jobs.get(job)?.folder ?? null, job, staged, draft, options);
    draft.edits.set(jobFolder(job), folderEntry(folder));
    jobs.set(job, { folder, status: staged.status });
  }
  for (const [bucket, jobs] of entries) {
    put(draft, bucketIndexPath(bucket), newBlob(encodeIndex([...jobs.values()])));
  }
  return new Set(entries.keys());
}

async function draftFolder(
  files: LedgerFiles,
  folder: string | null,
  job: string,
  staged: StagedJob,
  draft: Draft,
  { now, badges }: CommitOptions,
): Promise<string> {
  const blobs = new Map(staged.files);
  blobs.set(STATUS_NAME, newBlob(encode('jobstatus', staged.status, statusPath(job))));
  const badge = badges ? badgeOf(job, staged) : null;
  if (badge) blobs.set(BADGE_NAME, badge);
  const edits = new Map<string, Edit>();
  for (const [name, blob] of blobs) edits.set(name, fileEntry(blob.id));
  for (const name of await expired(files, job, staged, now)) {
    // What is new stays for this commit at least, or it would not be in history either.
    if (!staged.files.has(name)) edits.set(name, null);
  }
  for (const blob of blobs.values()) draft.objects.set(blob.id, blob);
  const edited = await editTree(files.readTree, folder, edits);
  for (const tree of edited.objects) draft.objects.set(tree.id, tree);
  return edited.id!;
}

/** The badge, where the last run ended otherwise than it shows. */
function badgeOf(job: string, { names, status }: StagedJob): NewObject | null {
  const [last] = status.lastRuns;
  const badge = last ? newBlob(Buffer.from(badgeSvg(job, last.result))) : null;
  return badge === null || names.get(BADGE_NAME) === badge.id ? null : badge;
}

async function expired(files: LedgerFiles, job: string, staged: StagedJob, now: number): Promise<readonly string[]> {
  if (staged.keep === null) return [];
  return expiredFiles({
    names: [...new Set([...staged.names.keys(), ...staged.files.keys()])],
    keep: staged.keep,
    now,
    async finished(run) {
      const name = outcomeName(run);
      const known = staged.status.lastRuns.find((summary) => summary.run === run);
      if (known) return Date.parse(known.finished);
      const blob = staged.names.get(name);
      if (blob === undefined) return null;
      const outcome = decode('outcome', await files.branch.readBlob(blob), outcomePath(job, run));
      return Date.parse(outcome.times.finished);
    },
  });
}

function withChanges(
  statuses: ReadonlyMap<string, JobStatus>,
  changed: ReadonlyMap<string, StagedJob>,
): ReadonlyMap<string, JobStatus> {
  const all = new Map(statuses);
  for (const [job, { status }] of changed) all.set(job, status);
  return all;
}

function put(draft: Draft, path: string, blob: NewObject | null): void {
  draft.edits.set(path, blob && fileEntry(blob.id));
  if (blob) draft.objects.set(blob.id, blob);
}
