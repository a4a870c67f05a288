import type { CommitStatus } from '../forge/port.ts';
import { tookMs } from '../notify/took.ts';
import type { Outcome, PlannedAction } from '../schemas/index.ts';
import type { Row } from './report.ts';

/** What is told of jobs by their actions; of invalid manifests their problems tell, and of what is left alone nothing does. */
export function rowsOfPlan(actions: readonly PlannedAction[], isNumbered: boolean): readonly Row[] {
  return actions
    .filter(({ action, reason }) => !QUIET.has(action) && !(action === 'invalid' && reason === 'Invalid'))
    .map(({ job, action, run, message }): Row => {
      const state = action === 'invalid' ? 'refused' : action;
      const row = { job, state, message: message.replace(/^[a-z]+: /, ''), ms: null } as const;
      return isNumbered && run !== undefined && state !== 'refused' ? Object.assign({ run }, row) : row;
    });
}

const QUIET: ReadonlySet<PlannedAction['action']> = new Set(['none', 'suspended', 'removed']);

export const rowOfOutcome =
  (isNumbered: boolean) =>
  (outcome: Outcome): Row => ({
    job: outcome.job,
    state: outcome.result,
    message: outcome.reason === 'Completed' ? '' : `${outcome.reason}: ${outcome.message ?? ''}`,
    ms: outcome.times.started ? tookMs(outcome) : null,
    ...(isNumbered ? { run: outcome.run } : {}),
  });

/** What stands beside the head for a job; `context` is its name there. */
export function statusOf(
  sha: string,
  context: string,
  { state, message }: Row,
  targetUrl: string | undefined,
): CommitStatus {
  const word = state === 'succeeded' || state === 'warning' || state === 'skipped' ? 'success' : 'failure';
  return {
    sha,
    context,
    state: message.startsWith('UpstreamFailed') ? 'failure' : word,
    description: message === '' ? state : `${state}: ${message}`,
    targetUrl,
  };
}
