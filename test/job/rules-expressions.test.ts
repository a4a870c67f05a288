import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hostileExpression, jobYaml, saidOf, saidOfSpec } from './world.ts';

/** What the expressions below may name. Lines 6 to 9. */
const JOB = [
  'needs: [build-app, fetch]',
  'run: x',
  'parameters: { REGION: { default: eu }, FLAG: { default: "true" } }',
  'matrix: { node: [22, 24], os: [alpine], include: [{ node: 22, os: alpine, extra: true }] }',
];

const templates = suite('expressions: templates');

const TEMPLATES: readonly (readonly [string, string?])[] = [
  // Names
  ['params.REGION'],
  ['params["REGION"]'],
  ['params.REGOIN', 'the job has no parameter "REGOIN"; did you mean "REGION"?'],
  ['params.X', 'the job has no parameter "X"; it has REGION and FLAG'],
  ['parms.REGION', 'there is no "parms"; did you mean "params"?'],
  ['env.HOME', 'there is no "env"; expressions see params, matrix, job, run, trigger and needs'],
  ['matrix.node'],
  ['matrix.nod', 'the matrix has no key "nod"; did you mean "node"?'],
  ['matrix.extra', 'some tasks have no matrix.extra; test for it with has(matrix.extra)'],
  ['has(matrix.extra) ? "yes" : "no"'],
  ['has(needs["build-app"].vars.x)', 'has() takes names with dots alone; ask whether "name" in the mapping instead'],
  ['"node" in matrix', 'the matrix is no list; write has(matrix.key)'],
  ['needs["build-app"].vars.version'],
  ['needs.build-app.vars.version', 'spec.needs does not have "build"; write needs["build-app"]'],
  ['needs.fetsh.vars.x', 'spec.needs does not have "fetsh"; did you mean "fetch"?'],
  ['needs.fetch.varz.x', 'needs.fetch has no "varz"; did you mean "vars"?'],
  ['needs.fetch.result'],
  ['job.name + "-" + string(run.number)'],
  ['job.nam', 'job has no "nam"; did you mean "name"?'],
  ['job.labels.team', 'the job has no label "team"; it has none'],
  ['run.id', 'run has no "id"; it has number and revision'],
  ['trigger.knd', 'trigger has no "knd"; did you mean "kind"?'],
  ['google.protobuf', 'there is no "google"; expressions see params, matrix, job, run, trigger and needs'],
  ['params.REGION.size', 'string has no fields'],
  // Form
  ['1 +', 'ends in the middle'],
  ['(1', '")" is missing at the end'],
  ['params.', 'a name is missing at the end'],
  ['a b', '"b" at character 3 does not belong there'],
  ['params.REGION = 1', '"=" at character 15 does not belong there; compare with =='],
  ['true & true', '"&" at character 6 does not belong there; write &&'],
  ['if', '"if" at character 1 can\'t be a name'],
  // Types
  ['params.REGION == 3', 'string == int is not possible; make both sides the same with int() or string()'],
  ['params.FLAG ? 1 : 2', 'a condition has to be true or false, not string'],
  ['true && 3', '&& and || need true or false on both sides, not int'],
  ['[1]', 'gives a list; only texts, numbers and true or false can be filled in'],
  ['params', 'gives a mapping; only texts, numbers and true or false can be filled in'],
  ['duration("1h")', 'gives a duration; only texts, numbers and true or false can be filled in'],
  ['params.REGION.startsWith(1)', 'string.startsWith(int) is not possible'],
  // Functions: those of the language, and none that the library adds
  ['foo(1)', 'there is no function "foo"; there are has, size, int, double, string, bool, timestamp and duration'],
  ['params.REGION.startWith("e")', 'there is no function "startWith"; did you mean "startsWith"?'],
  [
    'b"x".json()',
    'there is no function "json"; there are all, exists, exists_one, filter, map, size, contains, startsWith, endsWith and matches',
  ],
  ['[1].map(x, x)[0]'],
  ['[1].map(params, 1)[0]', '"params" can\'t be the variable of map(); choose another name'],
  ['[1].exists(x, y)', 'there is no "y"; expressions see params, matrix, job, run, trigger and needs'],
  // Bounds
  ['[1].map(x, [2].map(y, [3].map(z, z)))[0]', 'goes through lists 3 times; at most 2 are allowed'],
];
for (const [expression, trouble] of TEMPLATES)
  templates(expression, () => {
    const said = saidOfSpec(...JOB, `env: { A: ${JSON.stringify(`\${{ ${expression} }}`)} }`);
    assert.equal(said, trouble === undefined ? [] : [`10:13: spec.env.A: \${{ ${expression} }}: ${trouble}`]);
  });

templates('nothing at all', () => {
  assert.equal(saidOfSpec(...JOB, 'env: { A: "${{ }}" }'), ['10:13: spec.env.A: ${{ }}: is empty']);
});

