import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseManifests } from '../../src/job/parse.ts';
import { jobYaml, saidOf, saidOfSpec } from './world.ts';

const format = suite('messages: form');

format('a problem names file, line, column, field, what is wrong and what would be right', () => {
  const { documents } = parseManifests(
    'jobs/a.yaml',
    Buffer.from(
      jobYaml('a', 'run: x', 'image: y', '', 'env: {}', '# the next line is 11', 'timeouts: { run: 5 minutes }'),
    ),
    { wasManifest: false },
  );
  const [document] = documents;
  assert.equal(document && 'problems' in document && document.problems, [
    {
      file: 'jobs/a.yaml',
      line: 11,
      column: 20,
      field: 'spec.timeouts.run',
      message: '"5 minutes" is not a duration; write 5m',
    },
  ]);
});

format('no message is longer than 200 characters, whatever the values', () => {
  const long = 'x'.repeat(5000);
  const said = saidOf(
    jobYaml(
      'a',
      `abort: ${long}`,
      `image: "a ${long}"`,
      `timeouts: { run: ${long} }`,
      `env: { ${long}-: y }`,
      `parameters: { A: { enum: [${long}, b], default: c } }`,
      `files: [{ path: b, from: ../../${long} }]`,
      `${long}: 1`,
      'run: x',
    ),
  );
  assert.is(said.length, 8);
  for (const line of said) assert.ok(line.replace(/^\d+:\d+: [^:]*: /, '').length <= 200, line);
});

format('of very many problems the first fifty are listed', () => {
  const said = saidOfSpec('run: x', 'env:', ...Array.from({ length: 60 }, (_, index) => `  V${index}: ${index}`));
  assert.is(said.length, 51);
  assert.is(said[0], '1:1: 10 more problems are not listed');
});

format.run();

