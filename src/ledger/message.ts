import type { JobStatus, Outcome } from '../schemas/index.ts';
import type { GivenAnswer, RequestVerdict } from './port.ts';
import { conditionOf, isRemoved } from './status.ts';
import { between, counted, duration, oneLine } from './text.ts';

export interface StatusChange {
  readonly before: JobStatus | undefined;
  readonly after: JobStatus;
}

/** A request that comes with a commit, or goes with it. */
export interface RequestNote {
  readonly id: string;
  /** Such as `rerun of nightly-report`. */
  readonly what: string;
  /** Null: it is newly asked for. */
  readonly answer: { readonly verdict: RequestVerdict; readonly message: string } | null;
}

/** What a commit of the ledger does. */
export interface CommitContent {
  readonly outcomes: readonly Outcome[];
  /** The statuses that the commit changes. */
  readonly statuses: readonly StatusChange[];
  /** How many problems `invalid.yaml` holds from now on; undefined: unchanged. */
  readonly invalid?: number;
  readonly requests: readonly RequestNote[];
  /** The runner sets of which the commit tells something new. */
  readonly runnerSets?: readonly string[];
}

const SUBJECT_LIMIT = 100;
const LISTED = 20;
const TRAILERS = 100;

/** The worst first, as they are worth a reader's eye. */
const RESULTS: readonly Outcome['result'][] = [
  'error',
  'timed-out',
  'failed',
  'cancelled',
  'warning',
  'skipped',
  'succeeded',
];

/**
 * The message of a commit: a subject and a list of at most 20 runs for people, trailers for machines (pairs of
 * `Runledger-Run` and `Runledger-Result` in the same order, for at most 100 runs, and a `Source-Revision` for each revision).
 * Text of jobs gets in as part of one bounded line only, so that it can't forge a trailer.
 */
export function commitMessage(content: CommitContent): string {
  const outcomes = [...content.outcomes].sort(byWorst);
  // Of a request that was executed, the run's own line tells.
  const requests = content.requests.filter(({ answer }) => answer?.verdict !== 'executed');
  const subject =
    outcomes.length > 0
      ? runsSubject(outcomes)
      : requests.length > 0
        ? requestsSubject(requests)
        : statusSubject(content);
  const blocks = [subject];
  const ran = new Set(outcomes.map((outcome) => outcome.job));
  const others = content.statuses.filter((change) => !ran.has(change.after.job)).map(statusLine);
  const lines = [...outcomes.map(runLine), ...requests.map(requestLine), ...others];
  if (lines.length > 1) blocks.push(listed(lines));
  const trailers = trailersOf(outcomes, content);
  if (trailers.length > 0) blocks.push(trailers.join('\n'));
  return `${blocks.join('\n\n')}\n`;
}

/** One run in one line: `nightly-report run 13 failed: step "load" ended with exit code 3`. */
export function runLine(outcome: Outcome): string {
  // Not `#13`: forges take that in a commit for one of their issues, and link it there.
  const name = `${outcome.job} run ${outcome.run}`;
  const ms = between(outcome.times.started, outcome.times.finished);
  const took = ms === null ? '' : ` in ${duration(ms)}`;
  switch (outcome.result) {
    case 'succeeded':
      return `${name} succeeded${took}`;
    case 'warning':
      return because(`${name} succeeded with a warning${took}`, outcome.message);
    case 'skipped':
      return because(`${name} was skipped`, outcome.message);
    case 'failed':
      return because(`${name} failed`, outcome.message);
    case 'timed-out':
      return because(`${name} timed out`, outcome.message);
    case 'cancelled':
      return because(`${name} was cancelled`, outcome.message);
    case 'error':
      return because(`${name} ended in an error`, outcome.message);
  }
}

/** `rerun of nightly-report requested`, `rerun of nope refused: there is no job "nope"`. */
const requestLine = ({ what, answer }: RequestNote): string =>
  answer === null
    ? oneLine(`${what} requested`, SUBJECT_LIMIT)
    : because(oneLine(`${what} ${answer.verdict}`, SUBJECT_LIMIT), answer.message);

function requestsSubject(requests: readonly RequestNote[]): string {
  const [only] = requests;
  if (only && requests.length === 1) return requestLine(only);
  const counts = Map.groupBy(requests, ({ answer }) => answer?.verdict ?? 'new');
  return `${requests.length} requests: ${[...counts].map(([word, each]) => `${each.length} ${word}`).join(', ')}`;
}

const REQUEST_TRAILER = 'Runledger-Request';
const ANSWER_TRAILER = 'Runledger-Answer';
const ANSWER_LIMIT = 500;

