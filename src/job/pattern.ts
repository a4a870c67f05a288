import { withTimeLimit } from './time-limit.ts';

/** Bounds on the regular expressions that manifests bring, since one of them can take longer than the universe has lasted. */
export const PATTERN_LIMITS = { patternLength: 200, valueLength: 1_000, budgetMs: 250 } as const;

/** What is wrong with a pattern as such, as the end of a sentence; undefined when it can be used. */
export function patternTrouble(pattern: string): string | undefined {
  if (pattern.length > PATTERN_LIMITS.patternLength)
    return `has ${pattern.length} characters; at most ${PATTERN_LIMITS.patternLength} are allowed`;
  try {
    void compiled(pattern);
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split(': ').at(-1) ?? '') : '';
    return `is not a regular expression: ${reason.toLowerCase()}`;
  }
}

/**
 * Whether the pattern is found in the value; it covers all of it only with ^ and $. `slow` when that can't be told within
 * the budget, or the value is too long to try. The pattern has to be one without trouble.
 */
export function matchesPattern(pattern: string, value: string): boolean | 'slow' {
  if (value.length > PATTERN_LIMITS.valueLength) return 'slow';
  const expression = compiled(pattern);
  if (isQuick(pattern, value)) return expression.test(value);
  try {
    return withTimeLimit(PATTERN_LIMITS.budgetMs, () => expression.test(value));
  } catch {
    return 'slow';
  }
}

/** Jobs share their few patterns; compiling one takes longer than everything else that is done with a parameter. */
const REMEMBERED = 200;
const remembered = new Map<string, RegExp>();

/** Throws a SyntaxError where the pattern is none. */
function compiled(pattern: string): RegExp {
  const known = remembered.get(pattern);
  if (known) return known;
  const expression = new RegExp(pattern, 'u');
  if (remembered.size >= REMEMBERED) remembered.clear();
  remembered.set(pattern, expression);
  return expression;
}

/**
 * Whether a match can't take long, so that the time limit, which costs more than the test, can be left away: no group is
 * repeated, and the ways that repetitions and alternatives open multiply to less than a million.
 */
function isQuick(pattern: string, value: string): boolean {
  if (/\)[*+?{]/.test(pattern)) return false;
  const repetitions = pattern.match(/[*+?{]/g)?.length ?? 0;
  const alternatives = pattern.match(/\|/g)?.length ?? 0;
  return (value.length + 2) ** repetitions * 2 ** alternatives <= 1_000_000;
}