templates('too long, too deep, too many', () => {
  const said = (expression: string): string =>
    saidOfSpec(...JOB, `env: { A: ${JSON.stringify(`\${{ ${expression} }}`)} }`)[0] ?? '';
  assert.match(said('x'.repeat(1_001)), /…: has 1001 characters; at most 1000 are allowed$/);
  const large = /…: is too large; make it simpler, or several jobs or steps$/;
  assert.match(said(`${'('.repeat(40)}1${')'.repeat(40)}`), large);
  assert.match(said(`1${'+1'.repeat(200)}`), large);
  assert.match(said(`[${'1,'.repeat(150)}]`), /has a list or mapping with more than 100 entries$/);
});

templates('one that is not closed', () => {
  const trouble = '10:13: spec.env.A: has ${{ without the }} that belongs to it';
  for (const text of ['${{ params.REGION', "${{ 'a }}", '${{ {"a": 1} }', '${{ """a" }}'])
    assert.equal(saidOfSpec(...JOB, `env: { A: ${JSON.stringify(text)} }`), [trouble], text);
});

templates('of several in one text the first that is wrong', () => {
  assert.equal(saidOfSpec(...JOB, 'env: { A: "${{ params.REGION }} ${{ params.A }} ${{ params.B }}" }'), [
    '10:13: spec.env.A: ${{ params.A }}: the job has no parameter "A"; it has REGION and FLAG',
  ]);
});

templates('without a matrix', () => {
  assert.equal(saidOfSpec('run: x', 'image: "${{ matrix.node }}"'), [
    '7:10: spec.image: ${{ matrix.node }}: the job has no matrix',
  ]);
});

templates('of a matrix that is wrong, the keys are known', () => {
  assert.equal(saidOfSpec('run: x', 'matrix: { a: [x, X] }', 'image: "${{ matrix.a }}"'), [
    '7:3: spec.matrix: { a: "x" } and { a: "X" } would both be the task "x"',
  ]);
});

