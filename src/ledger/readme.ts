import type { InvalidManifests, JobStatus } from '../schemas/index.ts';
import { bucketOf, bucketReadmePath, INVALID_PATH, jobFolder, outcomePath } from './layout.ts';
import { conditionOf, isRemoved } from './status.ts';
import { between, cell, counted, duration, minuteOf } from './text.ts';

/** Up to this many jobs the README at the root shows them all; beyond, each bucket has a README with its table. */
export const WHOLE_TABLE_LIMIT = 200;
const FAILING_SHOWN = 50;
const NEWEST_SHOWN = 20;
const REMOVED_SHOWN = 20;

type RunSummary = JobStatus['lastRuns'][number];
type Invalid = InvalidManifests['items'];

/** A sign for each result, on pages that a forge shows. */
export const RESULT_ICONS: Readonly<Record<RunSummary['result'], string>> = {
  succeeded: '✅',
  warning: '⚠️',
  skipped: '⏭️',
  failed: '❌',
  'timed-out': '⏱️',
  cancelled: '🚫',
  error: '💥',
};

const STATES: Readonly<Record<Exclude<JobStatus['phase'], 'Idle'>, string>> = {
  Queued: '⏳ queued',
  Running: '▶️ running',
  Suspended: '⏸️ suspended',
  Invalid: '⛔ invalid',
};
const NO_RUN = 'no run yet';

/** What needs care first. */
const TOTALS_ORDER: readonly string[] = [
  ...iconed('error', 'failed', 'timed-out'),
  STATES.Invalid,
  ...iconed('cancelled', 'warning'),
  STATES.Running,
  STATES.Queued,
  ...iconed('succeeded', 'skipped'),
  STATES.Suspended,
  NO_RUN,
];

const NOTE = '<!-- Written by runledger. What you change here is overwritten. -->';
const RULE = '| :-- | --- | --- | --- | --- | --- |';
/** No-break spaces about as wide as a letter. One of them would be enough of U+2007, but Gitea warns of that in a file. */
const LETTER_SPACE = '\u00a0\u00a0';
/** Longer names may be broken at their hyphens. */
const NAME_ROOM = 24;

/** Whether the ledger has so many jobs that the tables are in the buckets' READMEs. */
export function isLarge(statuses: ReadonlyMap<string, JobStatus>): boolean {
  if (statuses.size <= WHOLE_TABLE_LIMIT) return false;
  let present = 0;
  for (const status of statuses.values()) if (!isRemoved(status)) present += 1;
  return present > WHOLE_TABLE_LIMIT;
}

/**
 * The README at the ledger's root: what a person sees first on the forge's page of the branch. It follows from the
 * statuses alone and holds no time of its own, so that it changes only when they do.
 */
export function rootReadme(statuses: ReadonlyMap<string, JobStatus>, invalid: Invalid): string {
  const present = [...statuses.values()].filter((status) => !isRemoved(status)).sort(byName);
  const removed = [...statuses.values()].filter(isRemoved).sort(byName);
  const sections = [`# Jobs\n\n${NOTE}`, totals(present), ...invalidSection(invalid)];
  if (isLarge(statuses)) sections.push(...largeSections(present, statuses));
  else if (present.length > 0)
    sections.push(table([...present.filter(needsCare), ...present.filter((s) => !needsCare(s))], ''));
  if (removed.length > 0) sections.push(removedLine(removed));
  return `${sections.join('\n\n')}\n`;
}

/** The README of one bucket, `statuses` being all of the bucket. */
export function bucketReadme(bucket: string, statuses: Iterable<JobStatus>): string {
  const all = [...statuses].sort(byName);
  const removed = all.filter(isRemoved);
  const sections = [`# Jobs, bucket ${bucket}\n\n${NOTE}`, '[All jobs](../../README.md)'];
  if (removed.length < all.length)
    sections.push(
      table(
        all.filter((status) => !isRemoved(status)),
        '../../',
      ),
    );
  if (removed.length > 0) sections.push(removedLine(removed));
  return `${sections.join('\n\n')}\n`;
}

function totals(present: readonly JobStatus[]): string {
  const counts = new Map<string, number>();
  const count = (word: string): Map<string, number> => counts.set(word, (counts.get(word) ?? 0) + 1);
  for (const status of present) {
    const last = status.lastRuns[0];
    const state = stateOf(status);
    if (last) count(resultOf(last));
    else if (state === null) count(NO_RUN);
    if (state !== null) count(state);
  }
  const parts = TOTALS_ORDER.flatMap((word) => (counts.has(word) ? [`${counts.get(word)} ${word}`] : []));
  return `**${counted(present.length, 'job')}**${parts.length > 0 ? `: ${parts.join(' · ')}` : ''}`;
}

