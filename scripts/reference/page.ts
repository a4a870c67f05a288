import type { SchemaName } from '../../src/schemas/index.ts';
import { type Field, fieldsOf, pathText } from './fields.ts';
import { entriesOf, itemsOf, type Place, resolve, type Schema, schemaOf, sharedDefinitions } from './schema.ts';
import { type Support, supportOf } from './support.ts';
import { anchorOf, code, flow, namedValues, prose, titleOf, typeOf, valueName } from './words.ts';

/** The kinds in the order of the page: what people write, then what runledger writes. */
const KINDS: readonly SchemaName[] = [
  'job',
  'runnerset',
  'config',
  'request',
  'jobstatus',
  'runnersetstatus',
  'outcome',
  'plan',
  'invalid',
  'watchevent',
];

/** Where a field is explained, by kind and path. */
const EXPLAINED: Readonly<Partial<Record<SchemaName, Readonly<Record<string, string>>>>> = {
  job: {
    'spec.if': 'expressions.md#conditions',
    'spec.concurrency': 'queueing.md#concurrency-groups',
    'spec.priority': 'queueing.md#the-order',
    'spec.parameters': 'expressions.md#values-and-scripts',
    'spec.steps': 'pods.md#what-runs-in-which-order',
    'spec.steps[].if': 'expressions.md#conditions',
    'spec.finally': 'pods.md#what-runs-in-which-order',
    'spec.finally[].if': 'expressions.md#conditions',
    'spec.services': 'pods.md#services',
    'spec.hooks': 'pods.md#what-runs-in-which-order',
    'spec.tasks': 'expressions.md#tasks-and-matrix',
    'spec.matrix': 'expressions.md#tasks-and-matrix',
    'spec.maxParallel': 'queueing.md#capacity',
    'spec.slots': 'queueing.md#big-tasks-and-small-ones',
    'spec.timeouts.queue': 'queueing.md#the-queue-time-out',
    'spec.artifacts': 'artifacts.md#which-files',
    'spec.keep.artifacts': 'artifacts.md#how-long-they-stay',
  },
  config: {
    'sources[].ledger': 'ledger.md',
    'sources[].policy': 'security.md#what-jobs-may-do',
    'sources[].webhook': 'kubernetes.md#webhooks',
    'defaults.hooks': 'pods.md#what-runs-in-which-order',
    'artifacts.store': 'artifacts.md#the-store',
    concurrency: 'queueing.md#capacity',
  },
  request: { action: 'ledger.md#requests' },
  jobstatus: { waiting: 'queueing.md#what-is-shown' },
  outcome: { artifacts: 'artifacts.md', 'tasks[].attempts[].archive': 'artifacts.md#the-archive' },
};

const INTRO = `# Reference of all fields

<!-- Generated from schemas/*.json by \`npm run generate\`. Change the schemas, not this file. -->

Everything that runledger reads and writes, field by field. Editors complete and check from the same
[schemas](../schemas). How templates work is in [expressions](expressions.md).

- A path has a dot between a mapping and its key, \`[]\` for the entries of a list, and \`*\` for keys of your choice.
- Words for types are explained under [values](#values).
- Fields in _not supported yet_ belong to the format, but this version has no machinery for them: it refuses them, and
  never passes them over. What lies below such a field goes with it.
- _Process runner_ says what differs there: a job with a refused field is not run by it, a field that is passed over
  means nothing to it.
`;

/** docs/reference.md. Throws where a field that is said to be explained elsewhere does not exist. */
export function referencePage(): string {
  const places = sharedDefinitions();
  const shared = new Set(places.map(({ definition = '' }) => definition));
  const sections = [
    ...KINDS.map((kind) => kindSection(kind, shared)),
    ...places.map((place) => definitionSection(place, shared)),
    valuesSection(),
  ];
  const headings = [...KINDS.map((kind) => titleOf({ file: kind, schema: schemaOf(kind) })), ...places.map(titleOf)];
  if (new Set(headings).size !== headings.length) throw new Error(`two tables have one name: ${headings.join(', ')}`);
  const contents = [...headings, 'Values'].map((heading) => `[${heading}](#${anchorOf(heading)})`).join(' · ');
  // Prettier would pad every cell of a column to its longest.
  return `${INTRO}\n${contents}\n\n<!-- prettier-ignore-start -->\n\n${sections.join('\n\n')}\n\n<!-- prettier-ignore-end -->\n`;
}

