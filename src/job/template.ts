import type { Job } from '../schemas/index.ts';
import type { FieldPath } from './positions.ts';

/** A part of a text: what stands as it is, or an expression whose value takes its place. */
export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  /** `source` is the template as written, with its braces. */
  | { readonly kind: 'expression'; readonly expression: string; readonly source: string };

const OPENING = '${{';

/** Whether a text, or the JSON of a whole document, holds a template at all. */
export function holdsTemplate(text: string): boolean {
  return text.includes(OPENING);
}

/**
 * The parts of a text. A template ends at the first `}}` outside of quotes and braces of its own. There is no escape: the text `${{`
 * itself is `${{ '${{' }}`. Undefined when one is not closed.
 */
export function splitTemplate(text: string): readonly TemplatePart[] | undefined {
  const parts: TemplatePart[] = [];
  let from = 0;
  for (let at = text.indexOf(OPENING); at >= 0; at = text.indexOf(OPENING, from)) {
    const end = closingOf(text, at + OPENING.length);
    if (end === undefined) return undefined;
    if (at > from) parts.push({ kind: 'text', text: text.slice(from, at) });
    const expression = text.slice(at + OPENING.length, end).trim();
    parts.push({ kind: 'expression', expression, source: text.slice(at, end + 2) });
    from = end + 2;
  }
  if (from < text.length) parts.push({ kind: 'text', text: text.slice(from) });
  return parts;
}

/** Where the `}}` of a template begins whose expression begins at `start`. */
function closingOf(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"' || character === "'") {
      const end = endOfQuoted(text, at, character);
      if (end === undefined) return undefined;
      at = end;
    } else if (character === '{') depth += 1;
    else if (character === '}' && depth > 0) depth -= 1;
    else if (character === '}') return text[at + 1] === '}' ? at : undefined;
  }
  return undefined;
}

/** The last character of a quoted text, with one quote or three, as CEL has them. */
function endOfQuoted(text: string, start: number, quote: string): number | undefined {
  const triple = text.startsWith(quote.repeat(3), start);
  for (let at = start + (triple ? 3 : 1); at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (triple ? text.startsWith(quote.repeat(3), at) : text[at] === quote) return triple ? at + 2 : at;
  }
  return undefined;
}

/**
 * What a template in a field is: filled in for each task, or once for the run; or not filled in, because the field is a text for
 * people (`prose`), a script (values go through the environment, never into code), an expression as it is, or has to be known before.
 */
export type TemplateField = 'task' | 'run' | 'prose' | 'script' | 'condition' | 'fixed';

/** What a field of a Job, with its text, is to templates. */
export function templateField(job: Pick<Job, 'spec'>, path: FieldPath, text: string): TemplateField {
  const [root, field, , below] = path;
  const isStep = field === 'steps' || field === 'finally';
  if (root !== 'spec') return 'fixed';
  if (field === 'description' || (field === 'parameters' && below === 'message')) return 'prose';
  if ((field === 'if' && path.length === 2) || (isStep && below === 'if')) return 'condition';
  if (field === 'run' || field === 'hooks' || (isStep && below === 'run')) return 'script';
  if (field === 'files' && below === 'content' && text.startsWith('#!')) return 'script';
  if (isShellCode(job, path)) return 'script';
  if (field === 'concurrency') return 'run';
  if (field === 'tasks') return below === 'env' ? 'task' : 'fixed';
  if (field === 'files') return below === 'from' ? 'fixed' : 'task';
  if (isStep) return below === 'shell' ? 'fixed' : 'task';
  return FIXED.has(String(field)) ? 'fixed' : 'task';
}

/** What is decided before a run has values. */
const FIXED: ReadonlySet<string> = new Set(['on', 'needs', 'runsOn', 'parameters', 'matrix']);

const SHELL = /(^|\/)(sh|bash|ash|dash|ksh|mksh|zsh|fish)$/;

/** Whether a word of `command` or `args` is what a shell gets with -c: `[sh, -ec, "the code"]`. */
function isShellCode(job: Pick<Job, 'spec'>, path: FieldPath): boolean {
  const index = path.at(-1);
  const list = path.at(-2);
  if (typeof index !== 'number' || (list !== 'command' && list !== 'args')) return false;
  const owner = valueAt(job, path.slice(0, -2));
  const command = wordsOf(owner, 'command');
  const words = [...command, ...wordsOf(owner, 'args')];
  const shell = words.findIndex((word) => SHELL.test(word));
  if (shell < 0) return false;
  const flag = words.findIndex((word, at) => at > shell && /^-[A-Za-z]*c$/.test(word));
  if (flag < 0) return false;
  const code = words.findIndex((word, at) => at > flag && !/^[-+]/.test(word));
  return code === (list === 'args' ? command.length + index : index);
}

function valueAt(value: unknown, path: FieldPath): unknown {
  let found = value;
  for (const part of path)
    found = typeof found === 'object' && found !== null ? (found as Record<string | number, unknown>)[part] : undefined;
  return found;
}

function wordsOf(owner: unknown, list: string): readonly string[] {
  const words: unknown = valueAt(owner, [list]);
  return Array.isArray(words) ? words.map(String) : [];
}

/** A text of a Job that holds templates. */
export interface TemplatedText {
  readonly path: FieldPath;
  /** Undefined: one of them is not closed. */
  readonly parts: readonly TemplatePart[] | undefined;
  readonly field: TemplateField;
  /** `key`: the name of a field; nothing is filled in there. */
  readonly place: 'key' | 'value';
}

/** All texts of a Job that hold templates, prose left out, in the order of the document. */
export function templatesIn(job: Pick<Job, 'spec'>): readonly TemplatedText[] {
  const found: TemplatedText[] = [];
  const visit = (value: unknown, path: FieldPath): void => {
    if (typeof value === 'string') {
      if (!holdsTemplate(value)) return;
      const field = templateField(job, path, value);
      if (field !== 'prose') found.push({ path, parts: splitTemplate(value), field, place: 'value' });
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, child] of Object.entries(value)) {
        const below = [...path, Array.isArray(value) ? Number(key) : key];
        if (holdsTemplate(key)) found.push({ path: below, parts: splitTemplate(key), field: 'fixed', place: 'key' });
        visit(child, below);
      }
    }
  };
  visit(job, []);
  return found;
}
