import type { Job, Step } from '../schemas/index.ts';
import type { Finding } from './explain.ts';
import type { FieldPath, Place } from './positions.ts';

/** A Job that conforms to its schema, as rules see it. */
export interface Judged {
  readonly job: Job;
  /** The Job as JSON: what is not in this text is nowhere in the Job. */
  readonly text: string;
  /** Where the manifest lies in the repository. */
  readonly manifestPath: string;
}

/** Told of each thing that is wrong. */
export type Report = (path: FieldPath, message: string, place?: Place) => void;

/** Looks at one concern of a Job. Nearly all Jobs are right: a rule makes nothing, paths least of all, before it has something to say. */
export type Rule = (judged: Judged, report: Report) => void;

/** What the rules find in a Job, in their order. */
export function findingsOf(rules: readonly Rule[], judged: Judged): readonly Finding[] {
  const findings: Finding[] = [];
  const report: Report = (path, message, place = 'value') => void findings.push({ path, place, message });
  for (const rule of rules) rule(judged, report);
  return findings;
}

/** Visits every step, those of `finally` included; `path` makes the step's own. */
export function eachStep(
  { steps, finally: last }: Job['spec'],
  visit: (step: Step, path: () => FieldPath) => void,
): void {
  steps?.forEach((step, index) => visit(step, () => ['spec', 'steps', index]));
  last?.forEach((step, index) => visit(step, () => ['spec', 'finally', index]));
}
