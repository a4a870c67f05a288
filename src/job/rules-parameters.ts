import type { Job } from '../schemas/index.ts';
import { matchesPattern, PATTERN_LIMITS, patternTrouble } from './pattern.ts';
import type { Rule } from './rule.ts';
import { didYouMean, listOf, quote } from './words.ts';

type Parameter = NonNullable<Job['spec']['parameters']>[string];

/** Patterns can be used, and a run that nobody gives values has values that are allowed. */
export const parametersRule: Rule = ({ job: { spec } }, report) => {
  if (!spec.parameters) return;
  for (const [name, parameter] of Object.entries(spec.parameters)) {
    const path = ['spec', 'parameters', name];
    const trouble = parameter.pattern === undefined ? undefined : patternTrouble(parameter.pattern);
    if (trouble !== undefined) {
      report([...path, 'pattern'], `${quote(parameter.pattern)} ${trouble}`);
      continue;
    }
    const refusal = valueTrouble(parameter, parameter.default ?? '');
    if (refusal === undefined) continue;
    if (parameter.default !== undefined) report([...path, 'default'], `${quote(parameter.default)} ${refusal}`);
    else if (startsByItself(spec)) report(path, 'has no default, and a run that starts by itself needs one', 'key');
  }
};

function startsByItself({ on }: Job['spec']): boolean {
  if (on === undefined) return true;
  return [on.commit, on.schedule, on.pullRequest].some((trigger) => trigger !== undefined && trigger !== false);
}

/**
 * Why a parameter may not have a value, as the end of a sentence about the value; undefined when it may. The pattern has to be
 * one without trouble.
 */
export function valueTrouble(parameter: Parameter, value: string): string | undefined {
  const said = parameter.message === undefined ? '' : `: ${parameter.message}`;
  if (parameter.enum && !parameter.enum.includes(value))
    return `is not one of ${listOf(parameter.enum, 'and')}${said || didYouMean(value, parameter.enum)}`;
  if (parameter.pattern === undefined) return undefined;
  if (value.length > PATTERN_LIMITS.valueLength) return `has more than ${PATTERN_LIMITS.valueLength} characters`;
  const matches = matchesPattern(parameter.pattern, value);
  if (matches === 'slow') return 'takes too long to compare with the pattern; simplify the pattern';
  return matches ? undefined : `does not match ${parameter.pattern}${said}`;
}
