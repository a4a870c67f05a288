import type { Branch } from '../git/port.ts';
import type { InvalidManifests, JobStatus, Outcome } from '../schemas/index.ts';
import { digestOfCovered } from '../job/digest.ts';
import { checkFormat, decode, decodeIndex, decodeSpec } from './format.ts';
import {
  bucketFolder,
  FORMAT_PATH,
  INDEX_NAME,
  INVALID_PATH,
  isJobName,
  jobFolder,
  JOBS_FOLDER,
  outcomePath,
  README_NAME,
  README_PATH,
  REQUESTS_FOLDER,
  RUNNERS_FOLDER,
  runFileOf,
  specPath,
  STATUS_NAME,
} from './layout.ts';
import { answerIn } from './message.ts';
import type { LedgerView } from './port.ts';
import { readRequests } from './requests.ts';
import { readRunnerSets } from './runner-sets.ts';
import { entryAt, type ReadTree } from './tree.ts';

export interface JobEntry {
  /** The id of the job's folder. */
  readonly folder: string;
  readonly status: JobStatus;
}

export interface Bucket {
  /** The id of the bucket's tree. */
  readonly tree: string;
  /** The blob id of the bucket's README; null: it has none. */
  readonly readme: string | null;
  readonly jobs: ReadonlyMap<string, JobEntry>;
}

/** A ledger at one head, as far as it is kept in memory: the statuses, and the ids by which to see what changed. */
export interface LedgerState {
  readonly view: LedgerView;
  /** The root tree; null while there is nothing. */
  readonly root: string | null;
  readonly jobsTree: string | null;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly readme: string | null;
  readonly invalidBlob: string | null;
  /** The tree of `requests/`. */
  readonly requestsTree: string | null;
  /** The tree of `runners/`. */
  readonly runnersTree: string | null;
}

/** Where a ledger is read from. `readTree` is the branch's own, with a cache. */
export interface LedgerFiles {
  readonly branch: Branch;
  readonly readTree: ReadTree;
}

/**
 * The ledger at `head` (null: no branch yet). What has the same tree id as in `previous` is taken over from there, so
 * that after a commit of one run two trees and one index are read. Throws `NotALedger`, `LedgerTooNew`,
 * `LedgerFileInvalid` (terminal), and what the branch throws.
 */
export async function readState(
  files: LedgerFiles,
  head: string | null,
  previous: LedgerState | undefined,
): Promise<LedgerState> {
  if (previous && previous.view.head === head) return previous;
  if (head === null) return stateOf(files, { head, root: null, jobsTree: null, buckets: new Map(), ...emptyRoot });
  const root = (await files.branch.readCommit(head)).tree;
  const entries = new Map((await files.readTree(root)).map((entry) => [entry.name, entry]));
  if (entries.size > 0) {
    const format = entries.get(FORMAT_PATH);
    checkFormat(format && (await files.branch.readBlob(format.id)), files.branch.name);
  }
  const jobs = entries.get(JOBS_FOLDER);
  const jobsTree = jobs?.mode === '040000' ? jobs.id : null;
  const invalidBlob = entries.get(INVALID_PATH)?.id ?? null;
  const requests = entries.get(REQUESTS_FOLDER);
  const requestsTree = requests?.mode === '040000' ? requests.id : null;
  const runners = entries.get(RUNNERS_FOLDER);
  const runnersTree = runners?.mode === '040000' ? runners.id : null;
  const sameInvalid = previous !== undefined && previous.invalidBlob === invalidBlob;
  return stateOf(files, {
    head,
    root,
    jobsTree,
    buckets: await readBuckets(files, jobsTree, previous),
    readme: entries.get(README_PATH)?.id ?? null,
    invalidBlob,
    invalid: sameInvalid ? previous.view.invalid : await readInvalid(files, invalidBlob),
    requestsTree,
    runnersTree,
    runnerSets:
      previous?.runnersTree === runnersTree ? previous.view.runnerSets : await readRunnerSets(files, runnersTree),
    requests:
      requestsTree !== null && previous?.requestsTree === requestsTree
        ? previous.view.requests
        : await readRequests(files, requestsTree, previous?.view.requests),
  });
}

interface Parts extends Omit<LedgerState, 'view'> {
  readonly head: string | null;
  readonly invalid: InvalidManifests['items'];
  readonly requests: LedgerView['requests'];
  readonly runnerSets: LedgerView['runnerSets'];
}

const emptyRoot = {
  readme: null,
  invalidBlob: null,
  invalid: [],
  requestsTree: null,
  requests: new Map(),
  runnersTree: null,
  runnerSets: new Map(),
};

