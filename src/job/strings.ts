import type { FieldPath } from './positions.ts';
import type { Report, Rule } from './rule.ts';
import { NOT_SUPPORTED, TEMPLATES_SUPPORTED } from './support.ts';
import { quote } from './words.ts';

/** What holds for every string of a Job, wherever it stands: what a process can't be given, and `${{ }}`. */
export const stringsRule: Rule = ({ job, text }, report) => {
  // Nearly no manifest has any of it, and looking at the text is much quicker.
  if (isSuspect(text)) visit(job, [], report);
};

/** JSON writes a NUL as `\u0000` and half of a surrogate pair as `\ud800`: what has neither in its text holds neither. */
function isSuspect(text: string): boolean {
  return text.includes('${{') || text.includes('\\u') || text.includes('"__proto__"');
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
  const at = value.indexOf('${{');
  if (at < 0 || isProse(path)) return undefined;
  const expression = /^\$\{\{[^}]{0,80}\}\}/.exec(value.slice(at))?.[0] ?? '${{ }}';
  if (isScript(path))
    return `${quote(expression).slice(1, -1)} is not filled in within scripts; ${instead(expression)}`;
  if (!mayHoldExpressions(path)) return '${{ }} is not filled in here; write the value out';
  return TEMPLATES_SUPPORTED ? undefined : `\${{ }} ${NOT_SUPPORTED}`;
}

/** Texts for people, which are shown as they are. */
function isProse(path: FieldPath): boolean {
  return path[1] === 'description' || path[1] === 'annotations' || (path[1] === 'parameters' && path[3] === 'message');
}

function isScript(path: FieldPath): boolean {
  return path[0] === 'spec' && (path.at(-1) === 'run' || path[1] === 'hooks');
}

function mayHoldExpressions(path: FieldPath): boolean {
  return path[0] === 'spec' && !['on', 'needs', 'runsOn', 'parameters'].includes(String(path[1]));
}

/** The variables in which scripts find what expressions see. */
const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['job.name', 'RUNLEDGER_JOB'],
  ['run.number', 'RUNLEDGER_RUN'],
  ['run.revision', 'RUNLEDGER_REVISION'],
  ['trigger.kind', 'RUNLEDGER_TRIGGER'],
]);

function instead(expression: string): string {
  const name = expression.slice(3, -2).trim();
  const [, scope, key] = /^(params|matrix)\.(\w+)$/.exec(name) ?? [];
  const variable =
    scope === 'params'
      ? `RUNLEDGER_PARAM_${key}`
      : scope === 'matrix'
        ? `RUNLEDGER_MATRIX_${key?.toUpperCase()}`
        : VARIABLES.get(name);
  return variable === undefined ? 'set a variable in env and read that' : `write $${variable}`;
}
