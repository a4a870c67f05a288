import { templateField } from '../job/template.ts';
import type { Job } from '../schemas/index.ts';
import type { FieldPath } from '../job/positions.ts';
import type { Mapping } from './draft.ts';

const OPENING = '${{';

/** A text that runledger shall not fill anything into. */
export const literal = (text: string): string => text.replaceAll(OPENING, "${{ '${{' }}");

/**
 * A document in which every `${{` of the other system stays what it is: written as runledger writes the characters themselves, but for
 * scripts and what is never filled in, where validation refuses it.
 */
export function withLiterals(document: Mapping): Mapping {
  const job = document as unknown as Pick<Job, 'spec'>;
  const visit = (value: unknown, path: FieldPath): unknown => {
    if (typeof value === 'string') {
      if (!value.includes(OPENING)) return value;
      const field = templateField(job, path, value);
      return field === 'task' || field === 'run' ? literal(value) : value;
    }
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, visit(child, [...path, key])]));
  };
  return visit(document, []) as Mapping;
}