function stateOf(files: LedgerFiles, parts: Parts): LedgerState {
  const { head, invalid, requests, runnerSets, ...ids } = parts;
  let statuses: ReadonlyMap<string, JobStatus> | undefined;
  const read = async (path: string): Promise<Uint8Array | undefined> => {
    const entry = await entryAt(files.readTree, ids.root, path);
    return entry && entry.mode !== '040000' ? files.branch.readBlob(entry.id) : undefined;
  };
  const view: LedgerView = {
    head,
    // Made when it is asked for: a writer that commits run after run has no use for it.
    get statuses() {
      return (statuses ??= statusesOf(ids.buckets));
    },
    invalid,
    requests,
    runnerSets,
    async answer(id, limit) {
      for (const { id: commit, message } of head === null ? [] : await files.branch.log(head, limit)) {
        const found = answerIn(message, id);
        if (found) return { ...found, commit };
      }
      return undefined;
    },
    read,
    async spec(job) {
      const path = specPath(job);
      const bytes = await read(path);
      return bytes && decodeSpec(bytes, path);
    },
    async specs(job, digests, limit) {
      return head === null ? new Map() : earlierSpecs(files, head, job, new Set(digests), limit);
    },
    async outcome(job, run): Promise<Outcome | undefined> {
      const path = outcomePath(job, run);
      const bytes = await read(path);
      return bytes && decode('outcome', bytes, path);
    },
    async runs(job) {
      const folder = await entryAt(files.readTree, ids.root, jobFolder(job));
      const names = folder?.mode === '040000' ? await files.readTree(folder.id) : [];
      const runs = names.map((entry) => runFileOf(entry.name)).filter((file) => file?.kind === 'outcome');
      return runs.map((file) => file!.run).sort((a, b) => a - b);
    },
  };
  return { view, ...ids };
}

/** The specs with these digests that a job's file held at the newest commits; each content is read once. */
async function earlierSpecs(
  { branch, readTree }: LedgerFiles,
  head: string,
  job: string,
  wanted: Set<string>,
  limit: number,
): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
  const found = new Map<string, Readonly<Record<string, unknown>>>();
  const path = specPath(job);
  const seen = new Set<string>();
  for (const { tree } of await branch.log(head, limit)) {
    if (wanted.size === 0) break;
    const entry = await entryAt(readTree, tree, path);
    if (!entry || entry.mode === '040000' || seen.has(entry.id)) continue;
    seen.add(entry.id);
    const spec = decodeSpec(await branch.readBlob(entry.id), path);
    const digest = digestOfCovered(spec);
    if (wanted.delete(digest)) found.set(digest, spec);
  }
  return found;
}

async function readBuckets(
  files: LedgerFiles,
  jobsTree: string | null,
  previous: LedgerState | undefined,
): Promise<ReadonlyMap<string, Bucket>> {
  if (previous && previous.jobsTree === jobsTree) return previous.buckets;
  const buckets = new Map<string, Bucket>();
  for (const entry of jobsTree === null ? [] : await files.readTree(jobsTree)) {
    if (entry.mode !== '040000' || !/^[0-9a-f]{2}$/.test(entry.name)) continue;
    const before = previous?.buckets.get(entry.name);
    buckets.set(entry.name, before?.tree === entry.id ? before : await readBucket(files, entry.name, entry.id, before));
  }
  return buckets;
}

function statusesOf(buckets: ReadonlyMap<string, Bucket>): ReadonlyMap<string, JobStatus> {
  const statuses = new Map<string, JobStatus>();
  for (const { jobs } of buckets.values()) for (const [job, { status }] of jobs) statuses.set(job, status);
  return statuses;
}

/** An entry of the index counts if it names the folder as it is; any other job's status is read from its own file. */
async function readBucket(files: LedgerFiles, name: string, tree: string, before: Bucket | undefined): Promise<Bucket> {
  const entries = await files.readTree(tree);
  const indexBlob = entries.find((entry) => entry.name === INDEX_NAME);
  const index = indexBlob && decodeIndex(await files.branch.readBlob(indexBlob.id));
  const jobs = new Map<string, JobEntry>();
  for (const { mode, name: job, id } of entries) {
    if (mode !== '040000' || !isJobName(job)) continue;
    const known = before?.jobs.get(job);
    const status =
      (known?.folder === id ? known.status : undefined) ??
      index?.statusOf(job, id) ??
      (await readStatus(files, `${bucketFolder(name)}/${job}`, id));
    if (status) jobs.set(job, { folder: id, status });
  }
  return { tree, readme: entries.find((entry) => entry.name === README_NAME)?.id ?? null, jobs };
}

async function readStatus(files: LedgerFiles, folder: string, tree: string): Promise<JobStatus | undefined> {
  const entry = (await files.readTree(tree)).find(({ name }) => name === STATUS_NAME);
  return entry && decode('jobstatus', await files.branch.readBlob(entry.id), `${folder}/${STATUS_NAME}`);
}

async function readInvalid(files: LedgerFiles, blob: string | null): Promise<InvalidManifests['items']> {
  return blob === null ? [] : decode('invalid', await files.branch.readBlob(blob), INVALID_PATH).items;
}
