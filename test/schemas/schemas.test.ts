import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from 'js-yaml';
import {
  createAjv,
  createValidators,
  schemas,
  validators,
  type Documents,
  type Outcome,
  type SchemaName,
} from '../../src/schemas/index.ts';

type Json = Record<string, unknown>;

/** The keywords that the tests look at. */
interface Schema {
  readonly $id?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly const?: string;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly oneOf?: readonly Schema[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly 'x-error'?: string;
}

/** A schema within a file, with the place where it stands as a JSON pointer. */
interface Place {
  readonly file: string;
  readonly pointer: string;
  readonly schema: Schema;
  readonly isProperty: boolean;
}

const KINDS: Readonly<Record<SchemaName, Documents[SchemaName]['kind']>> = {
  job: 'Job',
  runnerset: 'RunnerSet',
  config: 'Config',
  jobstatus: 'JobStatus',
  runnersetstatus: 'RunnerSetStatus',
  outcome: 'Outcome',
  request: 'Request',
  plan: 'Plan',
  invalid: 'InvalidManifests',
  watchevent: 'WatchEvent',
};
const NAMES = Object.keys(KINDS) as SchemaName[];

const RESULTS = 'succeeded warning skipped failed timed-out cancelled error'.split(' ');
const REASONS = `ExitCode StartTimeout DeadlineExceeded ImagePullFailed InvalidPod Unschedulable NodeRejected StartError
  OOMKilled Evicted Preempted NodeLost PodDeleted ServiceUnhealthy UpstreamFailed UpstreamSkipped ConditionFalse Superseded JobRemoved PullRequestClosed CancelRequested
  Completed QueueTimeout StepTimeout TaskFailed Aborted ConcurrencySkipped InstantMissed Refused SecretMissing
  ControllerLost`.split(/\s+/);

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const escape = (key: string): string => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));

/**
 * Every schema below this one, itself included. A field may be called `default` or `examples`: what is a keyword follows
 * from the place alone.
 */
function* walk(place: Place): Generator<Place> {
  yield place;
  const { file, pointer, schema } = place;
  for (const [keyword, value] of Object.entries(schema)) {
    const at = `${pointer}/${keyword}`;
    if (['properties', '$defs'].includes(keyword) && isObject(value)) {
      for (const [key, sub] of Object.entries(value)) {
        yield* walk({
          file,
          pointer: `${at}/${escape(key)}`,
          schema: sub as Schema,
          isProperty: keyword === 'properties',
        });
      }
    } else if (['items', 'additionalProperties', 'propertyNames', 'not'].includes(keyword) && isObject(value)) {
      yield* walk({ file, pointer: at, schema: value, isProperty: false });
    } else if (['allOf', 'anyOf', 'oneOf'].includes(keyword) && Array.isArray(value)) {
      for (const [index, sub] of value.entries()) {
        yield* walk({ file, pointer: `${at}/${index}`, schema: sub as Schema, isProperty: false });
      }
    }
  }
}

const places = Object.entries(schemas).flatMap(([file, schema]) =>
  Array.from(walk({ file, pointer: '', schema, isProperty: false })),
);
const nameOf = ({ file, pointer }: Place): string => `${file}.json#${pointer}`;
const ajv = createAjv();

/** What is wrong with a value at a place; empty when nothing is. */
function problemsAt(place: Place, value: unknown): string {
  const validate = ajv.compile({ $ref: `https://runledger.dev/schemas/v1/${place.file}.json#${place.pointer}` });
  return validate(value) ? '' : `${nameOf(place)}: ${JSON.stringify(value)} ${ajv.errorsText(validate.errors)}`;
}

const test = suite('schemas');

test('every schema conforms to JSON Schema 2020-12 and compiles in strict mode', () => {
  for (const [name, schema] of Object.entries(schemas)) {
    assert.ok(ajv.validateSchema(schema), `${name}: ${ajv.errorsText()}`);
    assert.is(schema['$id'], `https://runledger.dev/schemas/v1/${name}.json`);
    assert.type(ajv.getSchema(String(schema['$id'])), 'function');
  }
});

