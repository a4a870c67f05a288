import { distance } from 'fastest-levenshtein';
import { suggestDuration } from './duration.ts';

/** No message of a manifest's problem is longer than this, in characters. */
export const MESSAGE_LIMIT = 200;

const VALUE_LIMIT = 60;

/** Cuts a text that is too long and says so with an ellipsis; what is left stays whole characters. */
export function shorten(text: string, limit: number = MESSAGE_LIMIT): string {
  if (text.length <= limit) return text;
  const cut = text.slice(0, limit - 1);
  return `${cut.isWellFormed() ? cut : cut.slice(0, -1)}…`;
}

/** A scalar as a message quotes it. */
export function quote(value: unknown): string {
  if (typeof value !== 'string') return shorten(String(value), VALUE_LIMIT);
  return JSON.stringify(shorten(value, VALUE_LIMIT));
}

export type JsonType = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

export function jsonType(value: unknown): JsonType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  if (typeof value === 'string' || typeof value === 'boolean') return typeof value as 'string' | 'boolean';
  return 'object';
}

const TYPE_WORDS: Readonly<Record<JsonType, string>> = {
  null: 'nothing',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  string: 'a string',
  array: 'a list',
  object: 'a mapping',
};

const typeWord = (type: string): string => TYPE_WORDS[type as JsonType] ?? type;

/**
 * Says what a value is, what it should be, and how to write it where that can be told. `expected` are types of JSON Schema,
 * or the very words that are allowed; `definition` names what the schema expects (`duration`); `pattern` is what a string has
 * to look like there.
 */
export function wrongType(value: unknown, expected: readonly string[], definition?: string, pattern?: string): string {
  const actual = jsonType(value);
  const wanted = definition === 'duration' ? 'a duration' : listOf(expected.map(typeWord), 'or');
  if (actual === 'null') return `is empty; write ${wanted}`;
  if (actual === 'array' || actual === 'object') return `is ${typeWord(actual)}; write ${wanted}`;
  const is = actual === 'boolean' ? 'a boolean' : actual === 'integer' ? 'a number' : typeWord(actual);
  const fix =
    definition === 'duration' ? { text: suggestDuration(value), as: wanted } : rewritten(value, expected, pattern);
  return `${quote(value)} is ${is}, not ${fix?.as ?? wanted}${fix?.text === undefined ? '' : `; write ${fix.text}`}`;
}

interface Fix {
  readonly text: string | undefined;
  /** What it then is, in words. */
  readonly as: string;
}

/** The same value as another type. */
function rewritten(value: unknown, expected: readonly string[], pattern: string | undefined): Fix | undefined {
  if (typeof value !== 'string') {
    // YAML takes the leading zeros of a number away; file modes have one.
    const texts = [String(value), `0${String(value)}`];
    const text = texts.find((candidate) => pattern === undefined || new RegExp(pattern, 'u').test(candidate));
    if (expected.includes('string')) return { text: text && JSON.stringify(text), as: typeWord('string') };
    return expected.includes('array') ? { text: `[${String(value)}]`, as: typeWord('array') } : undefined;
  }
  if (expected.includes('boolean')) {
    if (/^(yes|on|true|y)$/i.test(value)) return { text: 'true', as: typeWord('boolean') };
    if (/^(no|off|false|n)$/i.test(value)) return { text: 'false', as: typeWord('boolean') };
  }
  if (expected.includes('integer') && /^\d{1,15}$/.test(value))
    return { text: String(Number(value)), as: typeWord('integer') };
  if (expected.includes('array') && value.length <= VALUE_LIMIT)
    return { text: JSON.stringify([value]), as: typeWord('array') };
  return undefined;
}

/** `a, b or c`. */
export function listOf(words: readonly string[], conjunction: 'and' | 'or'): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} ${conjunction} ${last}`;
}

/** The candidate that was probably meant; undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 100) return undefined;
  const lower = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 0.5;
  for (const candidate of candidates) {
    const between = slips(lower, candidate.toLowerCase());
    if (between < bestDistance) [best, bestDistance] = [candidate, between];
  }
  return best;
}

const sortedLetters = (word: string): string => word.split('').sort().join('');

/** How many slips of the fingers lie between two words; letters that changed places are one. */
function slips(a: string, b: string): number {
  const edits = distance(a, b);
  return edits === 2 && a.length === b.length && sortedLetters(a) === sortedLetters(b) ? 1 : edits;
}

/** `; did you mean "image"?`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const meant = nearest(word, candidates);
  return meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`;
}

/** A value of the wanted form that is near the one that was written, by the schema definition that refused it. */
export function suggestValue(definition: string | undefined, value: string): string | undefined {
  if (value.length > 100) return undefined;
  switch (definition ?? '') {
    case 'duration':
      return suggestDuration(value);
    case 'jobName':
    case 'dnsLabel':
      return slug(value);
    case 'parameterName':
      return identifier(value.toUpperCase());
    case 'envName':
    case 'matrixKey':
      return identifier(value);
    case 'byteSize':
    case 'quantity':
      return suggestSize(value);
    default:
      return undefined;
  }
}

function slug(value: string): string | undefined {
  const text = value
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return text === '' ? undefined : text;
}

function identifier(value: string): string | undefined {
  const text = value.trim().replace(/[^A-Za-z0-9_]+/g, '_');
  return /^[A-Za-z_][A-Za-z0-9_]*[A-Za-z0-9][A-Za-z0-9_]*$/.test(text) ? text : undefined;
}

function suggestSize(value: string): string | undefined {
  const match = /^\s*(\d{1,12}(?:\.\d{1,3})?)\s*([kmgt])(i?)b?\s*$/i.exec(value);
  if (!match) return undefined;
  const [, digits = '', letter = '', binary = ''] = match;
  const upper = letter.toUpperCase();
  if (binary !== '') return `${digits}${upper}i`;
  return `${digits}${upper === 'K' ? 'k' : upper}`;
}
