import type { CommitStatus } from '../forge/port.ts';
import type { ReconcilerEvent } from '../reconciler/ports.ts';
import type { ManifestProblem, Outcome, PlannedAction } from '../schemas/index.ts';
import { durationOf } from '../cli/terminal.ts';
import type { Row } from './report.ts';
import type { Annotation } from './workflow.ts';

/** A problem of a manifest, at its place. */
export const problemAnnotation = ({ file, line, column, field, message }: ManifestProblem): Annotation => ({
  level: 'error',
  title: 'runledger',
  file,
  line,
  column,
  message: field === undefined ? message : `${field}: ${message}`,
});

/** What the directives of a run's steps say, and how it ended where that was not well. */
export function outcomeAnnotations({ job, run, result, message, annotations = [] }: Outcome): readonly Annotation[] {
  const title = `${job} run ${run}`;
  const own = annotations.map(({ level, file, line, message: text }): Annotation => ({
    level,
    title,
    message: text,
    ...(file === undefined ? {} : { file }),
    ...(file === undefined || line === undefined ? {} : { line }),
  }));
  if (result === 'succeeded' || result === 'skipped') return own;
  const level = result === 'warning' ? 'warning' : 'error';
  return [...own, { level, title, message: `${result}: ${message ?? ''}` }];
}

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
    ms: outcome.times.started ? durationOf(outcome) : null,
    ...(isNumbered ? { run: outcome.run } : {}),
  });

/** What stands beside the head for a job. */
export function statusOf(sha: string, { job, state, message }: Row, targetUrl: string | undefined): CommitStatus {
  const word = state === 'succeeded' || state === 'warning' || state === 'skipped' ? 'success' : 'failure';
  return {
    sha,
    context: `runledger/${job}`,
    state: message.startsWith('UpstreamFailed') ? 'failure' : word,
    description: message === '' ? state : `${state}: ${message}`,
    targetUrl,
  };
}

/** A line for what happens while jobs run; undefined: nothing worth one. */
export function eventLine(event: ReconcilerEvent): string | undefined {
  if (event.kind === 'started' && event.first) return `▶ ${event.key.job}`;
  if (event.kind === 'output') return `  ${event.line.key.job} | ${event.line.text}`;
  if (event.kind === 'notice' || event.kind === 'trouble') return `! ${event.message}`;
  if (event.kind !== 'finished') return undefined;
  const { job, result, reason, message } = event.outcome;
  return `■ ${job} ${result}${message && reason !== 'Completed' ? `: ${message}` : ''}`;
}
