import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeAttempt, type Judgement } from '../../src/outcome/judge.ts';
import { judgeRun, WORST_FIRST } from '../../src/outcome/run.ts';
import type { AttemptEnding } from '../../src/runner/port.ts';
import type { Result } from '../../src/schemas/index.ts';

const codes = { warning: [42], skipped: [43] };

const table: readonly [AttemptEnding, Judgement][] = [
  [
    { kind: 'exited', step: 'load', exitCode: 0 },
    { result: 'succeeded', reason: 'Completed', message: 'all steps ended with exit code 0', exitCode: 0, step: null },
  ],
  [
    { kind: 'exited', step: 'load', exitCode: 42 },
    {
      result: 'warning',
      reason: 'ExitCode',
      message: 'step "load" ended with exit code 42, which means warning',
      exitCode: 42,
      step: 'load',
    },
  ],
  [
    { kind: 'exited', step: 'load', exitCode: 43 },
    {
      result: 'skipped',
      reason: 'ExitCode',
      message: 'step "load" ended with exit code 43, which means skipped',
      exitCode: 43,
      step: 'load',
    },
  ],
  [
    { kind: 'exited', step: 'load', exitCode: 3 },
    { result: 'failed', reason: 'ExitCode', message: 'step "load" ended with exit code 3', exitCode: 3, step: 'load' },
  ],
  [
    { kind: 'signalled', step: 'load', signal: 'SIGSEGV' },
    {
      result: 'failed',
      reason: 'ExitCode',
      message: 'step "load" was killed by SIGSEGV, which nobody had asked for',
      exitCode: 139,
      step: 'load',
    },
  ],
  [
    { kind: 'signalled', step: 'load', signal: 'an unknown signal' },
    {
      result: 'failed',
      reason: 'ExitCode',
      message: 'step "load" was killed by an unknown signal, which nobody had asked for',
      exitCode: null,
      step: 'load',
    },
  ],
  [
    { kind: 'timeout', timeout: 'run', step: 'load', exitCode: 143, limit: '1h' },
    {
      result: 'timed-out',
      reason: 'DeadlineExceeded',
      message: 'step "load" was still running when the time-out of the run, 1h, had passed',
      exitCode: 143,
      step: 'load',
    },
  ],
  [
    { kind: 'timeout', timeout: 'step', step: 'load', exitCode: 0, limit: '10m' },
    {
      result: 'timed-out',
      reason: 'StepTimeout',
      message: 'step "load" did not end within its time-out of 10m',
      exitCode: 0,
      step: 'load',
    },
  ],
  [
    { kind: 'timeout', timeout: 'finally', step: 'tidy', exitCode: null, limit: '1m' },
    {
      result: 'timed-out',
      reason: 'DeadlineExceeded',
      message: 'step "tidy" did not end within timeouts.finally, 1m',
      exitCode: null,
      step: 'tidy',
    },
  ],
  [
    { kind: 'startError', step: 'load', message: 'there is no "/load"' },
    {
      result: 'error',
      reason: 'StartError',
      message: 'step "load" could not be started: there is no "/load"',
      exitCode: null,
      step: 'load',
    },
  ],
  [
    { kind: 'secretMissing', message: 'there is no secret "report"' },
    { result: 'error', reason: 'SecretMissing', message: 'there is no secret "report"', exitCode: null, step: null },
  ],
  [
    { kind: 'cancelled', reason: 'JobRemoved', step: 'load' },
    {
      result: 'cancelled',
      reason: 'JobRemoved',
      message: 'ended while step "load" was running: the job is no longer in the source',
      exitCode: null,
      step: 'load',
    },
  ],
  [
    { kind: 'cancelled', reason: 'QueueTimeout', step: null },
    { result: 'cancelled', reason: 'QueueTimeout', message: 'ended before it started', exitCode: null, step: null },
  ],
  [
    { kind: 'lost', message: 'runledger ended' },
    { result: 'error', reason: 'ControllerLost', message: 'runledger ended', exitCode: null, step: null },
  ],
];