interface Case {
  readonly name: string;
  readonly spec: readonly string[];
  readonly says: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: 'unknown fields',
    spec: ['run: x', 'imge: y', 'environment: {}', 'schedule: {}', 'timeout: 5m', '<<: {}'],
    says: [
      '7:3: spec.imge: unknown field; did you mean "image"?',
      '8:3: spec.environment: unknown field; did you mean "env"?',
      '9:3: spec.schedule: unknown field; did you mean "on.schedule"?',
      '10:3: spec.timeout: unknown field; did you mean "timeouts.run"?',
      '11:3: spec["<<"]: merge keys (<<) are not part of YAML 1.2; write the fields out, or use an alias for a whole value',
    ],
  },
  {
    name: 'an unknown field with nothing near it',
    spec: ['run: x', 'keep: { banana: 1 }'],
    says: ['7:11: spec.keep.banana: unknown field; known here: runs, for, artifacts'],
  },
  {
    name: 'types',
    spec: [
      'run: 5',
      'image:',
      'user: "65532"',
      'suspend: yes',
      'steps: x',
      'env: [a]',
      'priority: 1.5',
      'timeouts: { run: 90 }',
    ],
    says: [
      '5:1: spec: has both run and steps; keep one',
      '6:8: spec.run: 5 is a number, not a string; write "5"',
      '7:3: spec.image: is empty; write a string',
      '8:9: spec.user: "65532" is a string, not a whole number; write 65532',
      '9:12: spec.suspend: "yes" is a string, not true or false; write true',
      '10:10: spec.steps: "x" is a string, not a list; write ["x"]',
      '11:8: spec.env: is a list; write a mapping',
      '12:13: spec.priority: 1.5 is a number, not a whole number',
      '13:20: spec.timeouts.run: 90 is a number, not a duration; write 1m30s',
    ],
  },
  {
    name: 'variables',
    spec: [
      'run: x',
      'env:',
      '  A: 1',
      '  B: true',
      '  C:',
      '  D: [x]',
      '  F-G: x',
      '  RUNLEDGER_JOB: x',
      '  E: { secret: { nme: s } }',
    ],
    says: [
      '8:8: spec.env.A: 1 is a number, not a string; write "1"',
      '9:8: spec.env.B: true is a boolean, not a string; write "true"',
      '10:5: spec.env.C: is empty; write a string or a mapping',
      '11:8: spec.env.D: is a list; write a string or a mapping',
      '12:5: spec.env.F-G: "F-G" is not a name for an environment variable; write F_G',
      '13:5: spec.env.RUNLEDGER_JOB: "RUNLEDGER_JOB" is reserved; variables that begin with RUNLEDGER_ are set by runledger',
      '14:10: spec.env.E.secret.key: is missing',
      '14:10: spec.env.E.secret.name: is missing',
      '14:20: spec.env.E.secret.nme: unknown field; did you mean "name"?',
    ],
  },
  { name: 'nothing to execute', spec: ['image: x'], says: ['5:1: spec: has nothing to execute; write run or steps'] },
  {
    name: 'steps',
    spec: [
      'steps:',
      '  - run: x',
      '  - name: b',
      '  - { name: c, run: x, command: [y] }',
      '  - { name: d, run: x, args: [y] }',
      '  - { name: e, command: y }',
      '  - f',
    ],
    says: [
      '7:7: spec.steps[0].name: is missing',
      '8:7: spec.steps[1]: has nothing to execute; write run or command',
      '9:7: spec.steps[2]: has both run and command; keep one',
      '10:26: spec.steps[3].args: has args without command; args only go with command',
      '11:27: spec.steps[4].command: "y" is a string, not a list; write ["y"]',
      '12:7: spec.steps[5]: "f" is a string, not a mapping',
    ],
  },
  {
    name: 'two ways to fan out, and a shell for what needs none',
    spec: [
      'steps: [{ name: a, command: [x], shell: [sh] }]',
      'finally: [{ name: b, command: [x], shell: [sh] }]',
      'tasks: [a]',
      'matrix: { b: [1] }',
    ],
    says: [
      '5:1: spec: has both tasks and matrix; keep one',
      '6:36: spec.steps[0].shell: has shell without run; shell only goes with run',
      '7:38: spec.finally[0].shell: has shell without run; shell only goes with run',
    ],
  },
  {
    name: 'names of steps, and where they work',
    spec: [
      'steps:',
      '  - { name: b, run: x }',
      '  - { name: b, run: x, workingDirectory: ../.. }',
      '  - { name: B_1, run: x }',
    ],
    says: [
      '8:15: spec.steps[1].name: "b" is the name of another step already',
      '8:44: spec.steps[1].workingDirectory: "../.." leaves the workspace',
      '9:15: spec.steps[2].name: "B_1" is not a DNS label; write b-1',
    ],
  },
  {
    name: 'choices',
    spec: [
      'run: x',
      'abort: onFailre',
      'concurrency: { policy: wait }',
      'retry: { on: [exitt, { exitCodes: [0] }, 3] }',
    ],
    says: [
      '7:10: spec.abort: "onFailre" is not one of never, onFailure and onWarning; did you mean "onFailure"?',
      '8:26: spec.concurrency.policy: "wait" is not one of queue, replace, skip and allow',
      '9:17: spec.retry.on[0]: "exitt" is not one of exit and timeout; did you mean "exit"?',
      '9:38: spec.retry.on[1].exitCodes[0]: 0 is too small; the least is 1',
      '9:44: spec.retry.on[2]: 3 is a number, not exit, timeout or a mapping',
    ],
  },
  {
    name: 'sizes and quantities',
    spec: [
      'run: x',
      'logs: { maxBytes: 256KB, maxRunBytes: 1Gi, maxLine: 1 }',
      'resources: { limits: { memory: 1 GiB, cpu: -1 } }',
      'exitCodes: { warning: [43, 300, 43] }',
      'keep: { runs: 0, for: 0d }',
    ],
    says: [
      '7:21: spec.logs.maxBytes: "256KB" is not a size; write 256k',
      '7:41: spec.logs.maxRunBytes: "1Gi" is too large; the most is 64Mi',
      '7:55: spec.logs.maxLine: 1 is too small; the least is 128',
      '8:34: spec.resources.limits.memory: "1 GiB" is not a quantity; write 1Gi',
      '8:46: spec.resources.limits.cpu: -1 is too small; the least is 0',
      '9:30: spec.exitCodes.warning[1]: 300 is too large; the most is 255',
      '9:35: spec.exitCodes.warning[2]: 43 is in the list twice',
      '10:17: spec.keep.runs: 0 is too small; the least is 1',
      '10:25: spec.keep.for: "0d" is no time at all; write at least 1s',
    ],
  },
  {
    name: 'a code with two meanings',
    spec: ['run: x', 'exitCodes: { warning: [43] }'],
    says: ['7:25: spec.exitCodes.warning: 43 means both warning and skipped; keep one'],
  },
  {
    name: 'durations',
    spec: ['run: x', 'timeouts: { queue: 0s, start: 25d, grace: 0s }', 'retry: { backoff: 10m }'],
    says: [
      '7:22: spec.timeouts.queue: "0s" is no time at all; write at least 1s',
      '7:33: spec.timeouts.start: "25d" is too long; the most is 24d',
      '8:21: spec.retry.backoff: "10m" is longer than maxBackoff, 5m',
    ],
  },
  {
    name: 'files',
    spec: [
      'run: x',
      'files:',
      '  - { path: a, content: x, from: y }',
      '  - { path: ../x, content: "" }',
      '  - { path: b, content: x, mode: 0644 }',
      '  - { path: c, content: x, mode: rw }',
      '  - { path: d, content: x }',
      '  - { path: ./d, content: x }',
      '  - { path: d/e, content: x }',
      '  - { path: /proc/x, content: x }',
      '  - { path: /runledger/files/f, content: x }',
      '  - { path: g, from: ../../g }',
      '  - { path: h, from: /h }',
    ],
    says: [
      '8:7: spec.files[0]: needs exactly one of content, from and secret',
      '9:15: spec.files[1].path: "../x" is not the path of a file; write it without .. and without a trailing /, such as conf/report.yaml',
      '10:36: spec.files[2].mode: 644 is a number, not a string; write "0644"',
      '11:36: spec.files[3].mode: "rw" is not a file mode; write four octal digits in quotes, such as "0644"',
      '18:24: spec.files[10].from: "/h" is not a relative path; write it from the folder of this manifest, such as ../scripts/report.sh',
    ],
  },
  {
    name: 'places of files',
    spec: [
      'run: x',
      'files:',
      '  - { path: d, content: x }',
      '  - { path: ./d, content: x }',
      '  - { path: d/e, content: x }',
      '  - { path: f/g, content: x }',
      '  - { path: f, content: x }',
      '  - { path: /proc/x, content: x }',
      '  - { path: /runledger/files/f, content: x }',
      '  - { path: g, from: ../../g }',
    ],
    says: [
      '9:15: spec.files[1].path: "./d" is written twice',
      '10:15: spec.files[2].path: "d/e" lies below "d", which is a file',
      '12:15: spec.files[4].path: "f" is the folder of another file already',
      '13:15: spec.files[5].path: "/proc/x" lies in a folder that is not the job\'s',
      '14:15: spec.files[6].path: "/runledger/files/f" lies in a folder that is not the job\'s; write f',
      '15:24: spec.files[7].from: "../../g" leaves the repository',
    ],
  },
  {
    name: 'parameters',
    spec: [
      'run: x',
      'parameters:',
      '  A: { default: e, enum: [eu, us] }',
      '  B: { default: e, enum: [eu, us], message: eu or us }',
      '  C: { enum: [x] }',
      '  D: { pattern: "(", default: x }',
      '  E: { pattern: "^[0-9]+$", default: x, message: digits }',
      '  F: { pattern: "^(a+)+$", default: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa! }',
      `  G: { pattern: "${'a'.repeat(201)}", default: x }`,
      '  H: {}',
    ],
    says: [
      '8:19: spec.parameters.A.default: "e" is not one of eu and us; did you mean "eu"?',
      '9:19: spec.parameters.B.default: "e" is not one of eu and us: eu or us',
      '10:5: spec.parameters.C: has no default, and a run that starts by itself needs one',
      '11:19: spec.parameters.D.pattern: "(" is not a regular expression: unterminated group',
      '12:40: spec.parameters.E.default: "x" does not match ^[0-9]+$: digits',
      '13:39: spec.parameters.F.default: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" takes too long to compare with the pattern; simplify the pattern',
      `14:19: spec.parameters.G.pattern: "${'a'.repeat(59)}…" has 201 characters; at most 200 are allowed`,
    ],
  },
  {
    name: 'values of parameters that no process can be given, or that are too long',
    spec: [
      'run: x',
      'parameters:',
      `  A: { default: ${'a'.repeat(4_097)} }`,
      `  B: { enum: [b, ${'b'.repeat(5_000)}], default: b }`,
      `  C: { pattern: x, default: ${'x'.repeat(1_001)} }`,
      '  D: { enum: [], default: x }',
      '  E: { enum: [a, a], default: a }',
      '  F: { pattern: "[a-", default: a }',
      '  G: { default: [a] }',
      '  H: { defualt: a }',
    ],
    says: [
      `8:19: spec.parameters.A.default: "${'a'.repeat(59)}…" has 4097 bytes; a parameter may have 4096`,
      `9:20: spec.parameters.B.enum[1]: "${'b'.repeat(59)}…" has 5000 bytes; a parameter may have 4096`,
      `10:31: spec.parameters.C.default: "${'x'.repeat(59)}…" has more than 1000 characters`,
      '11:16: spec.parameters.D.enum: has no entries; write at least one',
      '12:20: spec.parameters.E.enum[1]: "a" is in the list twice',
      '13:19: spec.parameters.F.pattern: "[a-" is not a regular expression: unterminated character class',
      '14:19: spec.parameters.G.default: is a list; write a string',
      '15:10: spec.parameters.H.defualt: unknown field; did you mean "default"?',
    ],
  },
  {
    name: 'a parameter without a default is fine where no run starts by itself',
    spec: ['run: x', 'on: {}', 'parameters: { C: { enum: [x] } }'],
    says: [],
  },
  {
    name: 'names of parameters, and both ways to limit them',
    spec: ['run: x', 'parameters:', '  region: {}', '  A: { enum: [a], pattern: b, default: 3 }'],
    says: [
      '8:5: spec.parameters.region: "region" is not a parameter name; write REGION',
      '9:5: spec.parameters.A: has both enum and pattern; keep one',
      '9:42: spec.parameters.A.default: 3 is a number, not a string; write "3"',
    ],
  },
  {
    name: 'expressions in scripts',
    spec: [
      'steps:',
      '  - name: a',
      '    run: |',
      '      echo ${{ params.REGION }}',
      '  - { name: b, run: "echo ${{ matrix.node }}" }',
      '  - { name: c, run: "echo ${{ needs.x.vars.y }}" }',
      '  - { name: d, run: "echo ${{ job.name }} ${HOME} $((1 + 1))" }',
    ],
    says: [
      '8:12: spec.steps[0].run: ${{ params.REGION }} is not filled in within scripts; write $RUNLEDGER_PARAM_REGION',
      '10:23: spec.steps[1].run: ${{ matrix.node }} is not filled in within scripts; write $RUNLEDGER_MATRIX_NODE',
      '11:23: spec.steps[2].run: ${{ needs.x.vars.y }} is not filled in within scripts; set a variable in env and read that',
      '12:23: spec.steps[3].run: ${{ job.name }} is not filled in within scripts; write $RUNLEDGER_JOB',
    ],
  },
  {
    name: 'expressions elsewhere',
    spec: [
      'run: x',
      'description: shows ${{ params.X }} as it is',
      'image: "a:${{ run.number }}"',
      'on: { commit: { paths: ["${{ params.X }}"] } }',
    ],
    says: ['9:27: spec.on.commit.paths[0]: ${{ }} is not filled in here; write the value out'],
  },
  {
    name: 'services beside steps',
    spec: [
      'steps: [{ name: test, run: x }, { name: runledger-gate, run: x }]',
      'finally: [{ name: tell, run: x }]',
      'services:',
      '  test: { image: x }',
      '  tell: { image: "x y" }',
      '  runledger-db: { image: x }',
      '  db: { image: x, tmpfs: [/a, /b/../a, "/b:c", /runledger/home, /runledgers] }',
      '  web: { image: x, health: { tcp: 80, interval: 0s, timeout: 25d } }',
    ],
    says: [
      '6:43: spec.steps[1].name: "runledger-gate" is reserved; names that begin with runledger- are not free',
      '9:5: spec.services.test: "test" is the name of a step already',
      '10:5: spec.services.tell: "tell" is the name of a step already',
      '10:20: spec.services.tell.image: "x y" is not an image; it holds white space',
      '11:5: spec.services.runledger-db: "runledger-db" is reserved; names that begin with runledger- are not free',
      '12:33: spec.services.db.tmpfs[1]: "/a" is in the list twice',
      '12:42: spec.services.db.tmpfs[2]: "/b:c" holds a colon, which no mount can have',
      '12:50: spec.services.db.tmpfs[3]: "/runledger/home" belongs to runledger; use another folder',
      '13:51: spec.services.web.health.interval: "0s" is no time at all; write at least 1s',
      '13:64: spec.services.web.health.timeout: "25d" is too long; the most is 24d',
    ],
  },
  {
    name: 'services',
    spec: [
      'run: x',
      'services:',
      '  Redis: { image: x }',
      '  api: { image: x, health: { tcp: 80, http: { port: 80 }, retries: 0 } }',
      '  db: { tmpfs: [a] }',
      '  web: { image: x, health: { http: { path: a } }, steps: [] }',
    ],
    says: [
      '8:5: spec.services.Redis: "Redis" is not a DNS label; write redis',
      '9:22: spec.services.api.health: needs exactly one of command, tcp and http',
      '9:70: spec.services.api.health.retries: 0 is too small; the least is 1',
      '10:5: spec.services.db.image: is missing',
      '10:19: spec.services.db.tmpfs[0]: "a" is not an absolute path; write it with a leading / and no trailing one, such as /var/cache',
      '11:32: spec.services.web.health.http.port: is missing',
      '11:46: spec.services.web.health.http.path: "a" is not a path; it starts with /',
      '11:53: spec.services.web.steps: unknown field; known here: image, command, args, env, user, resources, tmpfs, health',
    ],
  },
  {
    name: 'strings that no process can be given',
    spec: ['run: "a\\0b"', 'env: { A: "\\ud800", __proto__: x }', 'image: "alpine 3.20"'],
    says: [
      '6:8: spec.run: holds a NUL character, which no process can be given',
      '7:13: spec.env.A: holds half of a surrogate pair, which is no character',
      '7:23: spec.env.__proto__: this name is not allowed',
      '8:10: spec.image: "alpine 3.20" is not an image; it holds white space',
    ],
  },
  {
    name: 'content that is too large for a run',
    spec: [`run: ${'x'.repeat(600_000)}`, `files: [{ path: a, content: "${'x'.repeat(410_000)}" }]`],
    says: ['5:1: spec: scripts and files have 1 MB together; a run can carry 1 MB'],
  },
  {
    name: 'what the schema refuses hides nothing of what the rules say elsewhere',
    spec: [
      'steps:',
      '  - { name: a, run: x }',
      '  - { name: a, run: 5 }',
      'timeouts: { run: 0s, queue: soon }',
      'user: -1',
    ],
    says: [
      '8:15: spec.steps[1].name: "a" is the name of another step already',
      '8:23: spec.steps[1].run: 5 is a number, not a string; write "5"',
      '9:20: spec.timeouts.run: "0s" is no time at all; write at least 1s',
      '9:31: spec.timeouts.queue: "soon" is not a duration; write 5m, 90s, 1h30m or 180d',
      '10:9: spec.user: -1 is too small; the least is 0',
    ],
  },
];

