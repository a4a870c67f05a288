import type { Matrix, MatrixValue } from '../schemas/index.ts';
import type { Finding } from './explain.ts';
import type { FieldPath } from './positions.ts';
import { didYouMean, listOf, quote } from './words.ts';

export const MATRIX_LIMITS = {
  /** Tasks of a run. */
  tasks: 256,
  /** Combinations before `exclude` takes some away. */
  combinations: 4_096,
  /** Entries of `include` and of `exclude`. */
  entries: 256,
} as const;

/** One combination of a matrix. */
export interface Combination {
  readonly values: Readonly<Record<string, MatrixValue>>;
  /** What brought it: the matrix, or an entry of `include`. */
  readonly path: FieldPath;
}

export interface MatrixExpansion {
  readonly combinations: readonly Combination[];
  /** Why the matrix can't be used; there are no combinations then. */
  readonly findings: readonly Finding[];
}

const MATRIX_PATH: FieldPath = ['spec', 'matrix'];

/** The keys of a matrix with their values. */
export function matrixAxes(matrix: Matrix): readonly (readonly [string, readonly MatrixValue[]])[] {
  return Object.entries(matrix).filter(
    ([key]) => key !== 'include' && key !== 'exclude',
  ) as unknown as readonly (readonly [string, readonly MatrixValue[]])[];
}

/**
 * The combinations of a matrix, as GitHub's workflows count them: the product of the keys, the first key changing slowest;
 * without those that have all the values of an entry of `exclude`; then each entry of `include` is added to all
 * combinations of the product whose values it leaves as they are, or becomes a combination of its own at the end
 * (https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations).
 */
export function expandMatrix(matrix: Matrix): MatrixExpansion {
  const axes = matrixAxes(matrix);
  const findings = [...sizeFindings(matrix, axes), ...entryFindings(matrix, axes)];
  if (findings.length > 0) return { combinations: [], findings };
  const names = new Set(axes.map(([key]) => key));
  const kept = productOf(axes).filter(
    (values) =>
      !(matrix.exclude ?? []).some((entry) => Object.entries(entry).every(([key, value]) => values[key] === value)),
  );
  const extended = kept.map((values) => ({ ...values }));
  const added: Combination[] = [];
  for (const [index, entry] of (matrix.include ?? []).entries()) {
    const shared = Object.keys(entry).filter((key) => names.has(key));
    let fits = false;
    for (const [at, values] of kept.entries()) {
      if (!shared.every((key) => values[key] === entry[key])) continue;
      fits = true;
      extended[at] = { ...extended[at], ...entry };
    }
    if (!fits) added.push({ values: entry, path: [...MATRIX_PATH, 'include', index] });
  }
  const combinations = [...extended.map((values): Combination => ({ values, path: MATRIX_PATH })), ...added];
  const trouble = countTrouble(combinations.length);
  return trouble === undefined
    ? { combinations, findings: [] }
    : { combinations: [], findings: [{ path: MATRIX_PATH, place: 'key', message: trouble }] };
}

function countTrouble(count: number): string | undefined {
  if (count === 0) return 'leaves no task: exclude takes every combination away';
  if (count > MATRIX_LIMITS.tasks) return `makes ${count} tasks; at most ${MATRIX_LIMITS.tasks} are allowed`;
  return undefined;
}

type Axes = ReturnType<typeof matrixAxes>;
type Values = Readonly<Record<string, MatrixValue>>;

function productOf(axes: Axes): readonly Values[] {
  if (axes.length === 0) return [];
  return axes.reduce<readonly Values[]>(
    (combinations, [key, values]) =>
      combinations.flatMap((combination) => values.map((value) => ({ ...combination, [key]: value }))),
    [{}],
  );
}

function sizeFindings(matrix: Matrix, axes: Axes): readonly Finding[] {
  const findings: Finding[] = [];
  for (const field of ['include', 'exclude'] as const) {
    const count = matrix[field]?.length ?? 0;
    if (count > MATRIX_LIMITS.entries)
      findings.push({
        path: [...MATRIX_PATH, field],
        place: 'key',
        message: `has ${count} entries; at most ${MATRIX_LIMITS.entries} are allowed`,
      });
  }
  const product = axes.reduce((count, [, values]) => count * values.length, 1);
  if (product > MATRIX_LIMITS.combinations)
    findings.push({
      path: MATRIX_PATH,
      place: 'key',
      message: `makes ${product} combinations; at most ${MATRIX_LIMITS.combinations} are allowed, and ${MATRIX_LIMITS.tasks} after exclude`,
    });
  return findings;
}

/** Entries of `exclude` that can't be meant as they are: they would silently take nothing away, or everything. */
function entryFindings(matrix: Matrix, axes: Axes): readonly Finding[] {
  const findings: Finding[] = [];
  const add = (path: FieldPath, place: Finding['place'], message: string): void =>
    void findings.push({ path: [...MATRIX_PATH, ...path], place, message });
  const known = new Map(axes);
  for (const [key, values] of axes) {
    const seen = new Set<MatrixValue>();
    for (const [index, value] of values.entries()) {
      if (seen.has(value)) add([key, index], 'value', `${quote(value)} is in the list twice`);
      seen.add(value);
    }
  }
  for (const [index, entry] of (matrix.include ?? []).entries())
    if (Object.keys(entry).length === 0) add(['include', index], 'value', 'has no keys');
  for (const [index, entry] of (matrix.exclude ?? []).entries()) {
    const path = ['exclude', index];
    if (Object.keys(entry).length === 0) add(path, 'value', 'has no keys; it would take every combination away');
    for (const [key, value] of Object.entries(entry)) {
      const values = known.get(key);
      if (values === undefined) {
        const meant = didYouMean(key, known.keys()) || keysHint([...known.keys()]);
        add([...path, key], 'key', `the matrix has no key ${quote(key)}${meant}`);
      } else if (!values.includes(value)) {
        const same = values.find((other) => String(other) === String(value));
        add(
          [...path, key],
          'value',
          `${quote(value)} is not among the values of ${key}${same === undefined ? '' : `; write ${quote(same)}`}`,
        );
      }
    }
  }
  return findings;
}

const keysHint = (keys: readonly string[]): string => (keys.length === 0 ? '' : `; it has ${listOf(keys, 'and')}`);
