import { followed, isSchema, type Schema, type Spot } from './spot.ts';
import { nearest, shorten } from './words.ts';

/** What people write who know other tools. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['script', 'run'],
  ['cmd', 'command'],
  ['entrypoint', 'command'],
  ['environment', 'env'],
  ['variables', 'env'],
  ['vars', 'env'],
  ['dependsOn', 'needs'],
  ['depends_on', 'needs'],
  ['retries', 'retry.limit'],
  ['cron', 'on.schedule.cron'],
  ['timeout', 'timeouts.run'],
  ['workdir', 'workingDirectory'],
  ['cwd', 'workingDirectory'],
]);

/** What to say about a field that its mapping does not know; `known` are the schemas of those that it does. */
export function unknownField(name: string, known: Schema, spot: Spot): string {
  if (name === '<<')
    return 'merge keys (<<) are not part of YAML 1.2; write the fields out, or use an alias for a whole value';
  const synonym = SYNONYMS.get(name);
  const names = Object.keys(known);
  const meant =
    synonym !== undefined && Object.hasOwn(known, synonym.split('.')[0] ?? '')
      ? synonym
      : (nearest(name, names) ?? fieldBelow(name, known, spot));
  return shorten(
    `unknown field; ${meant === undefined ? `known here: ${names.join(', ')}` : `did you mean ${JSON.stringify(meant)}?`}`,
  );
}

/** The field one level further down that has this name: `schedule` belongs into `on`. */
function fieldBelow(name: string, known: Schema, spot: Spot): string | undefined {
  for (const [parent, schema] of Object.entries(known)) {
    if (!isSchema(schema)) continue;
    const { $ref } = schema;
    const { properties } = typeof $ref === 'string' ? followed(spot, $ref).schema : schema;
    if (isSchema(properties) && Object.hasOwn(properties, name)) return `${parent}.${name}`;
  }
  return undefined;
}
