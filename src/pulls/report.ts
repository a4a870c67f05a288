import { formatProblem } from '../job/problems.ts';
import { approvalLine, type Trust } from '../forge/trust.ts';
import { cell, counted, duration, oneLine } from '../ledger/text.ts';
import type { ManifestProblem } from '../schemas/index.ts';
import { WORST_FIRST } from '../outcome/run.ts';
import { markOf, type Verdict } from './verdict.ts';

/** What is said of one job. */
export interface Row {
  readonly job: string;
  readonly state: Parameters<typeof markOf>[0];
  /** The number of its run; absent: it has none, or none that anybody could look up. */
  readonly run?: number;
  readonly message: string;
  /** How long the run took; null: nothing was executed. */
  readonly ms: number | null;
}

/** Everything that people are told of a pull request, or of a step of a workflow. */
export interface Report {
  readonly verdict: Verdict;
  readonly rows: readonly Row[];
  /** Jobs of which nothing is to be said. */
  readonly untouched: number;
  readonly problems: readonly ManifestProblem[];
  /** Runs that could not be started or recorded. */
  readonly failures: readonly string[];
  readonly notes: readonly string[];
  /** Absent where it is not about one. */
  readonly pullRequest?: {
    readonly head: string;
    readonly base: string;
    readonly trust: Trust;
    /** Manifests that the pull request changes and that were not used. */
    readonly unused: readonly string[];
  };
  /** Where more is to be seen, and the word for it. */
  readonly page?: string;
  readonly pageIs?: 'log' | 'outcomes';
}

/** A comment has at most 65,536 characters on GitHub; a row takes up to about 300. */
const MOST_ROWS = 60;
const MOST_PROBLEMS = 20;
const MOST_NAMED = 10;

/**
 * What a comment is known by: the Action has one for each folder of manifests, a controller one for each source; neither takes the
 * other's for its own.
 */
export const markerOf = (name: string, of: 'pull-request' | 'source' = 'pull-request'): string =>
  `<!-- runledger:${of} ${encodeURIComponent(name)} -->`;

/** The report as Markdown, for a comment and the summary of the step. Nothing in it that came from elsewhere acts on the page. */
export function reportText(report: Report): string {
  const { verdict, rows, untouched, problems, failures, notes, page, pageIs = 'log' } = report;
  const sections = [
    `### ${markOf(verdict)} runledger: ${headline(report)}`,
    trustText(report.pullRequest),
    rows.length === 0 ? '' : tableText(rows),
    untouched === 0 ? '' : `${counted(untouched, 'other job')}: nothing to do.`,
    list('Problems in manifests', problems.map(formatProblem), MOST_PROBLEMS),
    list('Could not be executed', failures, MOST_PROBLEMS),
    list('Notes', notes, MOST_PROBLEMS),
    footer(report.pullRequest?.head, page, pageIs),
  ];
  return `${sections.filter(Boolean).join('\n\n')}\n`;
}

const RESULTS: ReadonlySet<Row['state']> = new Set(WORST_FIRST);

/** `3 runs: 1 failed, 2 succeeded`: one line for people who read no further, the worst first. */
export function headline({ rows, verdict, problems }: Report): string {
  const ran = rows.filter(({ state }) => RESULTS.has(state));
  const would = rows.filter(({ state }) => state === 'run').length;
  const refused = rows.filter(({ state }) => state === 'refused').length;
  const counts = WORST_FIRST.flatMap((result) => {
    const { length } = ran.filter(({ state }) => state === result);
    return length > 0 ? [`${length} ${result}`] : [];
  });
  const parts = [
    ...(ran.length > 0 ? [`${counted(ran.length, 'run')}: ${counts.join(', ')}`] : []),
    ...(would > 0 ? [`${counted(would, 'job')} to run`] : []),
    ...(refused > 0 ? [`${refused} refused`] : []),
    ...(problems.length > 0 ? [`${counted(problems.length, 'problem')} in manifests`] : []),
  ];
  return parts.length > 0 ? parts.join('; ') : verdict === 'error' ? 'nothing could be run' : 'nothing to run';
}

function tableText(rows: readonly Row[]): string {
  const lines = rows
    .slice(0, MOST_ROWS)
    .map(({ job, state, run, message, ms }) =>
      [
        '',
        `${markOf(state)} ${state}`,
        `${cell(job)}${run === undefined ? '' : ` run ${run}`}`,
        cell(message, 200),
        ms === null ? '' : duration(ms),
        '',
      ].join(' | '),
    );
  const more = rows.length > MOST_ROWS ? `\n\nand ${rows.length - MOST_ROWS} more` : '';
  return ['| | Job | | Time |', '| --- | --- | --- | --- |', ...lines.map((line) => line.trim())].join('\n') + more;
}

function list(title: string, items: readonly string[], most: number): string {
  if (items.length === 0) return '';
  const shown = items.slice(0, most).map((item) => `- ${cell(item, 300)}`);
  const more = items.length > most ? [`- and ${items.length - most} more`] : [];
  return `**${title}**\n\n${[...shown, ...more].join('\n')}`;
}

function trustText(pullRequest: Report['pullRequest']): string {
  if (pullRequest === undefined || pullRequest.trust.kind === 'own') return '';
  const { head, base, trust, unused } = pullRequest;
  if (trust.kind === 'approved') {
    const by = trust.by === null ? 'the workflow' : cell(trust.by);
    return `From a fork; ${by} has approved \`${head}\`.`;
  }
  const named = unused.slice(0, MOST_NAMED).map((path) => cell(path));
  const more = unused.length > MOST_NAMED ? ` and ${unused.length - MOST_NAMED} more` : '';
  return [
    `From a fork, and nobody has approved \`${head}\`. Jobs, their scripts and images are those of ${cell(base)}, and run with the`,
    'files of the pull request; jobs that could come to credentials are refused.',
    ...(named.length > 0 ? [`Changed here and **not used**: ${named.join(', ')}${more}.`] : []),
    `Whoever may write to this repository approves exactly this commit with a comment: \`${approvalLine(head)}\``,
  ].join('\n');
}

function footer(head: string | undefined, page: string | undefined, word: string): string {
  const what = head === undefined ? '' : `for \`${oneLine(head, 64)}\``;
  const where = page === undefined ? '' : `[${word}](${encodeURI(page)})`;
  const text = [what, where].filter(Boolean).join(', ');
  return text === '' ? '' : `<sub>${text}</sub>`;
}
