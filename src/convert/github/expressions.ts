import { holdsTemplate, splitTemplate } from '../../job/template.ts';
import { shorten } from '../../job/words.ts';
import type { Fields } from '../reader.ts';
import { referenceOf, type Scope, secretOf, secretReference } from './scope.ts';

const noCounterpart = (expression: string): string =>
  `\${{ ${shorten(expression, 60)} }} has no counterpart; docs/expressions.md says what expressions see`;

/** A text with its expressions as ours. Reports those that have no counterpart; they stay out. */
export function textOf(text: string, fields: Fields, key: string, scope: Scope): string {
  if (!holdsTemplate(text)) return text;
  const parts = splitTemplate(text);
  if (parts === undefined) {
    fields.error(key, 'has ${{ without the }} that belongs to it');
    return '';
  }
  return parts
    .map((part) => {
      if (part.kind === 'text') return part.text;
      const quoted = /^'((?:[^']|'')*)'$/.exec(part.expression)?.[1];
      if (quoted !== undefined) return quoted.replaceAll("''", "'");
      if (part.expression === 'github.workflow') return scope.workflow;
      const cel = referenceOf(part.expression, scope)?.cel;
      if (cel !== undefined) return `\${{ ${cel} }}`;
      fields.loss(key, secretOf(part.expression) === undefined ? noCounterpart(part.expression) : SECRET_WITHIN);
      return '';
    })
    .join('');
}

const SECRET_WITHIN = 'a secret is the whole value of a variable, or none of it; build the text in a script';

/** The value of a variable: a text, or a secret. */
export function envValue(text: string, fields: Fields, key: string, scope: Scope): unknown {
  const parts = splitTemplate(text) ?? [];
  const [only] = parts;
  const secret = parts.length === 1 && only?.kind === 'expression' ? secretOf(only.expression) : undefined;
  return secret === undefined ? textOf(text, fields, key, scope) : secretReference(secret, scope);
}

/** Variables of a mapping `env`. */
export function envOf(fields: Fields | undefined, scope: Scope): Record<string, unknown> {
  const env = fields?.textMap('env') ?? {};
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, fields && envValue(value, fields, 'env', scope)]),
  );
}

/** A script, and what it needs in its environment. */
export interface Script {
  readonly text: string;
  readonly env: Readonly<Record<string, unknown>>;
}

/**
 * A script with variables where expressions were: GitHub puts values into the code, which is how code gets injected
 * (https://docs.github.com/actions/security-guides/security-hardening-for-github-actions). Reports what can't be read from a variable.
 */
export function scriptOf(step: Fields, isShell: boolean, scope: Scope): Script {
  const script = step.text('run') ?? '';
  const env: Record<string, unknown> = {};
  if (!holdsTemplate(script)) return { text: script, env };
  if (/<<-?\s*['"\\]/.test(script))
    step.loss('run', 'expressions in a script with a quoted here-document: no variable is filled in there');
  let before = '';
  for (const part of splitTemplate(script) ?? []) {
    if (part.kind === 'text') before += part.text;
    else {
      const secret = secretOf(part.expression);
      const variable = secret === undefined ? referenceOf(part.expression, scope)?.variable : `SECRET_${secret}`;
      if (secret !== undefined) env[`SECRET_${secret}`] = secretReference(secret, scope);
      if (variable === undefined) step.loss('run', noCounterpart(part.expression));
      else if (!isShell)
        step.loss('run', `\${{ ${part.expression} }} within code that is no shell's; read $${variable} there`);
      else if (isSingleQuoted(before))
        step.loss('run', `\${{ ${part.expression} }} within single quotes, where no variable is filled in`);
      // A shell that gets there ends with an error.
      before += variable === undefined ? '${TODO_CONVERT:?}' : `\${${variable}}`;
    }
  }
  return { text: before, env };
}

/** Whether the text ends within single quotes, as far as its last line tells. */
function isSingleQuoted(text: string): boolean {
  let quote = '';
  const line = text.slice(text.lastIndexOf('\n') + 1);
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at] ?? '';
    if (character === '\\' && quote !== "'") at += 1;
    else if (quote === '' && (character === "'" || character === '"')) quote = character;
    else if (character === quote) quote = '';
  }
  return quote === "'";
}

/** When a step runs, and under which condition. */
export interface Condition {
  readonly when: 'onSuccess' | 'always' | 'onFailure';
  readonly cel: string | undefined;
}

const TRIGGERS: Readonly<Record<string, string>> = {
  push: 'commit',
  schedule: 'schedule',
  workflow_dispatch: 'request',
  pull_request: 'pullRequest',
};

const EVENT = /github\.event_name\s*(==|!=)\s*'(\w+)'/g;
const TOKEN = /\s+|'(?:[^']|'')*'|"[^"]*"|[A-Za-z_][\w-]*(?:\.[\w-]+)*|\d+(?:\.\d+)?|&&|\|\||[=!<>]=|[!()<>]/y;

/** `if` of a job or a step. Reports what has no counterpart; there is no condition then. */
export function conditionOf(fields: Fields, scope: Scope): Condition {
  const written = (fields.text('if') ?? '')
    .trim()
    .replace(/^\$\{\{(.*)\}\}$/s, '$1')
    .trim();
  const [, status, rest = written] =
    /^(always|failure|success|!\s*cancelled)\(\)(?:\s*&&\s*(.*))?$/s.exec(written) ?? [];
  const when =
    status === 'failure' ? 'onFailure' : status === 'always' || status?.startsWith('!') ? 'always' : 'onSuccess';
  const condition = status !== undefined && rest === written ? '' : rest;
  if (condition === '') return { when, cel: undefined };
  const cel = celOf(condition, scope);
  if (cel === undefined) fields.loss('if', `the condition has no counterpart: ${shorten(condition, 80)}`);
  return { when, cel };
}

function celOf(condition: string, scope: Scope): string | undefined {
  const text = condition.replaceAll(EVENT, (whole, operator: string, event: string) =>
    TRIGGERS[event] === undefined || scope.hasNeeds ? whole : `trigger.kind ${operator} '${TRIGGERS[event]}'`,
  );
  let cel = '';
  let at = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) return undefined;
    const isName = /^[A-Za-z_]/.test(token) && token !== 'true' && token !== 'false' && token !== 'trigger.kind';
    const name = isName ? referenceOf(token, scope)?.cel : token;
    if (name === undefined) return undefined;
    cel += token.startsWith("'") ? JSON.stringify(token.slice(1, -1).replaceAll("''", "'")) : name;
    at += token.length;
  }
  return cel;
}
