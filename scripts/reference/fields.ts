import { branchesOf, entriesOf, hasFields, itemsOf, type Place, propertiesOf, resolve, type Schema } from './schema.ts';

/** One step of a field's path: a key, any entry of a list, or any key of a mapping. */
export type Part = string | typeof ITEM | typeof ANY;
export const ITEM = Symbol('[]');
export const ANY = Symbol('*');

export interface Field {
  readonly path: readonly Part[];
  /** The field as it stands in the schema, before references. */
  readonly place: Place;
  readonly required: boolean;
  /** The branch of a union that it belongs to, where there are several with fields. */
  readonly branch?: string;
  /** A value of each mapping and list on the way that has no more than it needs; for trying values of the field. */
  readonly around: readonly unknown[];
}

/** `spec.steps[].env.*` */
export const pathText = (path: readonly Part[]): string =>
  path.reduce<string>((text, part) => {
    if (part === ITEM) return `${text}[]`;
    const key = part === ANY ? '*' : part;
    return text === '' ? key : `${text}.${key}`;
  }, '');

interface Walk {
  readonly path: readonly Part[];
  readonly around: readonly unknown[];
  readonly branch?: string;
  /** What has a table of its own and is not gone into. */
  readonly shared: ReadonlySet<string>;
}

/** All fields below a schema with their paths, in the order of the schema. */
export function* fieldsOf(start: Place, shared: ReadonlySet<string>, walk?: Walk): Generator<Field> {
  const place = resolve(start);
  const at: Walk = walk ?? { path: [], around: [], shared };
  if (walk && shared.has(place.definition ?? '')) return;
  const { branch, path } = at;
  const around = [...at.around, leastOf(place.schema)];
  const field = (part: Part, below: Place, required: boolean): Field => ({
    path: [...path, part],
    place: below,
    required,
    around,
    ...(branch === undefined ? {} : { branch }),
  });
  const into = (part: Part): Walk => ({ path: [...path, part], around, shared });
  for (const [key, property] of propertiesOf(place)) {
    yield field(key, property, place.schema.required?.includes(key) ?? false);
    yield* fieldsOf(property, shared, into(key));
  }
  const entries = entriesOf(place);
  // Free keys beside named ones, or those of a table that is about nothing else.
  if (entries && (place.schema.properties || !walk)) yield field(ANY, entries, false);
  if (entries) yield* fieldsOf(entries, shared, into(ANY));
  const items = itemsOf(place);
  if (items) yield* fieldsOf(items, shared, into(ITEM));
  yield* fieldsOfBranches(place, at);
}

/** A value, or a list of the same: one set of fields. */
const coreOf = (branch: Place): string | undefined =>
  resolve(branch).definition ?? (branch.schema.items && resolve({ ...branch, schema: branch.schema.items }).definition);

function* fieldsOfBranches(place: Place, at: Walk): Generator<Field> {
  const withFields = branchesOf(place).filter(hasFields);
  const cores = withFields.map(coreOf);
  const distinct = withFields.filter((_, index) => cores.indexOf(cores[index]) === index);
  for (const branch of distinct) {
    const title = branch.schema.title ?? resolve(branch).schema.title;
    const named = distinct.length > 1 && title !== undefined ? { branch: title } : {};
    yield* fieldsOf(branch, at.shared, { ...at, ...named });
  }
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The fields that a mapping can't do without, from its first example. */
function leastOf({ examples = [], required = [] }: Schema): unknown {
  const [example] = examples;
  if (!isMapping(example)) return undefined;
  return Object.fromEntries(Object.entries(example).filter(([key]) => required.includes(key)));
}

/** Values that a field may have: the examples, the default, and whatever the schema lists. */
export function valuesOf(place: Place): readonly unknown[] {
  const { schema } = resolve(place);
  const sources = [place.schema, schema];
  const own = [
    ...sources.flatMap(({ examples = [] }) => examples),
    ...sources.flatMap(({ enum: listed = [] }) => listed),
    ...sources.flatMap(({ default: value }) => (value === undefined ? [] : [value])),
  ];
  const isFlag = schema.type === 'boolean' || branchesOf({ ...place, schema }).some((b) => b.schema.type === 'boolean');
  const values = isFlag ? [...own, true, false] : own;
  const texts = values.map((value) => JSON.stringify(value));
  return values.filter((_, index) => texts.indexOf(texts[index] ?? '') === index);
}

/** A document in which a field has a value. Keys of free mappings are `name`. */
export function documentWith({ path, around }: Field, value: unknown): unknown {
  return path.reduceRight<unknown>((below, part, index) => {
    if (part === ITEM) return [below];
    const base = around[index];
    return { ...(isMapping(base) ? base : {}), [part === ANY ? 'name' : part]: below };
  }, value);
}
