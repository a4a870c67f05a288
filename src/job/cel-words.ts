import { quote } from './words.ts';

/** The tokens of the library's messages, as they are written. */
const TOKENS: Readonly<Record<string, string>> = {
  EOF: 'the end',
  RPAREN: '")"',
  LPAREN: '"("',
  RBRACKET: '"]"',
  LBRACKET: '"["',
  RBRACE: '"}"',
  LBRACE: '"{"',
  DOT: '"."',
  COMMA: '","',
  COLON: '":"',
  QUESTION: '"?"',
  IDENTIFIER: 'a name',
  NUMBER: 'a number',
  STRING: 'a text',
  BYTES: 'bytes',
  BOOLEAN: 'true or false',
  NULL: 'null',
  IN: '"in"',
  EQ: '"=="',
  NE: '"!="',
  LT: '"<"',
  LE: '"<="',
  GT: '">"',
  GE: '">="',
  AND: '"&&"',
  OR: '"||"',
  NOT: '"!"',
  PLUS: '"+"',
  MINUS: '"-"',
  MULTIPLY: '"*"',
  DIVIDE: '"/"',
  MODULO: '"%"',
};

const token = (name = ''): string => TOKENS[name] ?? name;

interface CelError {
  readonly code: string;
  readonly summary: string;
  readonly range?: { readonly start: number };
  readonly node?: { readonly args?: unknown };
}

function isCelError(error: unknown): error is CelError & Error {
  return error instanceof Error && 'code' in error && 'summary' in error && typeof error.summary === 'string';
}

/** What the library has against an expression, as a sentence about it; whatever is thrown. */
export function celTrouble(error: unknown, text: string): string {
  if (!isCelError(error)) return error instanceof Error ? lower(error.message) : 'can not be evaluated';
  const at = error.range === undefined ? '' : ` at character ${error.range.start + 1}`;
  const { code, summary } = error;
  switch (code) {
    case 'unexpected_token':
      return unexpected(token(/^Unexpected token: (\w+)/.exec(summary)?.[1]), at);
    case 'expected_token': {
      const [, wanted, found] = /^Expected (\w+), got (\w+)/.exec(summary) ?? [];
      return `${token(wanted)} is missing${found === 'EOF' ? ' at the end' : `${at}, before ${token(found)}`}`;
    }
    case 'unexpected_character':
      return unexpectedCharacter(text[error.range?.start ?? 0] ?? '', at);
    case 'no_such_overload':
      return overload(summary);
    case 'no_such_key':
      return missingKey(error, text) ?? lower(summary);
    case 'no_matching_overload':
      return `${/'(.*)'/.exec(summary)?.[1] ?? 'this call'} is not possible`;
    case 'invalid_condition_type':
      return `a condition has to be true or false, not ${/'(.*)'/.exec(summary)?.[1] ?? 'this'}`;
    case 'invalid_logical_operand':
      return `&& and || need true or false on both sides, not ${/'(.*)'/.exec(summary)?.[1] ?? 'this'}`;
    case 'cannot_index_type':
      return `${/'(.*)'/.exec(summary)?.[1] ?? 'this'} has no fields`;
    case 'reserved_identifier':
      return `${quote(summary.split(': ').at(-1))}${at} can't be a name`;
    case 'invalid_macro_argument':
      return summary.startsWith('has()')
        ? 'has() takes names with dots alone; ask whether "name" in the mapping instead'
        : lower(summary);
    case 'limit_exceeded':
      return /maxListElements|maxMapEntries/.test(summary)
        ? 'has a list or mapping with more than 100 entries'
        : 'is too large; make it simpler, or several jobs or steps';
    default:
      return lower(summary.replaceAll("'", '"'));
  }
}

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

const unexpected = (found: string, at: string): string =>
  found === 'the end' ? 'ends in the middle' : `${found}${at} does not belong there`;

function unexpectedCharacter(found: string, at: string): string {
  const instead = { '=': '; compare with ==', '&': '; write &&', '|': '; write ||' }[found] ?? '';
  return `${quote(found)}${at} does not belong there${instead}`;
}

/** `no such overload: string == int` */
function overload(summary: string): string {
  const what = summary.replace(/^no such overload: /, '').replaceAll('$matrix', 'matrix');
  if (what.endsWith(' in matrix')) return 'the matrix is no list; write has(matrix.key)';
  const isBinary = / \S+ /.test(what);
  return `${what} is not possible${isBinary ? '; make both sides the same with int() or string()' : ''}`;
}

/** The mapping that lacks a key, by its text. */
function missingKey({ node, summary }: CelError, text: string): string | undefined {
  const [of] = Array.isArray(node?.args) ? (node.args as unknown[]) : [];
  const key = /^No such key: (.*)$/s.exec(summary)?.[1];
  if (key === undefined || typeof of !== 'object' || of === null || !('start' in of) || !('end' in of))
    return undefined;
  return `${text.slice(Number(of.start), Number(of.end))} has no ${quote(key)}`;
}