test('references between files are relative', () => {
  for (const place of places) {
    const { $ref } = place.schema;
    if ($ref !== undefined) assert.match($ref, /^((?:common|job)\.json)?#\/\$defs\/\w+$/, nameOf(place));
  }
});

test('every document has complete examples of its kind', () => {
  for (const name of NAMES) {
    const examples = schemas[name]['examples'] as Json[];
    assert.ok(examples.length > 0, name);
    for (const example of examples) assert.is(example['kind'], KINDS[name]);
  }
});

test('every example is valid where it stands', () => {
  const problems = places.flatMap((place) => (place.schema.examples ?? []).map((value) => problemsAt(place, value)));
  assert.ok(problems.length > 500);
  assert.equal(problems.filter(Boolean), []);
});

test('every default is valid where it stands', () => {
  const withDefault = places.filter(({ schema }) => 'default' in schema);
  assert.ok(withDefault.length > 50);
  assert.equal(withDefault.map((place) => problemsAt(place, place.schema.default)).filter(Boolean), []);
});

test('every field has a title, a description and examples', () => {
  const isExplained = ({ title = '', description = '', examples = [] }: Schema): boolean =>
    title.length > 0 && description.length > 10 && examples.length > 0;
  const isField = ({ pointer, isProperty }: Place): boolean => isProperty && !pointer.includes('/not/');
  const isNamed = ({ pointer }: Place): boolean => /^(\/\$defs\/\w+)?$/.test(pointer);
  const fields = places.filter((place) => isField(place) || isNamed(place));
  assert.equal(fields.filter((place) => !isExplained(place.schema)).map(nameOf), ['common.json#']);
});

test('every object says what else it may hold', () => {
  const objects = places.filter(({ schema }) => schema.type === 'object' && !('$ref' in schema));
  assert.equal(objects.filter(({ schema }) => !('additionalProperties' in schema)).map(nameOf), []);
  const open = objects.filter(({ schema }) => schema.additionalProperties === true).map(nameOf);
  assert.equal(
    open.filter((name) => !/^common\.json#\/\$defs\/(podSpec|toleration)|\/notification\/properties\/body$/.test(name)),
    [],
  );
});

test('every pattern, and every rule about several fields, comes with its own words', () => {
  const needsWords = places.filter(
    ({ schema, pointer }) =>
      ('pattern' in schema && !pointer.endsWith('/not')) ||
      'not' in schema ||
      'anyOf' in schema ||
      'dependentRequired' in schema,
  );
  assert.ok(needsWords.length > 30);
  assert.equal(needsWords.filter(({ schema }) => typeof schema['x-error'] !== 'string').map(nameOf), []);
});

test('the branches of a union are told apart by their type, by one required field, or by their kind', () => {
  const target = (branch: Schema): Schema => {
    const pointer = branch.$ref?.replace(/^.*#/, '');
    return places.find((place) => place.pointer === pointer)?.schema ?? branch;
  };
  const mark = (branch: Schema): string => {
    const { type, properties, required } = target(branch);
    return `${branch.type ?? type} ${properties?.['kind']?.const ?? required?.[0]}`;
  };
  for (const place of places) {
    const branches = place.schema.oneOf ?? [];
    const types = new Set(branches.map(({ type }) => type));
    const marks = new Set(branches.map(mark));
    assert.ok(types.size === branches.length || marks.size === branches.length, nameOf(place));
  }
});

test('results and reasons are the agreed ones', () => {
  const { $defs }: Schema = schemas.common;
  assert.equal($defs?.['result']?.enum, RESULTS);
  assert.equal($defs?.['reason']?.enum, REASONS);
});

test('validators are compiled once, on first use', () => {
  const own = createValidators();
  assert.is(own.job, own.job);
  assert.is.not(own.job, validators.job);
  assert.is(own.invalid({ apiVersion: 'runledger.dev/v1', kind: 'InvalidManifests', items: [] }), true);
});

// What follows is about documents as people and the program write them.

const FULL_JOB = `
apiVersion: runledger.dev/v1
kind: Job
metadata:
  name: nightly-report
  labels: { team: data }
  annotations: { example.com/owner: data@example.com }
spec:
  description: Builds the nightly report
  suspend: false
  on:
    commit: true
    schedule: { cron: "30 2 * * 1-5", timeZone: Europe/Zurich, catchUp: latest, maxCatchUp: 10, deadline: 1h }
    pullRequest: true
  needs: [build, { job: fetch, results: [succeeded, warning] }]
  if: "trigger.kind != 'schedule'"
  checkout: true
  concurrency: { group: reports, policy: queue }
  priority: 0
  parameters:
    REGION: { default: eu, enum: [eu, us], message: "eu or us" }
  env:
    LOG_LEVEL: info
    TOKEN: { secret: { name: report, key: token } }
  files:
    - { path: conf/report.yaml, content: "...", mode: "0644" }
    - { path: bin/report.sh, from: ../scripts/report.sh, mode: "0755" }
    - { path: ssh/id, secret: { name: deploy, key: id_ed25519 }, mode: "0400" }
  image: alpine:3.20
  user: 65532
  steps:
    - { name: extract, image: python:3.13, run: "python extract.py", env: {}, workingDirectory: ., timeout: 10m, shell: [/bin/sh, -e] }
    - { name: load, command: [/load], args: [--all], if: "params.REGION == 'eu'", user: 1000 }
  finally:
    - { name: notify, when: onFailure, run: "./notify" }
  services:
    postgres:
      image: postgres:16
      command: [postgres]
      args: [-c, fsync=off]
      user: 999
      resources: { limits: { memory: 512Mi } }
      env: { POSTGRES_PASSWORD: test }
      tmpfs: [/var/lib/postgresql/data]
      health: { command: [pg_isready], interval: 1s, timeout: 5s, retries: 30 }
  hooks: { before: "./prepare", after: "./clean" }
  tasks: [unit, { name: browser, slots: 4, env: { SUITE: browser } }]
  maxParallel: 4
  slots: 1
  abort: never
  runsOn: linux-small
  resources: { requests: { cpu: 500m }, limits: { memory: 1Gi } }
  timeouts: { queue: 1h, start: 5m, run: 1h, grace: 30s, finally: 1m }
  retry: { limit: 2, on: [exit], backoff: 10s, maxBackoff: 5m, infrastructure: 0 }
  exitCodes: { warning: [42], skipped: [43] }
  artifacts: { paths: ["out/**"] }
  logs: { maxBytes: 256Ki, maxRunBytes: 4Mi, maxLine: 16Ki, upload: whenTrimmed }
  pod: { serviceAccountName: reporter, nodeSelector: {}, tolerations: [] }
  keep: { runs: 50, for: 180d, artifacts: 180d }
`;

/** A copy of a document with the values at these paths replaced; `undefined` removes one. */
function changed(document: unknown, changes: Readonly<Record<string, unknown>>): unknown {
  const copy = structuredClone(document) as Json;
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.split('/');
    const last = keys.pop() ?? '';
    const parent = keys.reduce<Json>((node, key) => node[key] as Json, copy);
    if (value === undefined) delete parent[last];
    else parent[last] = value;
  }
  return copy;
}

const fullJob = (changes: Readonly<Record<string, unknown>> = {}): unknown => changed(load(FULL_JOB), changes);
const errorsOf = (name: SchemaName, document: unknown): string =>
  validators[name](document) ? '' : ajv.errorsText(validators[name].errors);

const JOB_VARIANTS: readonly (readonly [name: string, changes: Readonly<Record<string, unknown>>])[] = [
  ['as it stands', {}],
  ['run instead of steps', { 'spec/steps': undefined, 'spec/run': 'echo "::set-outcome-var rows=$(./report)"\n' }],
  [
    'a matrix instead of tasks',
    { 'spec/tasks': undefined, 'spec/matrix': { node: [22, 24], include: [], exclude: [] } },
  ],
  ['several schedules', { 'spec/on/schedule': [{ cron: '@daily' }, { cron: '0 0 * * *', catchUp: 'none' }] }],
  ['triggers with paths', { 'spec/on/commit': { paths: ['data/**'] }, 'spec/on/pullRequest': { paths: ['src/**'] } }],
  ['no triggers at all', { 'spec/on': {} }],
  ['checkout of some files', { 'spec/checkout': ['src/**', '*.md'] }],
  ['a parameter with a pattern', { 'spec/parameters/REGION': { pattern: '^[a-z]+$' } }],
  ['a runner set with a way out', { 'spec/runsOn': { set: 'linux-small', fallback: 'pod' } }],
  ['health by TCP', { 'spec/services/postgres/health': { tcp: 5432 } }],
  ['health by HTTP', { 'spec/services/postgres/health': { http: { port: 80, path: '/' } } }],
  ['retries for particular exit codes', { 'spec/retry/on': ['timeout', { exitCodes: [75] }] }],
  ['plain numbers as quantities', { 'spec/resources/requests/cpu': 2, 'spec/logs/maxBytes': 65536 }],
  ['fields of a pod that the schema does not know', { 'spec/pod/shareProcessNamespace': true }],
  ['a file at an absolute path', { 'spec/files/0/path': '/etc/report.yaml' }],
];

for (const [name, changes] of JOB_VARIANTS) {
  test(`the full job is valid: ${name}`, () => assert.is(errorsOf('job', fullJob(changes)), ''));
}

const BROKEN_JOBS: readonly (readonly [name: string, changes: Readonly<Record<string, unknown>>, words?: string])[] = [
  ['another API version', { apiVersion: 'runledger.dev/v2' }],
  ['no name', { 'metadata/name': undefined }],
  ['a name with capitals', { 'metadata/name': 'Nightly' }, 'is not a DNS label'],
  ['a name of 41 characters', { 'metadata/name': 'a'.repeat(41) }],
  ['an unknown field', { 'spec/step': [] }],
  ['run and steps', { 'spec/run': 'true' }, 'has both run and steps; keep one'],
  ['neither run nor steps', { 'spec/steps': undefined }, 'has nothing to execute; write run or steps'],
  ['tasks and matrix', { 'spec/matrix': { node: [22] } }, 'has both tasks and matrix; keep one'],
  ['a step with run and command', { 'spec/steps/0/command': ['true'] }, 'has both run and command; keep one'],
  ['a step with neither', { 'spec/steps/0': { name: 'idle' } }, 'has nothing to execute; write run or command'],
  ['args without command', { 'spec/steps/0/args': ['-v'] }, 'has args without command'],
  ['shell without run', { 'spec/steps/1/shell': ['/bin/sh'] }, 'has shell without run'],
  ['a step without a name', { 'spec/steps/0/name': undefined }],
  ['a duration in words', { 'spec/timeouts/run': '5 minutes' }, 'is not a duration; write 5m, 90s, 1h30m or 180d'],
  ['an empty duration', { 'spec/timeouts/run': '' }, 'is not a duration'],
  ['a duration in the wrong order', { 'spec/timeouts/run': '30m1h' }, 'is not a duration'],
  ['a duration as a number', { 'spec/timeouts/run': 300 }, 'is not a duration'],
  ['a cron expression with four fields', { 'spec/on/schedule/cron': '30 2 * *' }, 'is not a cron expression'],
  ['an unknown trigger', { 'spec/on/push': true }],
  ['an unknown result in needs', { 'spec/needs/1/results': ['ok'] }],
  ['an unknown policy', { 'spec/concurrency/policy': 'wait' }],
  ['a parameter in lower case', { 'spec/parameters': { region: {} } }, 'is not a parameter name'],
  [
    'a parameter with enum and pattern',
    { 'spec/parameters/REGION/pattern': '.' },
    'has both enum and pattern; keep one',
  ],
  ['a variable with a hyphen', { 'spec/env': { 'LOG-LEVEL': 'info' } }, 'is not a name for an environment variable'],
  ['a reserved variable', { 'spec/env': { RUNLEDGER_JOB: 'x' } }, 'is reserved'],
  ['a variable with a number', { 'spec/env': { PORT: 5432 } }],
  ['a variable with half a reference', { 'spec/env': { TOKEN: { secret: { name: 'report' } } } }],
  ['a file with two contents', { 'spec/files/0/from': 'a' }, 'needs exactly one of content, from and secret'],
  ['a file without content', { 'spec/files/0/content': undefined }, 'needs exactly one of content, from and secret'],
  ['a file that leaves its folder', { 'spec/files/0/path': 'a/../../b' }, 'is not the path of a file'],
  ['a file mode without quotes', { 'spec/files/0/mode': 420 }, 'is not a file mode'],
  ['a pattern that leaves the folder', { 'spec/artifacts/paths': ['../**'] }, 'is not a pattern for files'],
  ['health in two ways', { 'spec/services/postgres/health/tcp': 5432 }, 'needs exactly one of command, tcp and http'],
  ['a service without an image', { 'spec/services/postgres/image': undefined }],
  ['a matrix key without values', { 'spec/tasks': undefined, 'spec/matrix': { node: [] } }],
  ['no tasks', { 'spec/tasks': [] }],
  ['a quantity with an unknown suffix', { 'spec/resources/limits/memory': '1GB' }, 'is not a quantity'],
  ['exit code 0 as a warning', { 'spec/exitCodes/warning': [0] }],
  ['a runner set with another way out', { 'spec/runsOn': { set: 'linux-small', fallback: 'none' } }],
];

for (const [name, changes, words] of BROKEN_JOBS) {
  test(`a job is refused: ${name}`, () => {
    assert.is(validators.job(fullJob(changes)), false);
    const said = (validators.job.errors ?? []).map(({ parentSchema }) => String(parentSchema?.['x-error'] ?? ''));
    if (words !== undefined)
      assert.ok(
        said.some((text) => text.startsWith(words)),
        said.join(' | '),
      );
  });
}

const example = (name: SchemaName, index = 0): unknown => (schemas[name]['examples'] as unknown[])[index];

const BROKEN_OTHERS: readonly (readonly [SchemaName, string, unknown])[] = [
  ['runnerset', 'no maxRunners', changed(example('runnerset'), { 'spec/maxRunners': undefined })],
  ['config', 'no sources', changed(example('config'), { sources: [] })],
  ['config', 'url and dir', changed(example('config'), { 'sources/0/url': 'https://git.example.com/jobs.git' })],
  [
    'config',
    'a password in the address',
    changed(example('config', 1), { 'sources/0/url': 'https://me:secret@git.example.com/jobs.git' }),
  ],
  ['config', 'a password in the file', changed(example('config', 1), { 'sources/0/auth': { passwordFrom: 'secret' } })],
  ['config', 'a password and a token', changed(example('config', 1), { 'sources/0/auth/tokenFrom': { env: 'T' } })],
  ['config', 'two stores', changed(example('config', 1), { 'artifacts/store/directory': '/artifacts' })],
  ['jobstatus', 'an unknown phase', changed(example('jobstatus'), { phase: 'Done' })],
  [
    'jobstatus',
    'eleven runs',
    changed(example('jobstatus'), {
      lastRuns: Array.from({ length: 11 }, () => (example('jobstatus') as { lastRuns: unknown[] }).lastRuns[0]),
    }),
  ],
  ['jobstatus', 'run 0 next', changed(example('jobstatus'), { nextRun: 0 })],
  ['outcome', 'no tasks', changed(example('outcome'), { tasks: [] })],
  ['outcome', 'no exit code, not even null', changed(example('outcome'), { exitCode: undefined })],
  ['outcome', 'an unknown reason', changed(example('outcome'), { reason: 'Failed' })],
  ['outcome', 'a digest of another kind', changed(example('outcome'), { 'source/digest': `sha256:${'0'.repeat(64)}` })],
  ['outcome', 'an abbreviated revision', changed(example('outcome'), { 'source/revision': '4f0c2d9' })],
  ['outcome', 'a time with an offset', changed(example('outcome'), { 'times/finished': '2026-11-20T02:31:10+01:00' })],
  ['outcome', 'a trigger without its field', changed(example('outcome'), { trigger: { kind: 'schedule' } })],
  ['outcome', "a trigger with another's field", changed(example('outcome'), { 'trigger/revision': 'none' })],
  ['request', 'cancel with params', changed(example('request', 1), { params: { REGION: 'us' } })],
  ['request', 'an unknown action', changed(example('request'), { action: 'stop' })],
  ['plan', 'totals that leave something out', changed(example('plan'), { 'totals/wait': undefined })],
  ['plan', 'a reason of several words', changed(example('plan'), { 'actions/0/reason': 'spec changed' })],
  ['invalid', 'a problem without a place', changed(example('invalid'), { 'items/0/line': undefined })],
  ['watchevent', 'a type that there is not', changed(example('watchevent'), { type: 'done' })],
];

for (const [name, what, document] of BROKEN_OTHERS) {
  test(`${name}.json refuses: ${what}`, () => assert.is(validators[name](document), false));
}

test('an outcome is known by its type once it is valid', () => {
  const document: unknown = example('outcome', 1);
  assert.ok(validators.outcome(document));
  const outcome: Outcome = document;
  assert.is(outcome.trigger.kind, 'commit');
  assert.is(errorsOf('plan', changed(example('plan'), { ledger: null })), '');
  assert.is(errorsOf('plan', changed(example('plan'), { 'ledger/head': null })), '');
  for (const revision of ['none', `${'a'.repeat(40)}+dirty`, 'a'.repeat(64)]) {
    assert.is(errorsOf('outcome', changed(document, { 'source/revision': revision })), '');
  }
});

test.run();