const specs = suite('messages: specs');
for (const { name, spec, says } of CASES) specs(name, () => assert.equal(saidOfSpec(...spec), says));
specs.run();

const later = suite('messages: what needs machinery');

later('a value that equals the default is fine', () => {
  const said = saidOfSpec(
    'run: x',
    'on: { commit: true, pullRequest: { paths: [a] } }',
    'needs: []',
    'checkout: false',
    'concurrency: { policy: queue }',
    'priority: 0',
    'finally: []',
    'services: {}',
    'slots: 1',
    'maxParallel: 4',
    'abort: never',
    'retry: { limit: 0, infrastructure: 0, on: [timeout], backoff: 1s }',
    'logs: { upload: never, maxBytes: 1Mi }',
    'keep: { runs: 3, for: 1d, artifacts: 180d }',
    'pod: { serviceAccountName: x }',
  );
  assert.equal(said, []);
});

later('schedules and needs are judged all the same', () => {
  assert.equal(
    saidOfSpec(
      'run: x',
      'needs: [a, b, { job: b }]',
      'on:',
      '  schedule:',
      '    - { cron: "61 * * * *", timeZone: Europe/Zurch }',
      '    - { cron: "0 0 31 2 *", deadline: 0s }',
    ),
    [
      "7:11: spec.needs[0]: a job can't need itself",
      '7:24: spec.needs[2].job: "b" is in the list twice',
      '10:17: spec.on.schedule[0].cron: "61 * * * *": "61" is no minute, 0 to 59',
      '10:41: spec.on.schedule[0].timeZone: "Europe/Zurch" is not a time zone; did you mean "Europe/Zurich"?',
      '11:17: spec.on.schedule[1].cron: "0 0 31 2 *" never comes: no such month has a day 31',
      '11:41: spec.on.schedule[1].deadline: "0s" is no time at all; write at least 1s',
    ],
  );
});