function requestTrailers({ id, answer }: RequestNote): readonly string[] {
  const request = `${REQUEST_TRAILER}: ${oneLine(id, 120)}`;
  if (answer === null) return [request];
  return [request, `${ANSWER_TRAILER}: ${oneLine(`${answer.verdict}: ${answer.message}`, ANSWER_LIMIT)}`];
}

/** How a commit answers a request, by its trailers. */
export function answerIn(message: string, id: string): Omit<GivenAnswer, 'commit'> | undefined {
  const lines = message.trimEnd().split('\n');
  const at = lines.lastIndexOf(`${REQUEST_TRAILER}: ${id}`);
  const [, verdict, text] =
    /^Runledger-Answer: (executed|accepted|refused): (.*)$/.exec(at < 0 ? '' : (lines[at + 1] ?? '')) ?? [];
  return verdict === undefined ? undefined : { verdict: verdict as RequestVerdict, message: text ?? '' };
}

function runsSubject(outcomes: readonly Outcome[]): string {
  const only = outcomes[0]!;
  if (outcomes.length === 1) return runLine(only);
  const parts = RESULTS.toReversed().flatMap((result) => {
    const count = outcomes.filter((outcome) => outcome.result === result).length;
    return count === 0 ? [] : [`${count} ${result === 'warning' ? 'with a warning' : result}`];
  });
  return `${outcomes.length} runs: ${parts.join(', ')}`;
}

function statusSubject(content: CommitContent): string {
  const [first] = content.statuses;
  if (!first) {
    const { runnerSets = [] } = content;
    if (runnerSets.length > 0)
      return oneLine(`runner ${runnerSets.length === 1 ? 'set' : 'sets'} ${runnerSets.join(', ')}`, SUBJECT_LIMIT);
    if (content.invalid === undefined) return 'README brought up to date';
    return content.invalid === 0
      ? 'no invalid manifests any more'
      : counted(content.invalid, 'invalid manifest problem');
  }
  if (content.statuses.length === 1) return statusLine(first);
  const counts = new Map<string, number>();
  for (const change of content.statuses) {
    const verb = whatHappened(change);
    counts.set(verb, (counts.get(verb) ?? 0) + 1);
  }
  const parts = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return parts
    .map(([verb, count], index) => (index === 0 ? `${counted(count, 'job')} ${verb}` : `${count} ${verb}`))
    .join(', ');
}

function statusLine(change: StatusChange): string {
  const verb = whatHappened(change);
  const problem = verb === 'invalid' ? change.after.problems?.[0] : undefined;
  const line = `${change.after.job} ${verb}`;
  return problem ? because(line, `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`) : line;
}

function whatHappened({ before, after }: StatusChange): string {
  if (isRemoved(after) && !(before && isRemoved(before))) return 'removed';
  if (after.phase !== before?.phase && after.phase !== 'Idle') return after.phase.toLowerCase();
  const valid = conditionOf(after, 'Valid')?.status;
  if (valid === 'True' && before?.phase === 'Invalid') return 'valid again';
  if (before?.phase === 'Suspended') return 'resumed';
  if (before && isRemoved(before)) return 'back';
  return before ? 'updated' : 'added';
}

function because(start: string, message: string): string {
  const room = SUBJECT_LIMIT - start.length - 2;
  const reason = oneLine(message, Math.max(1, room));
  return reason === '' || room < 8 ? start : `${start}: ${reason}`;
}

function listed(lines: readonly string[]): string {
  const shown = lines.slice(0, LISTED).map((line) => `- ${line}`);
  return [...shown, ...(lines.length > LISTED ? [`- and ${lines.length - LISTED} more`] : [])].join('\n');
}

function trailersOf(outcomes: readonly Outcome[], { statuses, requests }: CommitContent): readonly string[] {
  const runs = outcomes
    .slice(0, TRAILERS)
    .flatMap(({ job, run, result }) => [`Runledger-Run: ${job}/${run}`, `Runledger-Result: ${result}`]);
  const revisions = new Set([
    ...outcomes.map((outcome) => outcome.source.revision),
    ...(outcomes.length > 0 ? [] : statuses.map((change) => change.after.source.revision)),
  ]);
  return [
    ...runs,
    ...requests.slice(0, TRAILERS).flatMap(requestTrailers),
    ...[...revisions].slice(0, LISTED).map((revision) => `Source-Revision: ${oneLine(revision, 80)}`),
  ];
}

function byWorst(a: Outcome, b: Outcome): number {
  const worst = RESULTS.indexOf(a.result) - RESULTS.indexOf(b.result);
  return worst !== 0 ? worst : a.job === b.job ? a.run - b.run : a.job < b.job ? -1 : 1;
}
