import { messageOf } from '../../../errors.ts';
import type { Forge } from '../../../forge/port.ts';
import { allProblems } from '../../../job/problems.ts';
import type { LedgerView } from '../../../ledger/port.ts';
import { statusContext } from '../../../notify/status.ts';
import { aboutOf, notesOf } from '../../../pulls/about.ts';
import { pullRequestLedger } from '../../../pulls/ledger-branch.ts';
import { markerOf, type Report, reportText } from '../../../pulls/report.ts';
import { statusOf } from '../../../pulls/rows.ts';
import { type Standing, standingOf } from '../../../pulls/standing.ts';
import type { Subject } from '../../../pulls/subject.ts';
import { BAD, verdictOf } from '../../../pulls/verdict.ts';
import type { ManifestProblem, PlannedAction, SourceConfig } from '../../../schemas/index.ts';
import { openOutbox, type Outside, type OutsideParts, pagesOf, paceOf, type Voice } from '../tell-outside.ts';
import type { Judged } from './judge.ts';

/** What a comment is made of, besides what was judged. */
export interface Found {
  readonly view: LedgerView;
  /** Those of a plan; empty where there is none. */
  readonly actions: readonly PlannedAction[];
}

/** Says in one pull request what becomes of it. Nothing depends on what it says being heard: it never rejects. */
export interface PullVoice extends Pick<Voice, 'take' | 'catchUp'> {
  /** Statuses of what does not run: jobs that were refused, and manifests that can't be read. */
  refuse(judged: Judged): void;
  /** That nothing can be done with a head. */
  cannot(subject: Subject, error: Error): void;
  /** While it goes on: in the comment, after a moment, unless there is more to say by then. */
  progress(judged: Judged, found: Found): Promise<void>;
  /** At the end. `isFirst`: nothing ran now, and what ended long ago was told of by whoever led then. */
  say(judged: Judged, found: Found & { readonly failures: readonly Error[]; readonly isFirst: boolean }): Promise<void>;
}

export interface PullTelling {
  of(number: number): PullVoice;
  close(): Promise<void>;
}

/** Whoever reads a pull request is in no hurry, and each change of a comment costs requests. */
const LINGER_MS = 10_000;
/** How long ago that is. */
const LOOK_BACK_MS = 6 * 3_600_000;

export function createPullTelling(
  source: SourceConfig,
  installation: string,
  forge: Forge,
  outside: Pick<Outside, 'beside'>,
  parts: OutsideParts,
): PullTelling {
  const row = openOutbox('comment', paceOf(forge), parts, LINGER_MS);
  const turns = new Map<number, number>();
  const marker = markerOf(`${installation}.${source.name}`, 'source');
  return {
    of(number) {
      const branch = pullRequestLedger(number);
      const voice = outside.beside(branch);
      const { root } = pagesOf(source, branch);
      const put = (report: Report, isPassing: boolean): void =>
        row.outbox.put({
          key: String(number),
          what: `comment on pull request ${number}`,
          isPassing,
          send: async (signal) =>
            void (await forge.upsertComment(number, marker, `${marker}\n${reportText(report)}`, signal)),
        });
      const tell = async (
        judged: Judged,
        { view, actions }: Found,
        failures: readonly Error[],
        isPassing: boolean,
      ): Promise<void> => {
        const turn = (turns.get(number) ?? 0) + 1;
        turns.set(number, turn);
        try {
          const standing = await standingOf(judged.order, view, actions);
          const report = reportOf(judged, standing, failures, view.head === null ? undefined : root);
          // What is found later is said, whichever is ready first.
          if (turns.get(number) === turn && isWorthSaying(report, view)) put(report, isPassing);
        } catch (error) {
          parts.log.warn({ pullRequest: number, error: messageOf(error) }, 'the comment is not brought up to date');
        }
      };
      return {
        take: (event) => voice.take(event),
        catchUp: (view, signal) => voice.catchUp(view, signal),
        refuse({ subject, refused, ofHead }) {
          const { head, pullRequest } = subject;
          for (const row of refused)
            voice.put(statusOf(head, statusContext(source.name, row.job), row, pullRequest.url));
          const [first, ...more] = problemsOf(subject, ofHead);
          if (first === undefined) return;
          const message = `${first.file}: ${first.message}${more.length > 0 ? ` (and ${more.length} more)` : ''}`;
          const row = { job: '', state: 'invalid', message, ms: null } as const;
          voice.put(statusOf(head, `runledger/${source.name}`, row, pullRequest.url));
        },
        progress: (judged, found) => tell(judged, found, [], true),
        cannot(subject, { message }) {
          const { head, pullRequest } = subject;
          const about = { head, base: pullRequest.base.ref, trust: subject.trust, unused: [] };
          const failures = [message];
          put(
            { verdict: 'error', rows: [], untouched: 0, problems: [], failures, notes: [], pullRequest: about },
            false,
          );
          const row = { job: '', state: 'error', message, ms: null } as const;
          voice.put(statusOf(head, `runledger/${source.name}`, row, pullRequest.url));
        },
        async say(judged, { failures, isFirst, ...found }) {
          if (isFirst && isOld(judged, found.view)) return;
          await tell(judged, found, failures, false);
        },
      };
    },
    close: () => row.close(),
  };
}

/** Of what the pull request changes alone: what else is wrong in the repository is said where it came from. */
function problemsOf({ changed }: Judged['subject'], ofHead: Judged['ofHead']): readonly ManifestProblem[] {
  const paths = new Set(changed.paths);
  return allProblems(ofHead).filter(({ file }) => !changed.isComplete || paths.has(file));
}

function reportOf(
  judged: Judged,
  { rows, outcomes, open }: Standing,
  failures: readonly Error[],
  page: string | undefined,
): Report {
  const { subject, refused, catalog, ofHead } = judged;
  const problems = problemsOf(subject, ofHead);
  const found = verdictOf({
    problems: problems.length,
    refused: refused.length + rows.filter(({ state }) => state === 'refused').length,
    failures: failures.length,
    outcomes,
    planned: open,
  });
  return {
    // What goes on is not well yet.
    verdict: open > 0 && !BAD.has(found) ? 'planned' : found,
    rows: [...rows, ...refused],
    untouched: Math.max(0, catalog.jobs.size - rows.length - refused.length),
    problems,
    failures: failures.map(({ message }) => message),
    notes: notesOf(subject),
    pullRequest: aboutOf(subject, subject.pullRequest.base.ref, catalog, ofHead),
    ...(page === undefined ? {} : { page, pageIs: 'outcomes' }),
  };
}

/** Most pull requests have nothing to do with jobs: nothing is said in them. */
const isWorthSaying = ({ rows, problems, failures, pullRequest }: Report, { statuses }: LedgerView): boolean =>
  rows.length + problems.length + failures.length + (pullRequest?.unused.length ?? 0) > 0 || statuses.size > 0;

/** Whether all that it asks for ended long ago. */
const isOld = ({ order, refused }: Judged, { statuses }: LedgerView): boolean =>
  order.jobs.size > 0 &&
  refused.length === 0 &&
  !Array.from(order.jobs.keys()).some((job) =>
    statuses.get(job)?.lastRuns.some(({ finished }) => Date.parse(finished) > Date.now() - LOOK_BACK_MS),
  );
