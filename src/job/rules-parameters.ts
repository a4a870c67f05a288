import type { Job } from '../schemas/index.ts';
import { expandMatrix } from './matrix.ts';
import { matchesPattern, PATTERN_LIMITS, patternTrouble } from './pattern.ts';
import type { FieldPath } from './positions.ts';
import type { Report, Rule } from './rule.ts';
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
    checkEnum(parameter, path, report);
    const refusal = valueTrouble(parameter, parameter.default ?? '');
    if (refusal === undefined) continue;
    if (parameter.default !== undefined) report([...path, 'default'], `${quote(parameter.default)} ${refusal}`);
    else if (startsByItself(spec) && !isSetByMatrix(spec, name))
      report(path, 'has no default, and a run that starts by itself needs one', 'key');
  }
};

function checkEnum(parameter: Parameter, path: FieldPath, report: Report): void {
  for (const [index, value] of (parameter.enum ?? []).entries()) {
    const trouble = textTrouble(value);
    if (trouble !== undefined) report([...path, 'enum', index], `${quote(value)} ${trouble}`);
  }
}

/** Whether every task of the job gets a parameter's value from the matrix, so that none has to be given. */
export function isSetByMatrix({ matrix }: Job['spec'], name: string): boolean {
  if (matrix === undefined) return false;
  const { combinations } = expandMatrix(matrix);
  return combinations.length > 0 && combinations.every(({ values }) => Object.hasOwn(values, name));
}

/** Of values that a run had, those that a job (by now) takes. */
export function stillTaken(
  spec: Job['spec'],
  params: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const isTaken = (name: string): boolean => Object.hasOwn(spec.parameters ?? {}, name) && !isSetByMatrix(spec, name);
  return Object.fromEntries(Object.entries(params).filter(([name]) => isTaken(name)));
}

function startsByItself({ on }: Job['spec']): boolean {
  if (on === undefined) return true;
  return [on.commit, on.schedule, on.pullRequest].some((trigger) => trigger !== undefined && trigger !== false);
}

/**
 * Why a parameter may not have a value, as the end of a sentence about the value; undefined when it may. The pattern has to be
 * one without trouble.
 */
export function valueTrouble(parameter: Parameter, value: string): string | undefined {
  const trouble = textTrouble(value);
  if (trouble !== undefined) return trouble;
  const said = parameter.message === undefined ? '' : `: ${parameter.message}`;
  if (parameter.enum && !parameter.enum.includes(value))
    return `is not one of ${listOf(parameter.enum, 'and')}${said || didYouMean(value, parameter.enum)}`;
  if (parameter.pattern === undefined) return undefined;
  if (value.length > PATTERN_LIMITS.valueLength) return `has more than ${PATTERN_LIMITS.valueLength} characters`;
  const matches = matchesPattern(parameter.pattern, value);
  if (matches === 'slow') return 'takes too long to compare with the pattern; simplify the pattern';
  return matches ? undefined : `does not match ${parameter.pattern}${said}`;
}

/** Like valueTrouble, also where the pattern may be one with trouble: that is said at the pattern. */
export function usableTrouble(parameter: Parameter, value: string): string | undefined {
  const { pattern } = parameter;
  return pattern !== undefined && patternTrouble(pattern) !== undefined ? undefined : valueTrouble(parameter, value);
}

/** Bytes of one value: all of them travel in the environment of every process of the run. */
export const LONGEST_PARAMETER = 4_096;

function textTrouble(value: string): string | undefined {
  if (value.includes('\0')) return 'holds a NUL character, which no process can be given';
  if (!value.isWellFormed()) return 'holds half of a surrogate pair, which is no character';
  const bytes = Buffer.byteLength(value);
  return bytes > LONGEST_PARAMETER ? `has ${bytes} bytes; a parameter may have ${LONGEST_PARAMETER}` : undefined;
}
