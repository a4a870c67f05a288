import { createContext, Script } from 'node:vm';

/** Bounds on the regular expressions that manifests bring, since one of them can take longer than the universe has lasted. */
export const PATTERN_LIMITS = { patternLength: 200, valueLength: 1_000, budgetMs: 250 } as const;

/** What is wrong with a pattern as such, as the end of a sentence; undefined when it can be used. */
export function patternTrouble(pattern: string): string | undefined {
  if (pattern.length > PATTERN_LIMITS.patternLength)
    return `has ${pattern.length} characters; at most ${PATTERN_LIMITS.patternLength} are allowed`;
  try {
    void new RegExp(pattern, 'u');
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
  const expression = new RegExp(pattern, 'u');
  // Without a group and with one repetition at most it can't take long, and a time limit costs more than the test.
  if (!pattern.includes('(') && (pattern.match(/[*+{]/g)?.length ?? 0) <= 1) return expression.test(value);
  try {
    const result: unknown = TEST.runInContext(createContext({ expression, value }), {
      timeout: PATTERN_LIMITS.budgetMs,
    });
    return result === true;
  } catch {
    return 'slow';
  }
}

/** The one way to stop a regular expression: V8 ends it with the script that runs it. */
const TEST = new Script('expression.test(value)');
