import type { CommitStatus, StatusState } from '../forge/port.ts';
import { duration, oneLine } from '../ledger/text.ts';
import type { Outcome, Result } from '../schemas/index.ts';
import type { LedgerPages, RunNews } from './news.ts';
import { tookMs } from './took.ts';

const STATES: Readonly<Record<Result, StatusState>> = {
  succeeded: 'success',
  warning: 'success',
  skipped: 'success',
  failed: 'failure',
  'timed-out': 'failure',
  cancelled: 'error',
  error: 'error',
};

const SHA = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const MOST_DESCRIPTION = 140;

/** The name under which a job of a source stands beside a commit: what a branch protection asks for. */
export const statusContext = (source: string, job: string): string => `runledger/${source}/${job}`;

function describe({ result, reason, message, ...outcome }: Outcome): string {
  const why = reason === 'Completed' || message === '' ? '' : `: ${message}`;
  return oneLine(`${result} in ${duration(tookMs(outcome))}${why}`, MOST_DESCRIPTION);
}

/**
 * What stands beside the commit whose chain the run belongs to; undefined for a run of another chain (an instant, a request).
 * Pure.
 */
export function statusOf(news: RunNews, source: string, pages: LedgerPages): CommitStatus | undefined {
  const { chain, job, run } = news.kind === 'ended' ? news.outcome : news;
  if (!SHA.test(chain)) return undefined;
  const context = statusContext(source, job);
  if (news.kind === 'ended') {
    const description = describe(news.outcome);
    return { sha: chain, context, state: STATES[news.outcome.result], description, targetUrl: pages.outcome(job, run) };
  }
  const [state, description] =
    news.kind === 'running'
      ? (['running', `run ${run} is under way`] as const)
      : (['pending', `run ${run} waits`] as const);
  return { sha: chain, context, state, description, targetUrl: pages.root };
}