templates('whatever is written, it is judged in a sentence', () => {
  fc.assert(
    fc.property(hostileExpression, fc.constantFrom('${{ ', ''), (expression, opening) => {
      const text = opening === '' ? expression : `${opening}${expression} }}`;
      const said = saidOf(jobYaml('a', ...JOB, `env: { A: ${JSON.stringify(text)} }`, `if: ${JSON.stringify(text)}`));
      for (const line of said) {
        assert.match(line, /^\d+:\d+: spec\./);
        assert.not.match(line, /can't be judged|undefined|\[object/);
      }
    }),
    { numRuns: 500 },
  );
});

templates.run();

interface Case {
  readonly name: string;
  readonly spec: readonly string[];
  readonly says: readonly string[];
}

const PLACES: readonly Case[] = [
  {
    name: 'scripts get values from the environment',
    spec: [
      'steps:',
      '  - { name: a, run: "${{ params.REGION }}" }',
      '  - { name: b, run: "${{ matrix.nodeVersion }}" }',
      '  - { name: c, run: "${{ needs.fetch.vars.x }}" }',
      '  - { name: d, run: "${{ job.name }}" }',
      'finally: [{ name: e, run: "${{ run.number }}" }]',
      'hooks: { before: "${{ trigger.kind }}", after: "${{ run.revision }}" }',
    ],
    says: [
      '7:23: spec.steps[0].run: ${{ params.REGION }} is not filled in within scripts; write $RUNLEDGER_PARAM_REGION',
      '8:23: spec.steps[1].run: ${{ matrix.nodeVersion }} is not filled in within scripts; write $RUNLEDGER_MATRIX_NODE_VERSION',
      '9:23: spec.steps[2].run: ${{ needs.fetch.vars.x }} is not filled in within scripts; set a variable in env and read that',
      '10:23: spec.steps[3].run: ${{ job.name }} is not filled in within scripts; write $RUNLEDGER_JOB',
      '11:29: spec.finally[0].run: ${{ run.number }} is not filled in within scripts; write $RUNLEDGER_RUN',
      '12:20: spec.hooks.before: ${{ trigger.kind }} is not filled in within scripts; write $RUNLEDGER_TRIGGER',
      '12:50: spec.hooks.after: ${{ run.revision }} is not filled in within scripts; write $RUNLEDGER_REVISION',
    ],
  },
  {
    name: 'code for a shell is a script too, wherever it stands',
    spec: [
      'run: x',
      'parameters: { A: {} }',
      'steps:',
      '  - { name: a, command: [/bin/sh, -ec, "echo ${{ params.A }}"] }',
      '  - { name: b, command: [bash, -c], args: ["echo ${{ params.A }}", "${{ params.A }}"] }',
      '  - { name: c, command: [echo, -c, "${{ params.A }}"] }',
      '  - { name: d, command: [sh, "${{ params.A }}"] }',
      'services: { s: { image: x, command: [busybox, sh, -c, -e, "${{ params.A }}"] } }',
      'files:',
      '  - { path: a, content: "#!/bin/sh\\necho ${{ params.A }}" }',
      '  - { path: b, content: "region: ${{ params.A }}" }',
    ],
    says: [
      '5:1: spec: has both run and steps; keep one',
      '9:42: spec.steps[0].command[2]: ${{ params.A }} is not filled in within scripts; write $RUNLEDGER_PARAM_A',
      '10:46: spec.steps[1].args[0]: ${{ params.A }} is not filled in within scripts; write $RUNLEDGER_PARAM_A',
      '13:61: spec.services.s.command[4]: ${{ params.A }} is not filled in within scripts; write $RUNLEDGER_PARAM_A',
      '15:27: spec.files[0].content: ${{ params.A }} is not filled in within scripts; write $RUNLEDGER_PARAM_A',
    ],
  },
  {
    name: 'what is known before a run has values, and names',
    spec: [
      'run: x',
      'parameters: { A: { default: "${{ run.number }}", message: "${{ as it is }}" } }',
      'on: { commit: { paths: ["${{ params.A }}"] } }',
      'matrix: { a: ["${{ params.A }}", 1] }',
      'files: [{ path: a, from: "${{ params.A }}" }]',
      'pod: { nodeSelector: { "${{ params.A }}": x } }',
      'description: "${{ as it is }}"',
    ],
    says: [
      '7:31: spec.parameters.A.default: ${{ }} is not filled in here; write the value out',
      '8:27: spec.on.commit.paths[0]: ${{ }} is not filled in here; write the value out',
      '9:17: spec.matrix.a[0]: ${{ }} is not filled in here; write the value out',
      '10:28: spec.files[0].from: ${{ }} is not filled in here; write the value out',
      '11:26: spec.pod.nodeSelector["${{ params.A }}"]: ${{ }} is not filled in within names; write the name out',
    ],
  },
  {
    name: 'a concurrency group counts for all tasks',
    spec: ['run: x', 'matrix: { a: [1] }', 'concurrency: { group: "g-${{ matrix.a }}" }'],
    says: [
      '8:25: spec.concurrency.group: ${{ matrix.a }}: there is no matrix here: this counts for all tasks of the run',
    ],
  },
  {
    name: 'fields that hold no text refuse templates by their form',
    spec: ['run: x', 'parameters: { A: {} }', 'timeouts: { run: "${{ params.A }}" }', 'user: "${{ params.A }}"'],
    says: [
      '8:20: spec.timeouts.run: "${{ params.A }}" is not a duration; write 5m, 90s, 1h30m or 180d',
      '9:9: spec.user: "${{ params.A }}" is a string, not a whole number',
    ],
  },
];

const places = suite('expressions: places');
for (const { name, spec, says } of PLACES) places(name, () => assert.equal(saidOfSpec(...spec), says));

places('metadata', () => {
  const said = saidOf(jobYaml('a', 'run: x').replace('spec:', '  annotations: { x/y: "${{ run.number }}" }\nspec:'));
  assert.equal(said, ['5:23: metadata.annotations["x/y"]: ${{ }} is not filled in here; write the value out']);
});

places.run();

const conditions = suite('expressions: conditions');

const CONDITIONS: readonly (readonly [string, string?])[] = [
  ["trigger.kind != 'schedule'"],
  ['true'],
  ['needs.fetch.vars.deploy'],
  ['params.FLAG', 'gives a text, not true or false; compare it with something'],
  ['1', 'gives a number, not true or false; compare it with something'],
  ['run.number > 3 &&', 'ends in the middle'],
  ['${{ true }}', 'is an expression as it is; write it without ${{ }}'],
  ['params.FLAGG == "x"', 'the job has no parameter "FLAGG"; did you mean "FLAG"?'],
];
for (const [expression, trouble] of CONDITIONS)
  conditions(expression, () => {
    const [, , ...rest] = JOB;
    const text = JSON.stringify(expression);
    const job = saidOfSpec(...JOB, `if: ${text}`);
    assert.equal(job, trouble === undefined ? [] : [`10:7: spec.if: ${trouble}`]);
    const step = saidOfSpec('needs: [fetch]', ...rest, `steps: [{ name: a, run: x, if: ${text} }]`);
    assert.equal(step, trouble === undefined ? [] : [`9:34: spec.steps[0].if: ${trouble}`]);
    const last = saidOfSpec(...JOB, `finally: [{ name: a, run: x, if: ${text} }]`);
    assert.equal(last, trouble === undefined ? [] : [`10:36: spec.finally[0].if: ${trouble}`]);
  });

conditions('the matrix is for steps', () => {
  assert.equal(saidOfSpec('run: x', 'matrix: { a: [1] }', 'if: matrix.a == 1'), [
    '8:7: spec.if: there is no matrix here: this counts for all tasks of the run',
  ]);
  assert.equal(saidOfSpec('matrix: { a: [1] }', 'steps: [{ name: a, run: x, if: matrix.a == 1 }]'), []);
  assert.equal(saidOfSpec('matrix: { a: [1] }', 'steps: [{ name: a, run: x, if: matrix.a == "1" }]'), [
    '7:34: spec.steps[0].if: int == string is not possible; make both sides the same with int() or string()',
  ]);
});

conditions.run();
