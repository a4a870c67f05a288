import { createHash } from 'node:crypto';
import { terminalError } from '../errors.ts';

/** The paths of a ledger, from the root of its branch, with forward slashes. */

export const FORMAT_PATH = 'format';
export const README_PATH = 'README.md';
export const INVALID_PATH = 'invalid.yaml';
/** The folder that holds the buckets. */
export const JOBS_FOLDER = 'jobs';
/** The folder that holds what is asked for and not answered yet. */
export const REQUESTS_FOLDER = 'requests';
/** The folder with a file for each runner set. */
export const RUNNERS_FOLDER = 'runners';
/** Names within a job's folder and within a bucket. */
export const STATUS_NAME = 'status.yaml';
export const SPEC_NAME = 'spec.yaml';
export const BADGE_NAME = 'badge.svg';
export const INDEX_NAME = 'index.json';
export const README_NAME = 'README.md';

const JOB_NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const TASK_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** The bucket of a job: the first two hex digits of SHA-256 of its name. */
export function bucketOf(job: string): string {
  return createHash('sha256').update(job).digest('hex').slice(0, 2);
}

/** The folder of a bucket, such as `jobs/a3`. */
export const bucketFolder = (bucket: string): string => `${JOBS_FOLDER}/${bucket}`;

/** Whether a name can be that of a job: a DNS label of at most 40 characters. */
export const isJobName = (name: string): boolean => JOB_NAME.test(name);

/**
 * The folder of a job, such as `jobs/a3/nightly-report`. Throws `BadJobName` (terminal) for a name that is no DNS label
 * of at most 40 characters, so that no name can lead out of the folder.
 */
export function jobFolder(job: string): string {
  if (!isJobName(job)) {
    throw terminalError('BadJobName', `ledger: ${JSON.stringify(job)} is not the name of a job`, {
      hint: 'a job is named by a DNS label of at most 40 characters',
    });
  }
  return `${bucketFolder(bucketOf(job))}/${job}`;
}

export const statusPath = (job: string): string => `${jobFolder(job)}/${STATUS_NAME}`;
export const specPath = (job: string): string => `${jobFolder(job)}/${SPEC_NAME}`;

/** The file of a run's outcome, such as `jobs/a3/nightly-report/12.yaml`. */
export const outcomePath = (job: string, run: number): string => `${jobFolder(job)}/${outcomeName(run)}`;
export const outcomeName = (run: number): string => `${checkedNumber(run)}.yaml`;

/**
 * The log of one attempt: `…/12.1.log`, or `…/12.browser.1.log` in a run with fan-out. `task` is left out for a run
 * without fan-out. Throws `BadLogName` (terminal) for a task that can't be a file's name.
 */
export function logPath(job: string, run: number, attempt: number, task?: string): string {
  if (task !== undefined && !TASK_NAME.test(task)) {
    throw terminalError('BadLogName', `ledger: task ${JSON.stringify(task)} of ${job} can't name a log file`, {
      hint: 'name tasks with letters, digits, dots, dashes and underscores',
    });
  }
  const middle = task === undefined ? '' : `.${task}`;
  return `${jobFolder(job)}/${checkedNumber(run)}${middle}.${checkedNumber(attempt)}.log`;
}

/** The file of a runner set. Throws `BadJobName` (terminal) for a name that can't be one. */
export function runnerSetPath(set: string): string {
  jobFolder(set); // the same names
  return `${RUNNERS_FOLDER}/${set}.yaml`;
}

/** The file of a request. Throws `BadRequestId` (terminal) for an id that can't be a file's name. */
export function requestPath(id: string): string {
  if (!REQUEST_ID.test(id)) {
    throw terminalError('BadRequestId', `ledger: ${JSON.stringify(id)} is not the id of a request`, {
      hint: 'an id has letters, digits, dots, hyphens and underscores, at most 100 of them',
    });
  }
  return `${REQUESTS_FOLDER}/${id}.yaml`;
}

/** The id of a request by its file's name; null for a name that no request has. */
export function requestIdOf(name: string): string | null {
  const id = name.endsWith('.yaml') ? name.slice(0, -'.yaml'.length) : '';
  return REQUEST_ID.test(id) ? id : null;
}

export const bucketReadmePath = (bucket: string): string => `${bucketFolder(bucket)}/${README_NAME}`;
export const bucketIndexPath = (bucket: string): string => `${bucketFolder(bucket)}/${INDEX_NAME}`;

/** The run that a file in a job's folder belongs to, by its name; null for files that belong to no run. */
export function runFileOf(name: string): { readonly run: number; readonly kind: 'outcome' | 'log' } | null {
  const found = /^([1-9]\d{0,14})\.(yaml|(?:.+\.)?log)$/.exec(name);
  return found ? { run: Number(found[1]), kind: found[2] === 'yaml' ? 'outcome' : 'log' } : null;
}

/** Whether a path is that of a log of this run: in the job's folder, and named after the run. */
export function isLogOf(path: string, job: string, run: number): boolean {
  const folder = `${jobFolder(job)}/`;
  const name = path.slice(folder.length);
  const file = runFileOf(name);
  return path.startsWith(folder) && !name.includes('/') && file?.run === run && file.kind === 'log';
}

function checkedNumber(value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw terminalError('BadRunNumber', `ledger: ${value} is not the number of a run or attempt`, {
      hint: 'numbers count from 1; this is a fault of runledger, please report it',
    });
  }
  return value;
}
