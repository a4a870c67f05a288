import { schemas, type SchemaName } from '../../src/schemas/index.ts';

/** The parts of a JSON Schema that say something about a field. */
export interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly propertyNames?: Schema;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly 'x-error'?: string;
}

type FileName = SchemaName | 'common';

/** A schema, the file that its references start from, and its name (`common.duration`) where it is a definition. */
export interface Place {
  readonly file: FileName;
  readonly schema: Schema;
  readonly definition?: string;
}

/** From this many places on, a definition with fields gets a table of its own instead of being repeated. */
const SHARED_FROM = 3;

export const schemaOf = (file: FileName): Schema => schemas[file] as Schema;

/** What a schema refers to, or itself. */
export function resolve({ file, schema, ...rest }: Place): Place {
  if (schema.$ref === undefined) return { file, schema, ...rest };
  const [, other = '', key = ''] = /^(?:([a-z]+)\.json)?#\/\$defs\/(\w+)$/.exec(schema.$ref) ?? [];
  const target = (other || file) as FileName;
  const found = schemaOf(target).$defs?.[key];
  if (!found) throw new Error(`${schema.$ref} does not point at a definition of a schema`);
  return { file: target, schema: found, definition: `${target}.${key}` };
}

/** The branches of a union that have a structure; "needs one of these fields" is none. */
export function branchesOf({ file, schema }: Place): readonly Place[] {
  const structural = (schema.oneOf ?? []).filter((branch) => branch.type !== undefined || branch.$ref !== undefined);
  return structural.map((branch) => ({ file, schema: branch }));
}

export const itemsOf = ({ file, schema }: Place): Place | undefined => schema.items && { file, schema: schema.items };

/** What the entries of a mapping with free keys are. */
export const entriesOf = ({ file, schema }: Place): Place | undefined =>
  typeof schema.additionalProperties === 'object' ? { file, schema: schema.additionalProperties } : undefined;

export const propertiesOf = ({ file, schema }: Place): readonly (readonly [string, Place])[] =>
  Object.entries(schema.properties ?? {}).map(([key, property]) => [key, { file, schema: property }] as const);

const isPresent = <T>(value: T | undefined): value is T => value !== undefined;

/** Whether there are fields with names in it, at any depth. */
export function hasFields(place: Place): boolean {
  const found = resolve(place);
  if (found.schema.properties) return true;
  return [...branchesOf(found), itemsOf(found), entriesOf(found)].filter(isPresent).some(hasFields);
}

/** Every definition that has a table of its own, in the order of the files. */
export function sharedDefinitions(): readonly Place[] {
  const counts = new Map<string, number>();
  const count = ({ file, schema }: Place): void => {
    if (schema.$ref !== undefined) {
      const { definition = '' } = resolve({ file, schema });
      counts.set(definition, (counts.get(definition) ?? 0) + 1);
    }
    for (const definition of Object.values(schema.$defs ?? {})) count({ file, schema: definition });
    const place = { file, schema };
    for (const [, property] of propertiesOf(place)) count(property);
    for (const part of [...branchesOf(place), itemsOf(place), entriesOf(place)].filter(isPresent)) count(part);
  };
  const files = Object.keys(schemas) as FileName[];
  for (const file of files) count({ file, schema: schemaOf(file) });
  return definitionsOf(files).filter(
    (place) => (counts.get(place.definition ?? '') ?? 0) >= SHARED_FROM && hasFields(place),
  );
}

export const definitionsOf = (files: readonly FileName[]): readonly Place[] =>
  files.flatMap((file) =>
    Object.entries(schemaOf(file).$defs ?? {}).map(([key, schema]) => ({ file, schema, definition: `${file}.${key}` })),
  );
