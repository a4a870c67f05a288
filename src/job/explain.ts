import { type SchemaName, schemas } from '../schemas/index.ts';
import {
  completion,
  type Finding,
  findingAt,
  followed,
  isOfType,
  isSchema,
  type Mapping,
  nameOf,
  type Schema,
  sentence,
  type Spot,
  subschemas,
  typesOf,
} from './spot.ts';
import { unknownField } from './unknown-field.ts';
import { didYouMean, listOf, quote, suggestValue, wrongType } from './words.ts';

export type { Finding } from './spot.ts';

/**
 * What is wrong with a value that does not conform to a schema, one finding per place, in sentences for whoever wrote it.
 * Ajv decides whether a document is valid. Its errors cannot say which branch of a union was meant, so this walks the
 * schema beside the value instead, and follows the one branch that the value's type (or a constant in it) points to.
 * It knows the keywords that the schemas use.
 */
export function explain(name: SchemaName, value: unknown): readonly Finding[] {
  const root: Schema = schemas[name];
  return walk({ schema: root, root, definition: undefined, value, path: [], place: 'value' });
}

function walk(spot: Spot): Finding[] {
  const { schema, value } = spot;
  const findings: Finding[] = [];
  const types = typesOf(schema);
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) {
    const definition = typeof schema['$ref'] === 'string' ? nameOf(schema['$ref']) : spot.definition;
    const pattern = typeof schema['pattern'] === 'string' ? schema['pattern'] : undefined;
    return [findingAt(spot, wrongType(value, types, definition, pattern))];
  }
  if (typeof schema['$ref'] === 'string') findings.push(...walk(followed(spot, schema['$ref'])));
  const scalar = scalarTrouble(spot);
  if (scalar !== undefined) findings.push(findingAt(spot, scalar));
  if (Array.isArray(value)) findings.push(...listTroubles(spot, value));
  else if (typeof value === 'object' && value !== null) findings.push(...mappingTroubles(spot, value as Mapping));
  findings.push(...compositionTroubles(spot));
  return findings;
}

function scalarTrouble(spot: Spot): string | undefined {
  const { schema, value } = spot;
  if ('const' in schema && value !== schema['const'])
    return sentence(spot, `is not allowed; write ${quote(schema['const'])}`);
  if (Array.isArray(schema['enum']) && !schema['enum'].includes(value)) return enumTrouble(spot, schema['enum']);
  if (typeof value === 'string') return stringTrouble(spot, value);
  if (typeof value === 'number') return numberTrouble(spot, value);
  return undefined;
}

function enumTrouble(spot: Spot, allowed: readonly unknown[]): string {
  if (typeof spot.value === 'object')
    return `is ${spot.value === null ? 'empty' : 'no single value'}; write ${listOf(allowed.map(String), 'or')}`;
  const meant = typeof spot.value === 'string' ? didYouMean(spot.value, allowed.map(String)) : '';
  return sentence(spot, `is not one of ${listOf(allowed.map(String), 'and')}${meant}`);
}

function stringTrouble(spot: Spot, value: string): string | undefined {
  const { schema, definition } = spot;
  const { minLength, maxLength, pattern } = schema;
  if (typeof pattern === 'string' && !new RegExp(pattern, 'u').test(value)) {
    if (value === '') return 'is empty';
    const predicate = completion(schema) ?? `does not match ${pattern}`;
    const suggestion = suggestValue(definition, value);
    return sentence(spot, suggestion === undefined ? predicate : `${predicate.split('; ')[0]}; write ${suggestion}`);
  }
  const length = Array.from(value).length;
  if (typeof minLength === 'number' && length < minLength)
    return length === 0 ? 'is empty' : sentence(spot, `is too short`);
  if (typeof maxLength === 'number' && length > maxLength)
    return sentence(spot, `has ${length} characters; at most ${maxLength} are allowed`);
  return undefined;
}

function numberTrouble(spot: Spot, value: number): string | undefined {
  const { minimum, maximum } = spot.schema;
  if (typeof minimum === 'number' && value < minimum) return `${value} is too small; the least is ${minimum}`;
  if (typeof maximum === 'number' && value > maximum) return `${value} is too large; the most is ${maximum}`;
  return undefined;
}