later.run();

const documents = suite('messages: documents');

const head = (...lines: readonly string[]): readonly string[] => saidOf(`${lines.join('\n')}\n`);

documents('versions and kinds', () => {
  assert.equal(head('apiVersion: runledger.dev/v2', 'kind: Job', 'metadata: { name: a }'), [
    '1:13: apiVersion: "runledger.dev/v2" is not known; this version reads runledger.dev/v1',
  ]);
  assert.equal(head('apiVersion: runledger.dev/v1', 'metadata: { name: a }'), ['1:1: kind: is missing; write Job']);
  assert.equal(head('apiVersion: runledger.dev/v1', 'kind: Jobs'), [
    '2:7: kind: "Jobs" is not a kind of manifest; did you mean "Job"?',
  ]);
  assert.equal(head('apiVersion: runledger.dev/v1', 'kind: Deployment'), [
    '2:7: kind: "Deployment" is not a kind of manifest; write Job',
  ]);
  assert.equal(head('apiVersion: runledger.dev/v1', 'kind: Config'), [
    '2:7: kind: a Config is never read from a source; give it to runledger itself',
  ]);
  assert.equal(head('apiVersion: runledger.dev/v1', 'kind: Outcome'), [
    '2:7: kind: "Outcome" is what runledger writes to the ledger; it is no manifest',
  ]);
});

