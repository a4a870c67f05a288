import type { FieldPath } from './positions.ts';
import type { Report, Rule } from './rule.ts';

/** What holds for every string of a Job, wherever it stands: nothing that a process can't be given. */
export const stringsRule: Rule = ({ job, text }, report) => {
  // Nearly no manifest has any of it, and looking at the text is much quicker.
  if (isSuspect(text)) visit(job, [], report);
};

/** JSON writes a NUL as `\u0000` and half of a surrogate pair as `\ud800`: what has neither in its text holds neither. */
function isSuspect(text: string): boolean {
  return text.includes('\\u') || text.includes('"__proto__"');
}

function visit(value: unknown, path: FieldPath, report: Report): void {
  if (typeof value === 'string') {
    const message = stringTrouble(value, path);
    if (message !== undefined) report(path, message);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      const below = [...path, Array.isArray(value) ? Number(key) : key];
      if (key === '__proto__') report(below, 'this name is not allowed', 'key');
      else if (typeof child === 'string' || typeof child === 'object') visit(child, below, report);
    }
  }
}

function stringTrouble(value: string, path: FieldPath): string | undefined {
  if (!value.isWellFormed()) return 'holds half of a surrogate pair, which is no character';
  // A file may hold any text; arguments, variables and names end at a NUL.
  if (value.includes('\0') && path.at(-1) !== 'content') return 'holds a NUL character, which no process can be given';
  return undefined;
}
