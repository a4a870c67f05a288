import {
  branchesOf,
  definitionsOf,
  entriesOf,
  hasFields,
  itemsOf,
  type Place,
  resolve,
  type Schema,
} from './schema.ts';

export const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

/** A value as YAML writes it on one line. */
export function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, entry]) => `${key}: ${flow(entry)}`);
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
  }
  return value === '' ? '""' : String(value);
}

/** What a text of the schemas says in code: templates, flow mappings, and words with characters that Markdown would take. */
const CODE = /\$\{\{.*?\}\}|\{ [^{}]*? \}|[^\s"(]*[<>*$_|][^\s"()]*/g;

/** A description as a cell of a table. */
export const prose = (text: string): string =>
  text.replaceAll(CODE, (found) => {
    const [, word = '', rest = ''] = /^(.*?)([.,:;]*)$/s.exec(found) ?? [];
    return word === '' ? found : `${code(word)}${rest}`;
  });

/** The anchor that GitHub gives a heading. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');

/** A title within a sentence: names and abbreviations keep their capitals. */
const inner = (title: string): string =>
  /^(Kubernetes|[A-Z][A-Z0-9]|S3)/.test(title) ? title : title.charAt(0).toLowerCase() + title.slice(1);

export const titleOf = ({ schema }: Place): string => schema.title ?? '';

/** Definitions without fields of their own that tables name instead of describing them: `duration`. */
export const namedValues = (): readonly Place[] =>
  definitionsOf(['common']).filter((place) => !hasFields(place) && place.schema.const === undefined);

export const valueName = (place: Place): string => inner(titleOf(place));

const VALUES = new Set(namedValues().map(({ definition }) => definition));

/** What a field may hold, in a few words. `shared` are the definitions with tables of their own. */
export function typeOf(start: Place, shared: ReadonlySet<string>): string {
  const place = resolve(start);
  const { schema, definition = '' } = place;
  if (shared.has(definition)) return `[${inner(titleOf(place))}](#${anchorOf(titleOf(place))})`;
  if (VALUES.has(definition)) return valueName(place);
  if (schema.const !== undefined) return code(flow(schema.const));
  if (schema.enum) return listed(schema.enum);
  const branches = branchesOf(place);
  if (branches.length > 0) return [...new Set(branches.map((branch) => typeOf(branch, shared)))].join(' or ');
  const { type = 'object' } = schema;
  if (typeof type !== 'string') return type.map(scalar).join(' or ');
  if (type === 'array') {
    const items = itemsOf(place);
    return `list${items ? `: ${typeOf(items, shared)}` : ''}${most(schema)}`;
  }
  return type === 'object' ? mapping(place, shared) : `${scalar(type)}${bounds(schema)}`;
}

const listed = (values: readonly unknown[]): string =>
  `${values.length > 1 ? 'one of ' : ''}${values.map((value) => code(flow(value))).join(', ')}`;

function mapping(place: Place, shared: ReadonlySet<string>): string {
  const { file, schema } = place;
  const entries = entriesOf(place);
  if (!entries || schema.properties) return 'mapping';
  const keys = schema.propertyNames?.$ref === undefined ? '' : typeOf({ file, schema: schema.propertyNames }, shared);
  const values = typeOf(entries, shared);
  return `mapping${keys === '' ? '' : ` by ${keys}`}${values === 'mapping' ? '' : `: ${values}`}`;
}

const SCALARS: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: '`true` or `false`',
  null: '`null`',
};

const scalar = (type: string): string => SCALARS[type] ?? type;

const most = ({ maxItems }: Schema): string => (maxItems === undefined ? '' : `; at most ${maxItems}`);

function bounds({ minimum, maximum }: Schema): string {
  if (maximum !== undefined) return `, ${minimum ?? ''} to ${maximum}`;
  return minimum === undefined ? '' : `, at least ${minimum}`;
}