documents('names and labels', () => {
  assert.equal(
    head(
      'apiVersion: runledger.dev/v1',
      'kind: Job',
      'metadata:',
      '  name: Nightly Report',
      '  labels: { a b: c, runledger.dev/x: y, n: 3 }',
      'spec: { run: x }',
    ),
    [
      '4:9: metadata.name: "Nightly Report" is not a DNS label; write nightly-report',
      '5:13: metadata.labels["a b"]: "a b" is not a label key; write team or example.com/team',
      '5:21: metadata.labels["runledger.dev/x"]: labels of runledger.dev are set by runledger',
      '5:44: metadata.labels.n: 3 is a number, not a string; write "3"',
    ],
  );
  assert.equal(head('apiVersion: runledger.dev/v1', 'kind: Job', 'metadata: x', 'spec:'), [
    '3:11: metadata: "x" is a string, not a mapping',
    '4:1: spec: is empty; write a mapping',
  ]);
  assert.equal(saidOf(jobYaml('a'.repeat(41), 'run: x')), [
    `4:9: metadata.name: "${'a'.repeat(41)}" has 41 characters; at most 40 are allowed`,
  ]);
});

documents('each document of a file for itself, in the places of the file', () => {
  const said = saidOf(
    `${jobYaml('a', 'run: 1')}---\nkind: ConfigMap\n---\n# here\n${jobYaml('b', 'run: x', 'user: x')}`,
  );
  assert.equal(said, [
    '6:8: spec.run: 1 is a number, not a string; write "1"',
    '17:9: spec.user: "x" is a string, not a whole number',
  ]);
});

documents('a document that is far too large', () => {
  const said = saidOfSpec('run: x', 'env:', ...Array.from({ length: 12_000 }, (_, index) => `  V${index}: x`));
  assert.equal(said, ['1:1: the document has 24021 keys and values; a manifest may have 20000']);
});

documents.run();