function kindSection(kind: SchemaName, shared: ReadonlySet<string>): string {
  const place: Place = { file: kind, schema: schemaOf(kind) };
  const fields = [...fieldsOf(place, shared)];
  const explained = new Map(Object.entries(EXPLAINED[kind] ?? {}));
  const rows = fields.map((field) => {
    const path = pathText(field.path);
    const link = explained.get(path);
    explained.delete(path);
    return row(field, shared, supportOf(kind, field), link);
  });
  if (explained.size > 0) throw new Error(`${kind} has no field ${[...explained.keys()].join(', ')}`);
  const file = `[schemas/${kind}.json](../schemas/${kind}.json)`;
  return `## ${titleOf(place)}\n\n${prose(place.schema.description ?? '')} Schema: ${file}.\n\n${table(rows)}`;
}

function definitionSection(place: Place, shared: ReadonlySet<string>): string {
  const others = new Set([...shared].filter((name) => name !== place.definition));
  const rows = [...fieldsOf(place, others)].map((field) => row(field, others, {}, undefined));
  const { schema } = place;
  const open = schema.additionalProperties === true ? ' It may have further fields.' : '';
  return `## ${titleOf(place)}\n\n${prose(described(place, others))}${open}\n\n${table(rows)}`;
}

const table = (rows: readonly string[]): string =>
  ['| field | type | default | |', '| --- | --- | --- | --- |', ...rows].join('\n');

function row(field: Field, shared: ReadonlySet<string>, support: Support, link: string | undefined): string {
  const { place, path, required, branch } = field;
  const value = place.schema.default ?? resolve(place).schema.default;
  const cells = [
    code(pathText(path)),
    typeOf(place, shared),
    required ? '_required_' : value === undefined ? '' : code(flow(value)),
    [
      ...(branch === undefined ? [] : [`${branch}:`]),
      prose(described(place, shared)),
      ...supportText(support),
      ...(link === undefined ? [] : [`→ [${link.replace(/\.md.*$/, '')}](${link})`]),
    ].join(' '),
  ];
  return `| ${cells.join(' | ')} |`;
}

/**
 * What the schema says about a field, else about its entries, with the rule about several fields that stands beside it: "Needs
 * exactly one of …".
 */
function described(place: Place, shared: ReadonlySet<string>): string {
  const target = resolve(place);
  const parts = [itemsOf(target), entriesOf(target)].flatMap((part) => (part ? [resolve(part).schema] : []));
  const schemas = [place.schema, target.schema, ...parts];
  const description = schemas.find((schema) => schema.description !== undefined)?.description ?? '';
  const ruleOf = (schema: Schema, word: string): readonly string[] => {
    const [, rule] = /^needs (.*)$/s.exec(schema['x-error'] ?? '') ?? [];
    return rule === undefined ? [] : [`${word} ${rule}.`];
  };
  // What has a table of its own has its rule there.
  const own = shared.has(target.definition ?? '') ? [] : ruleOf(target.schema, 'Needs');
  const rules = [...own, ...parts.flatMap((part) => ruleOf(part, 'Each needs'))];
  return [description, ...rules].join(' ');
}

function supportText({ notYet, processRefuses, processIgnores }: Support): readonly string[] {
  const says = (verdict: Support['notYet'], words: string): readonly string[] => {
    if (!verdict) return [];
    const { except, only } = verdict;
    const bounds = [
      ...(only === undefined ? [] : [` (${only})`]),
      ...(except.length === 0 ? [] : [`, except ${except.map((value) => code(flow(value))).join(', ')}`]),
    ];
    return [`_${words}_${bounds.join('')}.`];
  };
  return [
    ...says(notYet, 'Not supported yet'),
    ...says(processRefuses, 'Process runner: refused'),
    ...says(processIgnores, 'Process runner: passed over'),
  ];
}

function valuesSection(): string {
  const rows = namedValues().map((place) => {
    const { enum: listed, description = '', examples = [] } = place.schema;
    const values = (listed ?? examples).map((value) => code(flow(value))).join(', ');
    return `| ${valueName(place)} | ${prose(description)} | ${listed ? 'one of ' : ''}${values} |`;
  });
  const head = ['| value | how it is written | such as |', '| --- | --- | --- |'];
  return `## Values\n\n${[...head, ...rows].join('\n')}`;
}
