import type { ReconcilerEvent } from '../reconciler/ports.ts';
import type { ManifestProblem, Outcome } from '../schemas/index.ts';
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

/** A line for what happens while jobs run; undefined: nothing worth one. */
export function eventLine(event: ReconcilerEvent): string | undefined {
  if (event.kind === 'started' && event.first) return `▶ ${event.key.job}`;
  if (event.kind === 'output') return `  ${event.line.key.job} | ${event.line.text}`;
  if (event.kind === 'notice' || event.kind === 'trouble') return `! ${event.message}`;
  if (event.kind !== 'finished') return undefined;
  const { job, result, reason, message } = event.outcome;
  return `■ ${job} ${result}${message && reason !== 'Completed' ? `: ${message}` : ''}`;
}
