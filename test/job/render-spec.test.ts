import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CodedError, isCoded } from '../../src/errors.ts';
import { evaluateCondition, selectSteps } from '../../src/job/conditions.ts';
import { contextOf, type ExpressionContext } from '../../src/job/expressions.ts';
import { specOfTask, tasksOf } from '../../src/job/fan-out.ts';
import { renderSpec, renderText } from '../../src/job/render-spec.ts';
import type { Job } from '../../src/schemas/index.ts';
import { hostileExpression } from './world.ts';

type JobSpec = Job['spec'];

const RECORD = {
  job: 'nightly',
  run: 12,
  revision: 'a'.repeat(40),
  trigger: { kind: 'schedule', at: '2026-11-20T01:30:00Z' },
  labels: { team: 'data' },
  params: { REGION: 'eu', EVIL: '$(rm -rf /) ${{ params.REGION }} "\'', EMPTY: '' },
} as const;

const CONTEXT = contextOf(
  RECORD,
  { matrix: { node: 22, os: 'alpine', ratio: 1.5, slow: true }, params: {} },
  { 'build-app': { result: 'succeeded', vars: { version: '1.2.3' } } },
);

const filled = (text: string, context: ExpressionContext = CONTEXT): unknown =>
  renderSpec({ run: 'x', env: { V: text } }, context, 'jobs/a.yaml').env?.['V'];

