import { tasksOf } from '../../job/fan-out.ts';
import type { RunRecord, RunTask } from '../port.ts';
import type { ApiObject } from './wire.ts';

/** Which attempts of a run have been begun, and when: by `task.number`, RFC 3339. On the payload, before their pods are made. */
export type AttemptMarks = Readonly<Record<string, string>>;

export const MARKS_ANNOTATION = 'runledger.dev/attempts';

/** Which attempt of a run. */
export interface AttemptName {
  readonly task: string;
  /** Counts from 1. */
  readonly number: number;
}

export const attemptName = ({ task, number }: AttemptName): string => `${task}.${number}`;

export function attemptOf(name: string): AttemptName {
  const dot = name.lastIndexOf('.');
  return { task: name.slice(0, dot), number: Number(name.slice(dot + 1)) };
}

/** The annotation that says that these attempts are begun now, besides those that were. */
export function marksWith(marks: AttemptMarks, attempts: readonly AttemptName[], now: string): AttemptMarks {
  return { ...marks, ...Object.fromEntries(attempts.map((attempt) => [attemptName(attempt), now])) };
}

export const marksAnnotation = (marks: AttemptMarks): Record<string, string> => ({
  [MARKS_ANNOTATION]: JSON.stringify(marks),
});

/** The marks on a payload; none on one that somebody has changed. */
export function marksOn({ metadata }: ApiObject): AttemptMarks {
  try {
    const marks: unknown = JSON.parse(metadata?.annotations?.[MARKS_ANNOTATION] ?? '{}');
    return typeof marks === 'object' && marks !== null ? (marks as AttemptMarks) : {};
  } catch {
    return {};
  }
}

/** The task of a run by its name; of a run of which little is known, one with nothing of its own. */
export function taskNamed({ spec }: RunRecord, name: string): RunTask {
  const plain = { slots: 1, env: {}, matrix: {}, variables: {}, params: {} };
  return tasksOf(spec).find((task) => task.name === name) ?? { ...plain, name };
}
