import type { Job, Step } from '../schemas/index.ts';
import type { Finding } from './explain.ts';
import type { FieldPath, Place } from './positions.ts';

/** Looks at one concern of a Job that conforms to its schema. */
export type Rule = (job: Job, manifestPath: string) => Iterable<Finding>;

export function finding(path: FieldPath, message: string, place: Place = 'value'): Finding {
  return { path, place, message };
}

/** Every step with its path, those of `finally` included. */
export function* stepsOf({
  steps = [],
  finally: last = [],
}: Job['spec']): Iterable<{ readonly step: Step; readonly path: FieldPath }> {
  for (const [index, step] of steps.entries()) yield { step, path: ['spec', 'steps', index] };
  for (const [index, step] of last.entries()) yield { step, path: ['spec', 'finally', index] };
}
