import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { courseOf } from '../../src/job/course.ts';

const course = suite('courseOf');

course('puts hooks around the steps and around those of finally', () => {
  const { steps, end } = courseOf({
    env: { A: 'job' },
    hooks: { before: './prepare', after: './clean' },
    steps: [
      { name: 'one', run: 'a' },
      { name: 'two', command: ['b'] },
    ],
    finally: [
      { name: 'tell', when: 'onFailure', run: 'c', env: { A: 'step' } },
      { name: 'tidy', run: 'd' },
    ],
  });
  assert.equal(
    steps.map(({ name }) => name),
    ['hooks.before', 'one', 'two'],
  );
  assert.equal(
    end.map(({ name, when, env }) => [name, when, env['A']]),
    [
      ['tell', 'onFailure', 'step'],
      ['tidy', 'always', 'job'],
      ['hooks.after', 'always', 'job'],
    ],
  );
  assert.equal(steps[0]?.execute, { kind: 'script', shell: ['/bin/sh', '-e'], script: './prepare' });
});

course('puts those of the configuration around these, and one last that has no say', () => {
  const { steps, end } = courseOf(
    { hooks: { before: 'b', after: 'c' }, run: 'true' },
    { before: 'a', after: 'd', shutdown: 'e' },
  );
  assert.equal(
    steps.map(({ name }) => name),
    ['defaults.hooks.before', 'hooks.before', 'run'],
  );
  assert.equal(
    end.map(({ name, when, advisory }) => [name, when, advisory]),
    [
      ['hooks.after', 'always', false],
      ['defaults.hooks.after', 'always', false],
      ['defaults.hooks.shutdown', 'always', true],
    ],
  );
});

course('is the steps alone where a job says no more', () => {
  const { steps, end } = courseOf({ run: 'true' });
  assert.equal([steps.map(({ name }) => name), end], [['run'], []]);
});

course('a job in short may have an end too', () => {
  const { steps, end } = courseOf({ run: 'true', finally: [{ name: 'tidy', run: 'd' }] });
  assert.equal(
    [...steps, ...end].map(({ name, execute }) => [name, execute.kind === 'script' && execute.script]),
    [
      ['run', 'true'],
      ['tidy', 'd'],
    ],
  );
});

course.run();
