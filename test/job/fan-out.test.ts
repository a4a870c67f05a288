import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { matrixTaskName, matrixVariable, specOfTask, tasksOf } from '../../src/job/fan-out.ts';
import { expandMatrix, MATRIX_LIMITS } from '../../src/job/matrix.ts';
import type { Job, Matrix } from '../../src/schemas/index.ts';

type JobSpec = Job['spec'];

const test = suite('fan-out');

const namesOf = (spec: Partial<JobSpec>): readonly string[] => tasksOf({ run: 'x', ...spec }).map(({ name }) => name);

test('without tasks and matrix there is one', () => {
  assert.equal(tasksOf({ run: 'x', slots: 3 }), [
    { name: 'default', slots: 3, env: {}, matrix: {}, variables: {}, params: {} },
  ]);
});

test('a list of tasks, with slots and variables of their own', () => {
  const tasks = tasksOf({ run: 'x', slots: 2, tasks: ['unit', { name: 'browser', slots: 4, env: { SUITE: 'b' } }] });
  assert.equal(
    tasks.map(({ name, slots, env }) => [name, slots, env]),
    [
      ['unit', 2, {}],
      ['browser', 4, { SUITE: 'b' }],
    ],
  );
});

test('a matrix is the product of its keys, the first one slowest', () => {
  assert.equal(namesOf({ matrix: { node: [22, 24], os: ['Alpine 3.20', 'debian'] } }), [
    '22-alpine-3-20',
    '22-debian',
    '24-alpine-3-20',
    '24-debian',
  ]);
});

test('values come as text for scripts, and as parameters where one has that name', () => {
  const [task] = tasksOf({
    run: 'x',
    parameters: { REGION: {} },
    matrix: { nodeVersion: [1.5], flag: [true], REGION: ['eu'] },
  });
  assert.equal(task?.variables, {
    RUNLEDGER_MATRIX_NODE_VERSION: '1.5',
    RUNLEDGER_MATRIX_FLAG: 'true',
    RUNLEDGER_MATRIX_REGION: 'eu',
  });
  assert.equal(task?.params, { REGION: 'eu' });
  assert.equal(task?.matrix, { nodeVersion: 1.5, flag: true, REGION: 'eu' });
});

test('names of variables', () => {
  const names = ['node', 'nodeVersion', 'node_version', 'NODE', 'py3Version'].map(matrixVariable);
  assert.equal(
    names.map((name) => name.replace('RUNLEDGER_MATRIX_', '')),
    ['NODE', 'NODE_VERSION', 'NODE_VERSION', 'NODE', 'PY3_VERSION'],
  );
});

test('exclude and include as in workflows of GitHub', () => {
  // The example of their documentation.
  const { combinations } = expandMatrix({
    fruit: ['apple', 'pear'],
    animal: ['cat', 'dog'],
    include: [
      { color: 'green' },
      { color: 'pink', animal: 'cat' },
      { fruit: 'apple', shape: 'circle' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ],
  });
  assert.equal(
    combinations.map(({ values }) => values),
    [
      { fruit: 'apple', animal: 'cat', color: 'pink', shape: 'circle' },
      { fruit: 'apple', animal: 'dog', color: 'green', shape: 'circle' },
      { fruit: 'pear', animal: 'cat', color: 'pink' },
      { fruit: 'pear', animal: 'dog', color: 'green' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ],
  );
  assert.equal(namesOf({ matrix: { a: [1, 2], b: [1, 2], exclude: [{ a: 1, b: 2 }] } }), ['1-1', '2-1', '2-2']);
  assert.equal(namesOf({ matrix: { a: [1, 2], b: [1, 2], exclude: [{ a: 1 }] } }), ['2-1', '2-2']);
  assert.equal(namesOf({ matrix: { include: [{ a: 1 }, { b: 2 }] } }), ['1', '2']);
});

test('a matrix that is not valid makes no tasks', () => {
  for (const matrix of [{ a: ['*'] }, { a: ['x', 'X'] }, { a: [1], exclude: [{ a: 1 }] }] as readonly Matrix[])
    assert.throws(
      () => namesOf({ matrix }),
      (error: unknown) => isCoded(error, 'InvalidMatrix') && error.errorClass === 'terminal',
    );
});

const keys = ['a', 'b', 'c', 'd'];
const axes = fc.dictionary(
  fc.constantFrom(...keys.slice(0, 3)),
  fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 5 }),
  { minKeys: 1, noNullPrototype: true },
);
const entries = fc.array(
  fc.dictionary(fc.constantFrom(...keys), fc.integer({ min: 0, max: 9 }), { minKeys: 1, noNullPrototype: true }),
  { maxLength: 5 },
);

test('there are as many tasks as the product has, less those excluded, and those that are included', () => {
  fc.assert(
    fc.property(axes, entries, entries, (matrix, exclude, include) => {
      const allowed = exclude.filter((entry) =>
        Object.entries(entry).every(([key, value]) => matrix[key]?.includes(value)),
      );
      const { combinations, findings } = expandMatrix({ ...matrix, exclude: allowed, include });
      const product = Object.entries(matrix).reduce<readonly Record<string, number>[]>(
        (all, [key, values]) => all.flatMap((one) => values.map((value) => ({ ...one, [key]: value }))),
        [{}],
      );
      const kept = product.filter(
        (one) => !allowed.some((entry) => Object.keys(entry).every((k) => one[k] === entry[k])),
      );
      const added = include.filter(
        (entry) => !kept.some((one) => Object.keys(entry).every((key) => !(key in matrix) || one[key] === entry[key])),
      );
      const count = kept.length + added.length;
      assert.is(findings.length === 0, count > 0 && count <= MATRIX_LIMITS.tasks);
      if (findings.length > 0) return;
      assert.is(combinations.length, count);
      // What the keys give is never overwritten.
      for (const [index, one] of kept.entries())
        for (const key of Object.keys(one)) assert.is(combinations[index]?.values[key], one[key]);
    }),
  );
});

test('names of tasks are DNS labels, and the same each time', () => {
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.double({ noNaN: true }));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value), (values) => {
      const name = matrixTaskName(values);
      assert.match(name, /^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$/);
      assert.is(matrixTaskName(values), name);
    }),
  );
});

test('whatever a matrix is, it is expanded quickly or refused', () => {
  const wide = Array.from({ length: 20_000 }, (_, index) => index);
  assert.is(expandMatrix({ a: wide, b: wide }).combinations.length, 0);
  const include = wide.map((index) => ({ a: index }));
  assert.match(
    String(expandMatrix({ a: [1], include }).findings[0]?.message),
    'has 20000 entries; at most 256 are allowed',
  );
});

test('the spec of one task', () => {
  const spec: JobSpec = {
    run: 'x',
    env: { A: 'job', B: 'job' },
    parameters: { REGION: { default: 'eu', enum: ['eu', 'us'] }, OTHER: {} },
    matrix: { REGION: ['eu', 'us'] },
  };
  const [, us] = tasksOf(spec);
  assert.equal(us && specOfTask(spec, us), {
    run: 'x',
    env: { A: 'job', B: 'job' },
    parameters: { REGION: { default: 'us', enum: ['eu', 'us'] }, OTHER: {} },
  });
  const listed: JobSpec = {
    run: 'x',
    env: { A: 'job', B: 'job' },
    tasks: [{ name: 't', slots: 2, env: { B: 'task' } }],
  };
  const [task] = tasksOf(listed);
  assert.equal(task && specOfTask(listed, task), { run: 'x', env: { A: 'job', B: 'task' }, slots: 2 });
});

test.run();
