import { type Draft, nonEmpty } from '../draft.ts';
import type { Fields } from '../reader.ts';
import type { Surroundings } from '../system.ts';

/** `strategy` of a job; fills `keys` with what the keys of the matrix are called here. */
export function convertStrategy(
  strategy: Fields | undefined,
  draft: Draft,
  keys: Map<string, string>,
  { written }: Surroundings,
): void {
  if (strategy === undefined) return;
  const failFast = strategy.flag('fail-fast') ?? true;
  const maxParallel = strategy.integer('max-parallel');
  if (maxParallel !== undefined) draft.spec['maxParallel'] = maxParallel;
  if (strategy.type('matrix') === 'string')
    return strategy.error('matrix', 'a matrix that is computed has no counterpart; write its values');
  const matrix = strategy.fields('matrix');
  if (matrix === undefined) return;
  if (failFast) draft.spec['abort'] = 'onFailure';
  const nameOf = (key: string): string => {
    const name = key.replaceAll(/\W/g, '_');
    if (name !== key && !keys.has(key)) draft.note(['spec', 'matrix'], `${key} is called ${name} here`);
    keys.set(key, name);
    return name;
  };
  const made: Record<string, unknown> = {};
  for (const key of matrix.keys) {
    if (matrix.type(key) !== 'array')
      matrix.error(key, 'values of a matrix that are computed have no counterpart; write a list');
    else if (key === 'include' || key === 'exclude')
      made[key] = matrix.items(key).map((entry) => entryOf(entry, nameOf));
    else made[nameOf(key)] = valuesOf(matrix, key, draft, written);
  }
  draft.spec['matrix'] = nonEmpty(made);
}

const isScalar = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);

function valuesOf(matrix: Fields, key: string, draft: Draft, written: Surroundings['written']): unknown {
  const values = matrix.take(key) as readonly unknown[];
  for (const [index, value] of values.entries()) {
    if (!isScalar(value)) matrix.error(key, 'values of a matrix are texts, numbers, true or false here');
    const text = written([...matrix.path, key, index]);
    if (typeof value === 'number' && text !== undefined && text !== String(value))
      draft.todo(
        ['spec', 'matrix', key.replaceAll(/\W/g, '_')],
        `${text} is the number ${value}; quote it if it is meant as written`,
      );
  }
  return values;
}

function entryOf(entry: Fields, nameOf: (key: string) => string): unknown {
  return Object.fromEntries(
    entry.keys.map((key) => {
      const value = entry.take(key);
      if (!isScalar(value)) entry.error(key, 'values of a matrix are texts, numbers, true or false here');
      return [nameOf(key), value];
    }),
  );
}
