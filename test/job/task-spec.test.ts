import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { tasksOf } from '../../src/job/fan-out.ts';
import { type TaskRecord, taskRecord } from '../../src/job/task-spec.ts';
import { judgeAttempt } from '../../src/outcome/judge.ts';
import type { RunRecord } from '../../src/runner/port.ts';
import type { Job } from '../../src/schemas/index.ts';

const test = suite('the record of a task');

const recordOf = (spec: Job['spec'], changes: Partial<RunRecord> = {}): RunRecord => ({
  job: 'a',
  run: 3,
  trigger: { kind: 'commit', revision: 'r' },
  revision: 'r',
  path: 'jobs/a.yaml',
  digest: 'v1:x',
  covered: {},
  spec,
  labels: {},
  params: {},
  args: [],
  chain: 'r',
  queued: '2026-11-20T01:30:00Z',
  ...changes,
});

/** Those of all tasks, in their order. */
const tasks = (spec: Job['spec'], changes: Partial<RunRecord> = {}): readonly TaskRecord[] => {
  const record = recordOf(spec, changes);
  return tasksOf(record.spec).map((task) => taskRecord(record, task));
};

test('has its values filled in, and nothing of the fan-out', () => {
  const [one, two] = tasks(
    {
      parameters: { REGION: { default: 'eu' }, SIZE: { default: 's' } },
      matrix: { REGION: ['eu', 'us'] },
      image: 'app:${{ needs.build.vars.version }}',
      env: { WHERE: '${{ params.REGION }}/${{ params.SIZE }}' },
      run: 'x',
    },
    { params: { SIZE: 'l' }, needs: { build: { run: 1, result: 'succeeded', vars: { version: '7' } } } },
  );
  assert.equal([one?.record.spec.env, two?.record.spec.env], [{ WHERE: 'eu/l' }, { WHERE: 'us/l' }]);
  assert.equal(two?.record.params, { SIZE: 'l', REGION: 'us' });
  assert.is(two?.record.spec.image, 'app:7');
  assert.is(two?.record.spec.matrix, undefined);
});

test('is the run’s own where there is nothing to fill in', () => {
  const record = recordOf({ image: 'x', run: 'y', finally: [{ name: 'z', run: 'y' }] });
  const [task] = tasksOf(record.spec);
  assert.equal(task && taskRecord(record, task), { record, skipped: [], nothingLeft: false });
});

test('has the steps whose conditions hold', () => {
  const steps = [
    { name: 'old', run: 'x', if: 'matrix.node < 24' },
    { name: 'new', run: 'x', if: 'matrix.node >= 24' },
  ];
  const [one, two] = tasks({ matrix: { node: [22, 24] }, steps });
  assert.equal([one?.skipped, two?.skipped], [['new'], ['old']]);
  assert.equal(
    two?.record.spec.steps?.map(({ name }) => name),
    ['new'],
  );
});

test('with no step left the task is skipped, and says why', () => {
  const steps = ['a', 'b'].map((name) => ({ name, run: 'x', if: 'run.number > 5' }));
  const [task] = tasks({ steps, finally: [{ name: 'c', run: 'x' }] });
  assert.equal([task?.nothingLeft, task?.skipped], [true, ['a', 'b']]);
  const ending = { kind: 'nothingToDo', skipped: task?.skipped ?? [] } as const;
  assert.equal(judgeAttempt(ending, { warning: [], skipped: [] }), {
    result: 'skipped',
    reason: 'ConditionFalse',
    message: 'nothing to do: the conditions of all steps say no ("a", "b")',
    exitCode: null,
    step: null,
  });
});

test('a value that is not there is an error that says where', () => {
  const needs = { build: { run: 1, result: 'succeeded', vars: {} } } as const;
  assert.throws(
    () => tasks({ run: 'x', env: { V: '${{ needs.build.vars.version }}' } }, { needs }),
    (error: Error) => isCoded(error, 'ExpressionFailed') && error.message.startsWith('jobs/a.yaml: spec.env.V: '),
  );
});

test.run();