function largeSections(present: readonly JobStatus[], statuses: ReadonlyMap<string, JobStatus>): readonly string[] {
  const failing = byEnd(present.filter(needsCare));
  const newest = byEnd(present.filter((status) => status.lastRuns.length > 0));
  const more = failing.length - FAILING_SHOWN;
  return [
    `## What needs care\n\n${failing.length === 0 ? 'Nothing.' : table(failing.slice(0, FAILING_SHOWN), '')}`,
    ...(more > 0 ? [`And ${counted(more, 'more job')}: see the tables below.`] : []),
    ...(newest.length > 0 ? [`## What ended last\n\n${table(newest.slice(0, NEWEST_SHOWN), '')}`] : []),
    `## All jobs\n\nA job is in the table named by the first two hex digits of SHA-256 of its name.\n\n${bucketLinks(statuses)}`,
  ];
}

function bucketLinks(statuses: ReadonlyMap<string, JobStatus>): string {
  const sizes = new Map<string, number>();
  for (const job of statuses.keys()) sizes.set(bucketOf(job), (sizes.get(bucketOf(job)) ?? 0) + 1);
  const rows = new Map<string, string[]>();
  for (const [bucket, size] of [...sizes].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const row = rows.get(bucket.slice(0, 1)) ?? [];
    row.push(`[${bucket}](${bucketReadmePath(bucket)}) (${size})`);
    rows.set(bucket.slice(0, 1), row);
  }
  return [...rows.values()].map((row) => `- ${row.join(' · ')}`).join('\n');
}

function invalidSection(invalid: Invalid): readonly string[] {
  if (invalid.length === 0) return [];
  return [`⛔ ${counted(invalid.length, 'problem')} in manifests that name no job: [${INVALID_PATH}](${INVALID_PATH})`];
}

function removedLine(removed: readonly JobStatus[]): string {
  const names = removed.slice(0, REMOVED_SHOWN).map((status) => cell(status.job));
  const more = removed.length - names.length;
  return `Removed: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function table(statuses: readonly JobStatus[], toRoot: string): string {
  return [head(statuses), RULE, ...statuses.map((status) => row(status, toRoot))].join('\n');
}

/**
 * The titles. Browsers break names at their hyphens as soon as a message wants room, and every row is two lines high: the first
 * title is as wide as the longest name, and cannot be broken.
 */
function head(statuses: readonly JobStatus[]): string {
  const longest = Math.min(NAME_ROOM, Math.max(0, ...statuses.map(({ job }) => job.length)));
  return `| job${LETTER_SPACE.repeat(Math.max(0, longest - 'job'.length))} | result | run | when (UTC) | duration | next (UTC) |`;
}

function row(status: JobStatus, toRoot: string): string {
  const last = status.lastRuns[0];
  const state = stateOf(status);
  const ms = last ? between(last.started, last.finished) : null;
  const words = [...(last ? [resultOf(last)] : []), ...(state === null ? [] : [state])];
  const cells = [
    `[${cell(status.job)}](${toRoot}${jobFolder(status.job)})`,
    (words.join(', ') || NO_RUN) + (problemOf(status) || reasonOf(status, last)),
    last ? `[#${last.run}](${toRoot}${outcomePath(status.job, last.run)})` : '',
    minuteOf(last?.finished),
    ms === null ? '' : duration(ms),
    minuteOf(status.next[0]),
  ];
  return `| ${cells.join(' | ')} |`;
}

const resultOf = ({ result }: RunSummary): string => iconed(result).join('');

function iconed(...results: readonly RunSummary['result'][]): readonly string[] {
  return results.map((result) => `${RESULT_ICONS[result]} ${result}`);
}

/** Why the last run did not go well, in short. */
function reasonOf(status: JobStatus, last: RunSummary | undefined): string {
  if (!last || isWell(last)) return '';
  const message = conditionOf(status, 'Succeeded')?.message ?? '';
  return message === '' ? '' : `: ${cell(message, 100)}`;
}

function stateOf(status: JobStatus): string | null {
  return status.phase === 'Idle' ? null : STATES[status.phase];
}

/** Where the manifest is wrong, for a job that is invalid. */
function problemOf(status: JobStatus): string {
  const problem = status.phase === 'Invalid' ? status.problems?.[0] : undefined;
  return problem ? `: ${cell(`${problem.file}:${problem.line}:${problem.column}: ${problem.message}`, 100)}` : '';
}

const isWell = (run: RunSummary): boolean =>
  run.result === 'succeeded' || run.result === 'warning' || run.result === 'skipped';
const needsCare = (status: JobStatus): boolean =>
  status.phase === 'Invalid' || (status.lastRuns[0] !== undefined && !isWell(status.lastRuns[0]));
const byName = (a: JobStatus, b: JobStatus): number => (a.job < b.job ? -1 : a.job > b.job ? 1 : 0);

/** Those with a run, the one that ended last first; then the others. */
function byEnd(statuses: readonly JobStatus[]): readonly JobStatus[] {
  const dated = statuses.map((status) => ({
    status,
    end: Date.parse(status.lastRuns[0]?.finished ?? '1970-01-01T00:00:00Z'),
  }));
  return dated.sort((a, b) => b.end - a.end || byName(a.status, b.status)).map(({ status }) => status);
}
