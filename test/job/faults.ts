import { dump } from 'js-yaml';
import { documentWith, type Field, fieldsOf, pathText, valuesOf } from '../../scripts/reference/fields.ts';
import { branchesOf, type Place, resolve, schemaOf, type Schema } from '../../scripts/reference/schema.ts';
import { saidOf } from './world.ts';

/** The bounds that a schema may set to a value, besides what the reference shows. */
interface Bounds extends Schema {
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

/** A value that a field may not have, and which of its bounds it breaks. */
interface Fault {
  readonly breaks: string;
  readonly value: unknown;
}

const typesOf = (place: Place): ReadonlySet<string> => {
  const { schema, file } = resolve(place);
  const own = schema.type === undefined ? [] : typeof schema.type === 'string' ? [schema.type] : schema.type;
  const listed = schema.enum === undefined || own.length > 0 ? [] : ['string'];
  const branches = branchesOf({ file, schema }).flatMap((branch) => Array.from(typesOf(branch)));
  return new Set([...own, ...listed, ...branches]);
};

/** A value of a type that a field does not take; undefined where it takes every one. */
function otherType(place: Place): unknown {
  const types = typesOf(place);
  if (types.size === 0) return undefined;
  const values: readonly (readonly [string, unknown])[] = [
    ['array', [[]]],
    ['object', {}],
    ['string', 'x'],
    ['boolean', true],
  ];
  return values.find(([type]) => !types.has(type))?.[1];
}

const repeated = (text: string, length: number): string =>
  text.repeat(Math.ceil(length / text.length)).slice(0, length);

/** What is wrong for each bound of one schema, not looking into its parts. */
function* boundFaults(place: Place): Generator<Fault> {
  const found = resolve(place);
  const schema = found.schema as Bounds;
  const valid = valuesOf(place).find((value) => typeof value === 'string');
  const list = valuesOf(place).find((value): value is unknown[] => Array.isArray(value) && value.length > 0);
  if (schema.minimum !== undefined) yield { breaks: 'minimum', value: schema.minimum - 1 };
  if (schema.maximum !== undefined) yield { breaks: 'maximum', value: schema.maximum + 1 };
  if (schema.enum !== undefined) yield { breaks: 'enum', value: 'banana' };
  if (schema.pattern !== undefined) {
    const pattern = new RegExp(schema.pattern, 'u');
    yield { breaks: 'pattern', value: ['! ?', '/', '-'].find((text) => !pattern.test(text)) };
  }
  if (schema.minLength !== undefined && schema.minLength > 0) yield { breaks: 'minLength', value: '' };
  if (schema.maxLength !== undefined)
    yield { breaks: 'maxLength', value: repeated(typeof valid === 'string' ? valid : 'x', schema.maxLength + 1) };
  if (schema.minItems !== undefined && schema.minItems > 0) yield { breaks: 'minItems', value: [] };
  if (schema.maxItems !== undefined && list)
    yield { breaks: 'maxItems', value: Array.from({ length: schema.maxItems + 1 }, () => list[0]) };
  if (schema.uniqueItems === true && list) yield { breaks: 'uniqueItems', value: [list[0], list[0]] };
  if (schema.propertyNames !== undefined) yield { breaks: 'propertyNames', value: { '! ?': null } };
  if (schema.additionalProperties === false && schema.properties)
    yield { breaks: 'unknown field', value: { banana: 1 } };
  for (const branch of branchesOf(found)) yield* boundFaults(branch);
  if (schema.items) {
    const items = { file: found.file, schema: schema.items };
    const other = otherType(items);
    if (other !== undefined) yield { breaks: 'type of an entry', value: [other] };
    if (resolve(items).schema.properties === undefined)
      for (const { breaks, value } of boundFaults(items)) yield { breaks: `${breaks} of an entry`, value: [value] };
  }
}

function* faultsOf(field: Field): Generator<Fault> {
  const other = otherType(field.place);
  if (other !== undefined) yield { breaks: 'type', value: other };
  if (field.path.length > 1) yield { breaks: 'nothing written', value: null };
  // Without its first line it is no manifest of ours.
  if (field.required && field.path[0] !== 'apiVersion') yield { breaks: 'missing', value: undefined };
  const seen = new Set<string>();
  for (const fault of boundFaults(field.place)) {
    if (seen.has(fault.breaks)) continue;
    seen.add(fault.breaks);
    yield fault;
  }
}

/** A manifest with that one value, and nothing else that is wrong. */
function manifestWith(field: Field, value: unknown): string {
  const { spec, metadata, ...rest } = documentWith(field, value) as Readonly<Record<string, object | undefined>>;
  const isOf = (key: string): boolean => field.path[0] === key && field.path.length === 1;
  const runs = { run: 'x', ...spec };
  const whole = {
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    ...rest,
    metadata: isOf('metadata') ? metadata : { name: 'a', ...metadata },
    spec: isOf('spec') ? spec : runs,
  };
  return dump(whole, { flowLevel: 2, lineWidth: -1, skipInvalid: true });
}

const MOST_SHOWN = 160;
const shortened = (line: string): string => (line.length > MOST_SHOWN ? `${line.slice(0, MOST_SHOWN)}…` : line);

/**
 * Every way in which a field of a Job can break a bound of the schema, with what is said about it: a heading, the lines of the
 * manifest that are not the same in all, and the messages.
 */
export function faultBlocks(): readonly string[] {
  const blocks: string[] = [];
  for (const field of fieldsOf({ file: 'job', schema: schemaOf('job') }, new Set())) {
    for (const { breaks, value } of faultsOf(field)) {
      const yaml = manifestWith(field, value);
      const lines = yaml
        .trimEnd()
        .split('\n')
        .filter(
          (line) => !/^(apiVersion: runledger.dev\/v1|kind: Job|metadata:|spec:| {2}name: a| {2}run: x)$/.test(line),
        )
        .map(shortened);
      const branch = field.branch === undefined ? '' : ` (${field.branch})`;
      blocks.push(
        [`# ${pathText(field.path)}${branch}: ${breaks}`, ...lines, ...saidOf(yaml).map((said) => `=> ${said}`)].join(
          '\n',
        ),
      );
    }
  }
  return blocks;
}
