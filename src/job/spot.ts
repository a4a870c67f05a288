import { type SchemaName, schemas } from '../schemas/index.ts';
import type { FieldPath, Place } from './positions.ts';
import { jsonType, quote, shorten } from './words.ts';

/** Something wrong in a document, by its path in the data. */
export interface Finding {
  readonly path: FieldPath;
  readonly place: Place;
  readonly message: string;
}

export type Schema = Readonly<Record<string, unknown>>;
export type Mapping = Readonly<Record<string, unknown>>;

/** Where in schema and data the walk is. */
export interface Spot {
  readonly schema: Schema;
  /** The schema document that `#/…` refers to. */
  readonly root: Schema;
  /** The name of the definition that the schema came from by `$ref`, for suggestions. */
  readonly definition: string | undefined;
  readonly value: unknown;
  readonly path: FieldPath;
  /** Place of the value: `key` while names of properties are looked at. */
  readonly place: Place;
}

/** A finding about the value of a spot. */
export function findingAt({ path, place }: Spot, message: string): Finding {
  return { path, place, message: shorten(message) };
}

/** The sentence that a schema's `x-error` completes: scalars are quoted, lists and mappings are named by the field. */
export function sentence({ value }: Spot, predicate: string): string {
  return typeof value === 'object' && value !== null ? predicate : `${quote(value)} ${predicate}`;
}

/** What the schema says after the value that it refuses. */
export const completion = (schema: Schema): string | undefined =>
  typeof schema['x-error'] === 'string' ? schema['x-error'] : undefined;

/** Whether a value is a mapping, as a schema or as data. */
export const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** The schemas of `allOf`, `anyOf` and `oneOf`. */
export const subschemas = (value: unknown): readonly Schema[] => (Array.isArray(value) ? value.filter(isSchema) : []);
/** The name of the definition that a `$ref` points to. */
export const nameOf = (ref: string): string | undefined => ref.split('/').at(-1);

/** The spot at which a `$ref` goes on: in the same schema document, or in another. */
export function followed(spot: Spot, ref: string): Spot {
  const [document = '', pointer = ''] = ref.split('#');
  const root: Schema =
    document === '' ? spot.root : (schemas[document.replace(/\.json$/, '') as SchemaName] ?? spot.root);
  let schema: unknown = root;
  for (const part of pointer.split('/').slice(1)) schema = isSchema(schema) ? schema[part] : undefined;
  return { ...spot, root, schema: isSchema(schema) ? schema : {}, definition: nameOf(ref) };
}

/** The types that a schema allows; none: any. */
export const typesOf = ({ type }: Schema): readonly string[] =>
  typeof type === 'string' ? [type] : Array.isArray(type) ? type.map(String) : [];

/** Whether a value is of a type of JSON Schema. */
export function isOfType(value: unknown, type: string): boolean {
  const actual = jsonType(value);
  return actual === type || (type === 'number' && actual === 'integer');
}