function refusal(spec: JobSpec, context: ExpressionContext = CONTEXT): CodedError {
  try {
    renderSpec(spec, context, 'jobs/a.yaml');
  } catch (error) {
    if (isCoded(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const render = suite('rendering');

const VALUES: readonly (readonly [string, string])[] = [
  ['${{ params.REGION }}', 'eu'],
  ['a-${{ params.REGION }}-${{ matrix.node }}', 'a-eu-22'],
  ['${{ matrix.node + 1 }}', '23'],
  ['${{ matrix.ratio }}', '1.5'],
  ['${{ matrix.slow }}', 'true'],
  ['${{ matrix["os"] }}', 'alpine'],
  ['${{ job.name }} ${{ run.number }} ${{ job.labels.team }}', 'nightly 12 data'],
  ['${{ run.revision }}', 'a'.repeat(40)],
  ['${{ trigger.kind }} ${{ trigger.at }}', 'schedule 2026-11-20T01:30:00Z'],
  ['[${{ trigger.revision }}]', '[]'],
  ['${{ needs["build-app"].vars.version }}', '1.2.3'],
  ['${{ needs["build-app"].result }}', 'succeeded'],
  ['${{ "none" in needs["build-app"].vars ? "a" : "b" }}', 'b'],
  ['${{ params.exists(name, params[name] == "eu") }}', 'true'],
  ['${{ params.REGION.matches("^e.$") }}', 'true'],
  ["${{ '${{' }} }}", '${{ }}'],
  ['${{ params.EVIL }}', '$(rm -rf /) ${{ params.REGION }} "\''],
  ['${{ [1, 2, 3].map(x, string(x))[2] }}', '3'],
  ['no template', 'no template'],
];
for (const [text, value] of VALUES) render(text, () => assert.is(filled(text), value));

render('everywhere but in scripts, prose and what is known before', () => {
  const spec: JobSpec = {
    description: '${{ as it is }}',
    parameters: { REGION: { message: '${{ as it is }}' } },
    image: 'alpine:${{ matrix.node }}',
    concurrency: { group: '${{ params.REGION }}' },
    steps: [
      { name: 'a', run: 'echo "$RUNLEDGER_PARAM_REGION"', workingDirectory: '${{ params.REGION }}' },
      { name: 'b', command: ['/load'], args: ['${{ params.EVIL }}'], env: { A: '${{ run.number }}' } },
    ],
    files: [{ path: '${{ params.REGION }}.conf', content: '${{ matrix.os }}' }],
    pod: { nodeSelector: { region: '${{ params.REGION }}' } },
  };
  const rendered = renderSpec(spec, CONTEXT, 'jobs/a.yaml');
  assert.equal(rendered, {
    ...spec,
    image: 'alpine:22',
    concurrency: { group: 'eu' },
    steps: [
      { name: 'a', run: 'echo "$RUNLEDGER_PARAM_REGION"', workingDirectory: 'eu' },
      { name: 'b', command: ['/load'], args: [RECORD.params.EVIL], env: { A: '12' } },
    ],
    files: [{ path: 'eu.conf', content: 'alpine' }],
    pod: { nodeSelector: { region: 'eu' } },
  });
  assert.is(spec.image, 'alpine:${{ matrix.node }}');
});

render('each task of a matrix for itself', () => {
  const spec: JobSpec = {
    run: 'x',
    image: 'node:${{ matrix.node }}',
    env: { R: '${{ params.REGION }}' },
    parameters: { REGION: {} },
    matrix: { node: [22, 24], REGION: ['eu', 'us'] },
  };
  const images = tasksOf(spec).map((task) => {
    const { image, env } = renderSpec(specOfTask(spec, task), contextOf(RECORD, task), 'jobs/a.yaml');
    return [image, env?.['R']];
  });
  assert.equal(images, [
    ['node:22', 'eu'],
    ['node:22', 'us'],
    ['node:24', 'eu'],
    ['node:24', 'us'],
  ]);
});

render('a spec without templates is itself', () => {
  const json = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('${{'));
  fc.assert(
    fc.property(json, (value) => {
      const spec = { run: 'x', pod: { value } } as unknown as JobSpec;
      assert.is(renderSpec(spec, CONTEXT, 'a.yaml'), spec);
    }),
  );
});

render('what is filled in is whatever it is, and never looked at again', () => {
  const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0') && value.isWellFormed());
  fc.assert(
    fc.property(fc.oneof(text, fc.constantFrom('${{ 1 }}', '__proto__', '}}', "'")), (value) => {
      const context = { ...CONTEXT, params: { X: value } };
      assert.is(filled('a${{ params.X }}b', context), `a${value}b`);
    }),
  );
});

render('names that every object has are names like any other', () => {
  const params = Object.fromEntries([
    ['__proto__', 'p'],
    ['constructor', 'c'],
    ['toString', 't'],
  ]);
  assert.is(filled('${{ params["__proto__"] }}${{ params.constructor }}', { ...CONTEXT, params }), 'pc');
  assert.match(
    refusal({ run: 'x', env: { V: '${{ params.constructor }}' } }).message,
    'jobs/a.yaml: spec.env.V: params.constructor: params has no "constructor"',
  );
});

render('a value that is not there', () => {
  const error = refusal({ run: 'x', env: { V: '${{ needs["build-app"].vars.nope }}' } });
  assert.is(error.code, 'ExpressionFailed');
  assert.is(error.errorClass, 'terminal');
  assert.is(
    error.message,
    'jobs/a.yaml: spec.env.V: needs["build-app"].vars.nope: needs["build-app"].vars has no "nope"',
  );
  assert.is(error.hint, 'Test for it first: "nope" in needs["build-app"].vars ? … : ….');
});

const FAILING: readonly (readonly [string, RegExp])[] = [
  ['1 / 0', /: division by zero$/],
  ['int(params.REGION)', /: int\(\) type error: cannot convert to int$/],
  ['timestamp(params.REGION).getHours()', /: timestamp\(\) requires a string in ISO 8601 format$/],
  ['timestamp(trigger.at).getHours("Nowhere")', /: invalid time zone/],
  ['params', /: gives no text, number, true or false$/],
  ['matrix.nope', /: matrix has no "nope"$/],
  ['[1][5]', /index out of bounds/],
  ['nope', /unknown variable: nope/i],
];
for (const [expression, message] of FAILING)
  render(`fails with words: ${expression}`, () => {
    const error = refusal({ run: 'x', env: { V: `\${{ ${expression} }}` } });
    assert.is(error.code, 'ExpressionFailed');
    assert.match(error.message, message);
  });

render('with its values the spec has to be valid', () => {
  const context = { ...CONTEXT, params: { A: '../..', B: 'a b', C: '', D: '/proc/x' } };
  const invalid = (spec: Partial<JobSpec>): string => {
    const error = refusal({ run: 'x', ...spec }, context);
    assert.is(error.code, 'RenderedInvalid');
    return error.message;
  };
  assert.is(
    invalid({ image: '${{ params.B }}' }),
    'jobs/a.yaml: spec.image: "a b" is not an image; it holds white space',
  );
  assert.is(invalid({ image: '${{ params.C }}' }), 'jobs/a.yaml: spec.image: is empty');
  assert.match(invalid({ files: [{ path: '${{ params.A }}/x', content: '' }] }), /is not the path of a file/);
  assert.match(
    invalid({ files: [{ path: '${{ params.D }}', content: '' }] }),
    /lies in a folder that is not the job's/,
  );
  assert.match(
    refusal({ steps: [{ name: 'a', run: 'x', workingDirectory: '${{ params.A }}' }] }, context).message,
    /leaves the workspace/,
  );
});

render('what would be too large is not put together', () => {
  const context = { ...CONTEXT, params: { A: 'x'.repeat(4_000) } };
  const error = refusal({ run: 'x', files: [{ path: 'a', content: '${{ params.A }}'.repeat(50_000) }] }, context);
  assert.is(error.code, 'RenderedInvalid');
  assert.is(error.message, 'jobs/a.yaml: spec.files[0].content: with its values the job is larger than 1 MB');
  const long = refusal({ run: 'x', env: { V: `\${{ ${Array(20).fill('params.A').join(' + ')} }}` } }, context);
  assert.match(long.message, /gives 80000 characters; at most 65536 are allowed$/);
});

render('an evaluation that does not come to an end is stopped', () => {
  const context = { ...CONTEXT, params: { A: `${'a'.repeat(60)}!` } };
  const error = refusal({ run: 'x', env: { V: '${{ params.A.matches("^(a+)+$") }}' } }, context);
  assert.match(error.message, /: takes too long$/);
  // What was stopped can be evaluated again.
  assert.is(filled('${{ params.A.matches("^(a+)+$") }}', { ...CONTEXT, params: { A: 'aaa' } }), 'true');
});

render('no expression fails without a code', () => {
  fc.assert(
    fc.property(hostileExpression, (expression) => {
      try {
        assert.type(filled(`\${{ ${expression} }}`), 'string');
      } catch (error) {
        assert.ok(isCoded(error), String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

render('a single text', () => {
  assert.is(renderText('g-${{ params.REGION }}', CONTEXT, 'jobs/a.yaml', 'spec.concurrency.group'), 'g-eu');
  assert.throws(
    () => renderText('${{ params.NOPE }}', CONTEXT, 'jobs/a.yaml', 'spec.concurrency.group'),
    /^jobs\/a\.yaml: spec\.concurrency\.group: params\.NOPE: params has no "NOPE"$/,
  );
});

render.run();

const conditions = suite('conditions');

conditions('true, false, and neither', () => {
  assert.is(evaluateCondition("trigger.kind == 'schedule'", CONTEXT, 'spec.if'), true);
  assert.is(evaluateCondition('matrix.node > 22 || params.REGION == "us"', CONTEXT, 'spec.if'), false);
  assert.throws(
    () => evaluateCondition('needs["build-app"].vars.version', CONTEXT, 'spec.if'),
    (error: unknown) =>
      isCoded(error, 'ExpressionFailed') &&
      error.message === 'spec.if: needs["build-app"].vars.version: gives neither true nor false',
  );
  assert.throws(
    () => evaluateCondition('needs.nope.vars.x == "1"', CONTEXT, 'spec.if'),
    (error: unknown) => isCoded(error, 'ExpressionFailed') && error.message.endsWith('needs has no "nope"'),
  );
});

conditions('steps whose condition does not hold are left out', () => {
  const spec: JobSpec = {
    if: 'false',
    steps: [
      { name: 'a', run: 'x', if: 'matrix.node == 24' },
      { name: 'b', run: 'x' },
    ],
    finally: [{ name: 'c', run: 'x', if: 'matrix.slow' }],
  };
  const { spec: selected, skipped, nothingLeft } = selectSteps(spec, CONTEXT);
  assert.equal(
    selected.steps?.map(({ name }) => name),
    ['b'],
  );
  assert.equal(
    selected.finally?.map(({ name }) => name),
    ['c'],
  );
  assert.equal([skipped, nothingLeft], [['a'], false]);
  assert.is(selectSteps({ steps: [{ name: 'a', run: 'x', if: 'false' }] }, CONTEXT).nothingLeft, true);
  const plain: JobSpec = { run: 'x', if: 'true' };
  assert.is(selectSteps(plain, CONTEXT).spec, plain);
  assert.throws(
    () => selectSteps({ steps: [{ name: 'a', run: 'x', if: 'matrix.nope' }] }, CONTEXT),
    /^spec\.steps\[0\]\.if: matrix\.nope: matrix has no "nope"$/,
  );
});

conditions.run();
