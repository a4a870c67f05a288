import type { Finding } from './explain.ts';
import type { FieldPath } from './positions.ts';

/** A field whose machinery this version does not have. `*` stands for every entry of a list or mapping. */
interface Unsupported {
  readonly path: readonly ['spec', string, ...string[]];
  /** Which values of it need the machinery. */
  readonly refuses: (value: unknown) => boolean;
}

/**
 * What a Job may say in this format and this version can't do yet. Such a job is refused and never run without it; a value
 * equal to the default is fine. A line comes with its field and goes with its machinery; there is none now.
 */
const UNSUPPORTED: readonly Unsupported[] = [];

export const NOT_SUPPORTED = 'is not supported by this version yet';

/** The fields of a document of kind Job, well-formed or not, that this version can't honour. */
export function unsupportedFields(job: unknown): readonly Finding[] {
  const spec = isObject(job) ? job['spec'] : undefined;
  if (!isObject(spec)) return [];
  const findings: Finding[] = [];
  for (const { path, refuses } of UNSUPPORTED) {
    // All of them are fields of the spec, and nearly no job has any.
    if (!Object.hasOwn(spec, path[1])) continue;
    for (const { path: field, value } of fieldsAt(job, path, []))
      if (refuses(value)) findings.push({ path: field, place: 'key', message: shown(value) });
  }
  return findings;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

function shown(value: unknown): string {
  const scalar = typeof value === 'string' || typeof value === 'number';
  return scalar ? `${JSON.stringify(value).slice(0, 60)} ${NOT_SUPPORTED}` : NOT_SUPPORTED;
}

interface Field {
  readonly path: FieldPath;
  readonly value: unknown;
}

function fieldsAt(value: unknown, pattern: readonly string[], path: FieldPath): readonly Field[] {
  const part = pattern[path.length];
  if (part === undefined) return [{ path, value }];
  if (typeof value !== 'object' || value === null) return [];
  if (part !== '*') {
    const child = Object.hasOwn(value, part) ? (value as Record<string, unknown>)[part] : undefined;
    return child === undefined ? [] : fieldsAt(child, pattern, [...path, part]);
  }
  return Object.entries(value).flatMap(([key, child]) =>
    fieldsAt(child, pattern, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}
