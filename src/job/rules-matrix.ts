import type { Job, Matrix, MatrixValue } from '../schemas/index.ts';
import type { Finding } from './explain.ts';
import { matrixVariable, nameFindings } from './fan-out.ts';
import { expandMatrix, matrixAxes } from './matrix.ts';
import type { FieldPath } from './positions.ts';
import type { Report, Rule } from './rule.ts';
import { usableTrouble } from './rules-parameters.ts';
import { quote } from './words.ts';

/** Tasks have names of their own. */
export const tasksRule: Rule = ({ job: { spec } }, report) => {
  if (!spec.tasks) return;
  const names = new Set<string>();
  for (const [index, task] of spec.tasks.entries()) {
    const [name, path] =
      typeof task === 'string' ? [task, ['spec', 'tasks', index]] : [task.name, ['spec', 'tasks', index, 'name']];
    if (names.has(name)) report(path, `${quote(name)} is the name of another task already`);
    names.add(name);
  }
};

/** A matrix can be expanded, each combination can be a task, and what it sets can be a variable and a parameter. */
export const matrixRule: Rule = ({ job: { spec } }, report) => {
  const { matrix } = spec;
  if (!matrix) return;
  const { combinations, findings } = expandMatrix(matrix);
  for (const { path, message, place } of [...findings, ...nameFindings(combinations)]) report(path, message, place);
  checkVariables(matrix, report);
  for (const [key, value, path] of writtenValues(matrix)) {
    const trouble = textTrouble(value) ?? parameterTrouble(spec, key, value);
    if (trouble !== undefined) report(path, `${quote(value)} ${trouble}`);
  }
};

/** Each value that a combination may get, with its key and place. */
function* writtenValues(matrix: Matrix): Generator<readonly [string, MatrixValue, FieldPath]> {
  for (const [key, values] of matrixAxes(matrix))
    for (const [index, value] of values.entries()) yield [key, value, ['spec', 'matrix', key, index]];
  for (const [index, entry] of (matrix.include ?? []).entries())
    for (const [key, value] of Object.entries(entry)) yield [key, value, ['spec', 'matrix', 'include', index, key]];
}

const LONGEST_VALUE = 200;

function textTrouble(value: MatrixValue): string | undefined {
  return typeof value === 'string' && value.length > LONGEST_VALUE
    ? `has ${value.length} characters; at most ${LONGEST_VALUE} are allowed`
    : undefined;
}

function parameterTrouble({ parameters }: Job['spec'], key: string, value: MatrixValue): string | undefined {
  if (!parameters || !Object.hasOwn(parameters, key)) return undefined;
  const parameter = parameters[key];
  const trouble = parameter && usableTrouble(parameter, String(value));
  return trouble === undefined ? undefined : `${trouble}, and ${key} is a parameter`;
}

/** Two keys may differ in what variables do not. */
function checkVariables(matrix: Matrix, report: Report): void {
  const taken = new Map<string, string>();
  const check = (key: string, path: FieldPath): void => {
    const variable = matrixVariable(key);
    const other = taken.get(variable);
    if (other !== undefined && other !== key)
      report(path, `${quote(key)} and ${quote(other)} would both be $${variable}; rename one`, 'key');
    taken.set(variable, other ?? key);
  };
  for (const [key] of matrixAxes(matrix)) check(key, ['spec', 'matrix', key]);
  for (const [index, entry] of (matrix.include ?? []).entries())
    for (const key of Object.keys(entry)) check(key, ['spec', 'matrix', 'include', index, key]);
}

/**
 * Values that are written as another text than they become: `3.10` is the number 3.1, `0x10` is 16. What a step would read is not
 * what the manifest says, so it has to. `matrix` may be no valid one; `written` gives scalars without quotes as they are written.
 */
export function misreadFindings(
  matrix: Readonly<Record<string, unknown>>,
  written: (path: FieldPath) => string | undefined,
): readonly Finding[] {
  const findings: Finding[] = [];
  const check = (value: unknown, path: FieldPath): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [key, child] of Object.entries(value))
        check(child, [...path, Array.isArray(value) ? Number(key) : key]);
    } else if (typeof value === 'number' || typeof value === 'boolean') {
      const text = written(path);
      const number = Number.isSafeInteger(value) || typeof value === 'boolean' ? ` or ${String(value)}` : '';
      const message = `${text} would become ${String(value)}; write ${quote(text)}${number}`;
      if (text !== undefined && text !== String(value)) findings.push({ path, place: 'value', message });
    }
  };
  check(matrix, ['spec', 'matrix']);
  return findings;
}
