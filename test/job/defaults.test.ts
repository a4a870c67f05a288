import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commitTrigger, normalizeSpec } from '../../src/job/defaults.ts';
import { schemas } from '../../src/schemas/index.ts';

const test = suite('defaults');

test('a job of one line has everything that the format promises', () => {
  const { steps, timeouts, exitCodes, logs, keep, retry, on, user } = normalizeSpec({
    run: 'echo hello',
    image: 'alpine',
  });
  assert.equal(steps, [
    {
      name: 'run',
      image: 'alpine',
      execute: { kind: 'script', shell: ['/bin/sh', '-e'], script: 'echo hello' },
      env: {},
      user: 65_532,
      workingDirectory: '.',
      timeoutMs: null,
    },
  ]);
  assert.equal(timeouts, {
    queueMs: 3_600_000,
    startMs: 300_000,
    runMs: 3_600_000,
    graceMs: 30_000,
    finallyMs: 60_000,
  });
  assert.equal(exitCodes, { warning: [42], skipped: [43] });
  assert.equal(logs, { maxBytes: 262_144, maxRunBytes: 4_194_304, maxLine: 16_384, upload: 'whenTrimmed' });
  assert.equal(keep, { runs: 50, forMs: 15_552_000_000, artifactsMs: 15_552_000_000 });
  assert.equal(retry, { limit: 0, on: ['exit'], backoffMs: 10_000, maxBackoffMs: 300_000, infrastructure: 0 });
  assert.equal(on, { commit: true });
  assert.is(user, 65_532);
});

test('steps take from the job what they do not say themselves', () => {
  const { steps } = normalizeSpec({
    image: 'alpine',
    user: 1000,
    env: { A: 'job', B: 'job', T: { secret: { name: 's', key: 'k' } } },
    steps: [
      { name: 'a', run: 'x', env: { B: 'step' }, timeout: '90s', shell: ['bash'] },
      { name: 'b', command: ['/load'], args: ['--all'], image: 'load', user: 0, workingDirectory: 'sub' },
    ],
  });
  const secret = { secret: { name: 's', key: 'k' } };
  assert.equal(steps, [
    {
      name: 'a',
      image: 'alpine',
      execute: { kind: 'script', shell: ['bash'], script: 'x' },
      env: { A: 'job', B: 'step', T: secret },
      user: 1000,
      workingDirectory: '.',
      timeoutMs: 90_000,
    },
    {
      name: 'b',
      image: 'load',
      execute: { kind: 'command', command: ['/load'], args: ['--all'] },
      env: { A: 'job', B: 'job', T: secret },
      user: 0,
      workingDirectory: 'sub',
      timeoutMs: null,
    },
  ]);
});

test('what is written under on replaces the default', () => {
  assert.is(commitTrigger({ run: 'x' }), true);
  assert.is(commitTrigger({ run: 'x', on: {} }), false);
  assert.is(commitTrigger({ run: 'x', needs: ['a'] }), false);
  assert.is(commitTrigger({ run: 'x', needs: ['a'], on: { commit: true } }), true);
  assert.equal(commitTrigger({ run: 'x', on: { commit: { paths: ['a'] } } }), { paths: ['a'] });
});

test('the defaults are those that the schema tells editors', () => {
  const definitions = { ...schemas.common['$defs'], ...schemas.job['$defs'] } as Record<
    string,
    { properties: Record<string, { default?: unknown }> }
  >;
  const told = (definition: string, field: string): unknown => definitions[definition]?.properties[field]?.default;
  const written = normalizeSpec({
    run: 'x',
    timeouts: Object.fromEntries(
      ['queue', 'start', 'run', 'grace', 'finally'].map((key) => [key, told('timeouts', key)]),
    ),
    retry: { backoff: told('retry', 'backoff') as string, maxBackoff: told('retry', 'maxBackoff') as string },
    logs: {
      maxBytes: told('logSettings', 'maxBytes') as string,
      maxRunBytes: told('logSettings', 'maxRunBytes') as string,
      maxLine: told('logSettings', 'maxLine') as string,
    },
    exitCodes: { warning: told('exitCodes', 'warning') as number[], skipped: told('exitCodes', 'skipped') as number[] },
    keep: {
      runs: told('keep', 'runs') as number,
      for: told('keep', 'for') as string,
      artifacts: told('keep', 'artifacts') as string,
    },
    user: told('jobSpec', 'user') as number,
  });
  assert.equal(written, normalizeSpec({ run: 'x' }));
});

test.run();
