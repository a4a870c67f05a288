/**
 * Generates src/schemas/types.ts from the JSON Schemas in schemas/: one exported type for each schema and for each of
 * its definitions, named after the schema's title and the definition's key.
 *
 *     node scripts/generate-types.ts           writes the file
 *     node scripts/generate-types.ts --check   only tells, with exit code 1, that the file is out of date
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';
import { writeOrCheck } from './generated.ts';
import type { Schema } from './reference/schema.ts';

/** What the generator is given instead: references are names by then. */
type Shape = Omit<Schema, 'properties' | 'additionalProperties' | 'items' | 'oneOf'> & {
  readonly tsType?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: boolean | Shape;
  readonly items?: Shape;
  readonly oneOf?: readonly Shape[];
};

const FILES = [
  'common',
  'job',
  'runnerset',
  'config',
  'jobstatus',
  'runnersetstatus',
  'outcome',
  'request',
  'plan',
  'invalid',
  'watchevent',
] as const;
const TARGET = new URL('../src/schemas/types.ts', import.meta.url);
const BANNER = '// Generated from schemas/*.json by `npm run generate`. Change the schemas, not this file.\n';

const typeName = (key: string): string => key.charAt(0).toUpperCase() + key.slice(1);

/** `common.json#/$defs/stepName` and `#/$defs/stepName` are both `StepName`: definitions are unique across files. */
function referencedName(reference: string): string {
  const found = /^(?:[a-z]+\.json)?#\/\$defs\/(\w+)$/.exec(reference);
  if (!found?.[1]) throw new Error(`${reference} does not point at a definition of a schema`);
  return typeName(found[1]);
}

const isStructural = (schema: Schema): boolean =>
  ['$ref', 'type', 'const', 'enum', 'properties', 'items'].some((keyword) => keyword in schema);

const mapValues = <In, Out>(record: Readonly<Record<string, In>>, map: (value: In) => Out): Record<string, Out> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));

/**
 * Reduces a schema to its structure. Each reference becomes the bare name of its type, so that the generator, which
 * sees one definition at a time, neither repeats a type nor numbers a copy of it. Rules without a structure, such as
 * "not both of these fields", have no counterpart in the types and are left out; so are titles, which would make types.
 */
function shapeOf(schema: Schema): Shape {
  const description = schema.description === undefined ? {} : { description: schema.description };
  if (schema.$ref !== undefined) return { ...description, tsType: referencedName(schema.$ref) };
  const { additionalProperties: rest, oneOf = [] } = schema;
  const branches = oneOf.filter(isStructural);
  return {
    ...description,
    ...(branches.length > 0 ? { oneOf: branches.map(shapeOf) } : {}),
    ...(schema.type === undefined ? {} : { type: schema.type }),
    ...(schema.const === undefined ? {} : { const: schema.const }),
    ...(schema.enum === undefined ? {} : { enum: schema.enum }),
    ...(schema.required === undefined ? {} : { required: schema.required }),
    ...(schema.properties === undefined ? {} : { properties: mapValues(schema.properties, shapeOf) }),
    ...(rest === undefined ? {} : { additionalProperties: typeof rest === 'boolean' ? rest : shapeOf(rest) }),
    ...(schema.items === undefined ? {} : { items: shapeOf(schema.items) }),
  };
}

/** Fields and lists are not for changing: values are made by factories and handed on. The code has a field a line. */
function withReadonly(code: string): string {
  const isComment = (line: string): boolean => /^\s*(\/\*\*|\*)/.test(line);
  return code
    .split('\n')
    .map((line) =>
      isComment(line)
        ? line
        : line
            .replace(/^(\s*)(\[k: string\]|"[^"]+"\??|[\w$]+\??):/, '$1readonly $2:')
            .replace(/(?:\([^()]*\)|\w+)\[\]/g, 'readonly $&'),
    )
    .join('\n');
}

/** Comments of one paragraph, on one line where they fit and wrapped at the print width where they do not. */
function withWrappedComments(code: string, width: number): string {
  return code.replace(/^( *)\/\*\*\n *\* (.+)\n *\*\/$/gm, (_, indent: string, text: string) => {
    const single = `${indent}/** ${text} */`;
    if (single.length <= width) return single;
    const lines: string[] = [];
    for (const word of text.split(' ')) {
      const longer = `${lines.at(-1) ?? ''} ${word}`;
      if (lines.length > 0 && indent.length + 2 + longer.length <= width) lines[lines.length - 1] = longer;
      else lines.push(` ${word}`);
    }
    return [`${indent}/**`, ...lines.map((line) => `${indent} *${line}`), `${indent} */`].join('\n');
  });
}

/** Every type by its name, in the order of the files, each schema before its definitions. */
async function collectTypes(): Promise<ReadonlyMap<string, Shape>> {
  const types = new Map<string, Shape>();
  const add = (name: string, schema: Schema): void => {
    if (types.has(name)) throw new Error(`two schemas or definitions are called ${name}`);
    types.set(name, shapeOf(schema));
  };
  for (const file of FILES) {
    const text = await readFile(new URL(`../schemas/${file}.json`, import.meta.url), 'utf8');
    const schema = JSON.parse(text) as Schema;
    if (isStructural(schema) && schema.title !== undefined) add(schema.title, schema);
    for (const [key, definition] of Object.entries(schema.$defs ?? {})) add(typeName(key), definition);
  }
  return types;
}

async function generate(): Promise<string> {
  const parts = [BANNER];
  const options = { bannerComment: '', format: false, ignoreMinAndMaxItems: true };
  for (const [name, shape] of await collectTypes()) {
    // The generator's own type of a schema is that of draft 4, which knows no `tsType` and wants mutable lists.
    parts.push(withReadonly(await compile(shape as Parameters<typeof compile>[0], name, options)));
  }
  const path = fileURLToPath(TARGET);
  const style = await resolveConfig(path);
  const code = await format(parts.join('\n'), { ...style, filepath: path });
  return withWrappedComments(code, style?.printWidth ?? 80);
}

await writeOrCheck(TARGET, await generate(), 'the schemas');