const judge = suite('judgeAttempt');

for (const [ending, expected] of table)
  judge(`${JSON.stringify(ending)} is ${expected.result}/${expected.reason}`, () => {
    assert.equal(judgeAttempt(ending, codes), expected);
  });

judge('goes by the exit codes of the job', () => {
  const at = (exitCode: number, meanings: { warning: number[]; skipped: number[] }) =>
    judgeAttempt({ kind: 'exited', step: 's', exitCode }, meanings).result;
  assert.is(at(42, { warning: [], skipped: [] }), 'failed');
  assert.is(at(7, { warning: [7, 8], skipped: [] }), 'warning');
  assert.is(at(7, { warning: [], skipped: [7] }), 'skipped');
  assert.is(at(0, { warning: [0], skipped: [0] }), 'succeeded');
});

const code = fc.integer({ min: 0, max: 255 });
const anyEnding: fc.Arbitrary<AttemptEnding> = fc.oneof(
  fc.record({ kind: fc.constant('exited' as const), step: fc.string(), exitCode: code }),
  fc.record({ kind: fc.constant('signalled' as const), step: fc.string(), signal: fc.string() }),
  fc.record({
    kind: fc.constant('timeout' as const),
    timeout: fc.constantFrom('run' as const, 'step' as const),
    step: fc.string(),
    exitCode: fc.option(code),
    limit: fc.string(),
  }),
  fc.record({ kind: fc.constant('startError' as const), step: fc.string(), message: fc.string() }),
  fc.record({ kind: fc.constant('secretMissing' as const), message: fc.string() }),
  fc.record({
    kind: fc.constant('cancelled' as const),
    reason: fc.constantFrom('Aborted' as const, 'Superseded' as const, 'Completed' as const),
    step: fc.option(fc.string()),
  }),
  fc.record({ kind: fc.constant('lost' as const), message: fc.string() }),
);
const anyCodes = fc.record({ warning: fc.array(code), skipped: fc.array(code) });

judge('calls nothing a success, a warning or skipped without an exit code that was seen', () => {
  fc.assert(
    fc.property(anyEnding, anyCodes, (ending, meanings) => {
      const { result, exitCode } = judgeAttempt(ending, meanings);
      if (['succeeded', 'warning', 'skipped'].includes(result)) {
        assert.is(ending.kind, 'exited');
        assert.type(exitCode, 'number');
      }
      assert.is(result === 'succeeded', ending.kind === 'exited' && ending.exitCode === 0);
    }),
    { numRuns: 2000 },
  );
});

judge.run();

const task = (result: Result, message = result as string): Judgement => ({
  result,
  reason: 'ExitCode',
  message,
  exitCode: 1,
  step: null,
});
const run = suite('judgeRun');

for (const [index, worse] of WORST_FIRST.entries())
  for (const better of WORST_FIRST.slice(index))
    run(`${worse} with ${better} is ${worse}`, () => {
      assert.is(judgeRun([task(better), task(worse)]).result, worse);
      assert.is(judgeRun([task(worse), task(better)]).result, worse);
    });

run('takes the first task with the worst result', () => {
  assert.is(judgeRun([task('succeeded'), task('failed', 'first'), task('failed', 'second')]).message, 'first');
});

run('does not count tasks that abort cancelled', () => {
  const aborted: Judgement = { ...task('cancelled'), reason: 'Aborted' };
  assert.is(judgeRun([aborted, task('warning')]).result, 'warning');
  assert.is(judgeRun([task('cancelled'), task('warning')]).result, 'cancelled');
  assert.is(judgeRun([aborted]).result, 'cancelled');
});

run('calls a run without tasks an error', () => {
  assert.is(judgeRun([]).result, 'error');
});

run.run();