function listTroubles(spot: Spot, value: readonly unknown[]): Finding[] {
  const { items, minItems, maxItems, uniqueItems } = spot.schema;
  const findings: Finding[] = [];
  if (typeof minItems === 'number' && value.length < minItems)
    findings.push(findingAt(spot, 'has no entries; write at least one'));
  if (typeof maxItems === 'number' && value.length > maxItems)
    findings.push(findingAt(spot, `has ${value.length} entries; at most ${maxItems} are allowed`));
  const seen = new Set<unknown>();
  value.forEach((item, index) => {
    const path = [...spot.path, index];
    if (uniqueItems === true && seen.has(item))
      findings.push({ path, place: 'value', message: `${quote(item)} is in the list twice` });
    seen.add(item);
    if (isSchema(items))
      findings.push(...walk({ ...spot, schema: items, definition: undefined, value: item, path, place: 'value' }));
  });
  return findings;
}

function mappingTroubles(spot: Spot, value: Mapping): Finding[] {
  const { schema, path } = spot;
  const known = isSchema(schema['properties']) ? schema['properties'] : {};
  const findings: Finding[] = [];
  for (const name of Array.isArray(schema['required']) ? schema['required'].map(String) : [])
    if (!Object.hasOwn(value, name)) findings.push({ path: [...path, name], place: 'key', message: 'is missing' });
  if (typeof schema['minProperties'] === 'number' && Object.keys(value).length < schema['minProperties'])
    findings.push(findingAt(spot, 'has no entries; write at least one'));
  for (const [name, child] of Object.entries(value)) {
    const within: Spot = { ...spot, definition: undefined, value: child, path: [...path, name], place: 'value' };
    const named = isSchema(schema['propertyNames'])
      ? walk({ ...within, schema: schema['propertyNames'], value: name, place: 'key' })
      : [];
    const property = Object.hasOwn(known, name) ? known[name] : schema['additionalProperties'];
    findings.push(...named);
    if (property === false)
      findings.push({ path: within.path, place: 'key', message: unknownField(name, known, spot) });
    else if (isSchema(property) && named.length === 0) findings.push(...walk({ ...within, schema: property }));
  }
  return findings;
}

function compositionTroubles(spot: Spot): Finding[] {
  const { schema, value } = spot;
  const findings: Finding[] = [];
  const predicate = completion(schema) ?? 'is not allowed here';
  // A mapping that lacks something is shown at its name, not at its first entry.
  const completed = (): Finding =>
    findingAt(isSchema(value) ? { ...spot, place: 'key' } : spot, sentence(spot, predicate));
  for (const part of subschemas(schema['allOf'])) findings.push(...walk({ ...spot, schema: part }));
  if (isSchema(schema['not']) && walk({ ...spot, schema: schema['not'] }).length === 0) findings.push(completed());
  if (isSchema(schema['dependentRequired']) && isSchema(value)) {
    for (const [name, needed] of Object.entries(schema['dependentRequired']))
      if (
        Object.hasOwn(value, name) &&
        Array.isArray(needed) &&
        needed.some((other) => !Object.hasOwn(value, String(other)))
      )
        findings.push({ ...completed(), path: [...spot.path, name], place: 'key' });
  }
  const anyOf = subschemas(schema['anyOf']);
  if (anyOf.length > 0 && !anyOf.some((branch) => walk({ ...spot, schema: branch }).length === 0))
    findings.push(...('x-error' in schema ? [completed()] : branchTroubles(spot, anyOf)));
  const oneOf = subschemas(schema['oneOf']);
  const fitting = oneOf.filter((branch) => walk({ ...spot, schema: branch }).length === 0).length;
  if (oneOf.length > 0 && fitting !== 1)
    findings.push(
      ...('x-error' in schema
        ? [completed()]
        : fitting > 1
          ? [findingAt(spot, 'fits more than one form')]
          : branchTroubles(spot, oneOf)),
    );
  return findings;
}

/** The findings of the branch that was meant: the one for this type of value, then the one whose constants fit, then the nearest. */
function branchTroubles(spot: Spot, branches: readonly Schema[]): Finding[] {
  const meant = (branch: Schema): Schema =>
    typesOf(branch).length === 0 && typeof branch['$ref'] === 'string' ? followed(spot, branch['$ref']).schema : branch;
  const fitting = branches.filter((branch) => {
    const types = typesOf(meant(branch));
    return types.length === 0 || types.some((type) => isOfType(spot.value, type));
  });
  if (fitting.length === 0) {
    const allowed = branches
      .map(meant)
      .flatMap((branch) => (Array.isArray(branch['enum']) ? branch['enum'].map(String) : typesOf(branch)));
    return [findingAt(spot, wrongType(spot.value, [...new Set(allowed)], spot.definition))];
  }
  const found = fitting.map((branch) => walk({ ...spot, schema: branch }));
  const named = found.filter(
    (findings) => !findings.some(({ path, message }) => path.at(-1) === 'kind' && message.includes('is not allowed')),
  );
  return (named.length > 0 ? named : found).reduce((best, findings) =>
    findings.length < best.length ? findings : best,
  );
}
