import type { FieldPath } from '../job/positions.ts';
import { didYouMean, listOf } from '../job/words.ts';

/** What has been read of a document, by path. */
export interface Marks {
  /** Read with all that is in it. */
  readonly taken: Set<string>;
  /** Looked into: what is in it counts by itself. */
  readonly opened: Set<string>;
  /** The names that were asked for, of each mapping. */
  readonly asked: Map<string, Set<string>>;
}

export const keyOf = (path: FieldPath): string => JSON.stringify(path);

/** Reports what nobody has asked for, at the uppermost field of it. */
export function visitUnread(
  value: unknown,
  path: FieldPath,
  marks: Marks,
  report: (severity: 'loss', path: FieldPath, message: string) => void,
): void {
  const key = keyOf(path);
  if (marks.taken.has(key)) return;
  if (!marks.opened.has(key)) {
    const asked = [...(marks.asked.get(keyOf(path.slice(0, -1))) ?? [])];
    return report('loss', path, unreadMessage(String(path.at(-1)), asked));
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, child] of Object.entries(value))
    visitUnread(child, [...path, Array.isArray(value) ? Number(name) : name], marks, report);
}

function unreadMessage(name: string, asked: readonly string[]): string {
  const known = asked.length > 0 ? `; known here: ${listOf(asked.slice(0, 12), 'and')}` : '';
  return `a field that is not known, so it can't be carried over${didYouMean(name, asked) || known}`;
}
