import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runStateOf } from '../../src/reconciler/run-state.ts';
import type { AttemptState, LiveRun } from '../../src/runner/port.ts';
import type { Job } from '../../src/schemas/index.ts';
import { attempt, exited, job, live } from './world.ts';

type Spec = Partial<Job['spec']>;

const three: Spec = { tasks: ['a', 'b', 'c'] };
const run = (spec: Spec, attempts: readonly AttemptState[] = [], more: Partial<LiveRun> = {}): LiveRun =>
  live(job('j', 'j', spec), 1, { ...more, attempts });

/** Each task in a word: `a waiting 1`, `b running 1`, `c cancelled Aborted`. */
const told = (each: LiveRun): readonly string[] =>
  runStateOf(each).tasks.map((state) => {
    const rest =
      state.phase === 'ended'
        ? `${state.judgement.result} ${state.judgement.reason}`
        : `${state.phase} ${state.attempt}`;
    return `${state.task.name} ${rest}`;
  });

const test = suite('runStateOf');

test('every task wants a first attempt, in the order of the manifest', () => {
  const state = runStateOf(run({ ...three, maxParallel: 1 }));
  assert.equal(told(run({ ...three, maxParallel: 1 })), ['a waiting 1', 'b waiting 1', 'c waiting 1']);
  assert.equal([state.begun, state.ended, state.cancels], [false, false, null]);
  assert.is(state.spec.maxParallel, 1, 'which is for the queue to keep');
  assert.equal(
    state.tasks.map((each) => each.phase === 'waiting' && each.notBefore),
    [0, 0, 0],
  );
});

test('a run ends with the last of its tasks', () => {
  const some = run(three, [attempt(exited(0), { task: 'a' }), attempt(null, { task: 'b' })]);
  assert.equal(told(some), ['a succeeded Completed', 'b running 1', 'c waiting 1']);
  assert.equal([runStateOf(some).begun, runStateOf(some).ended], [true, false]);
  const done = run(
    three,
    ['a', 'b', 'c'].map((task) => attempt(exited(1), { task })),
  );
  assert.is(runStateOf(done).ended, true);
});

test('a task that may be tried again waits for its next attempt', () => {
  const retry: Spec = { ...three, retry: { limit: 1, backoff: '10s' } };
  const failed = attempt(exited(1), { task: 'b' });
  const state = runStateOf(run(retry, [failed]));
  const b = state.tasks[1];
  assert.ok(b?.phase === 'waiting' && b.attempt === 2 && b.notBefore > Date.parse(failed.finished ?? ''));
  assert.is(state.ended, false);
  const again = attempt(exited(1), { task: 'b', number: 2 });
  assert.is(told(run(retry, [again, failed]))[1], 'b failed ExitCode', 'whatever the order in which they were found');
});

const aborts: readonly (readonly [abort: Job['spec']['abort'], exitCode: number, aborts: boolean])[] = [
  ['never', 1, false],
  [undefined, 1, false],
  ['onFailure', 1, true],
  ['onFailure', 42, false],
  ['onFailure', 43, false],
  ['onFailure', 0, false],
  ['onWarning', 42, true],
  ['onWarning', 1, true],
  ['onWarning', 43, false],
];
for (const [abort, code, isAborted] of aborts)
  test(`abort ${abort} after exit code ${code}: ${isAborted ? 'the tasks that are left end' : 'goes on'}`, () => {
    const spec = abort === undefined ? three : { ...three, abort };
    const each = run(spec, [attempt(exited(code), { task: 'a' }), attempt(null, { task: 'b' })]);
    assert.is(runStateOf(each).cancels, isAborted ? 'Aborted' : null);
    assert.equal(told(each).slice(1), ['b running 1', isAborted ? 'c cancelled Aborted' : 'c waiting 1']);
    assert.is(runStateOf(each).ended, false, 'what runs is waited for');
  });

test('abort waits for the last try', () => {
  const spec: Spec = { ...three, abort: 'onFailure', retry: { limit: 1 } };
  const first = attempt(exited(1), { task: 'a' });
  assert.is(runStateOf(run(spec, [first])).cancels, null);
  assert.is(runStateOf(run(spec, [first, attempt(exited(1), { task: 'a', number: 2 })])).cancels, 'Aborted');
});

test('what abort cancelled while it ran aborts nothing itself, and a task in its pause is not tried again', () => {
  const spec: Spec = { ...three, abort: 'onFailure', retry: { limit: 1, on: [{ exitCodes: [3] }] } };
  const each = run(spec, [
    attempt(exited(1), { task: 'a' }),
    attempt({ kind: 'cancelled', reason: 'Aborted', step: 'run' }, { task: 'b' }),
    attempt(exited(3), { task: 'c' }),
  ]);
  const state = runStateOf(each);
  assert.equal(told(each), ['a failed ExitCode', 'b cancelled Aborted', 'c cancelled Aborted']);
  const c = state.tasks[2];
  assert.match(c?.phase === 'ended' ? c.judgement.message : '', 'was not tried again after attempt 1');
  assert.is(state.ended, true);
});

test('a cancelled run starts nothing more, ends with what runs, and keeps what had ended', () => {
  const cancelled = { cancelled: 'CancelRequested' } as const;
  const waiting = run(three, [], cancelled);
  assert.equal(
    told(waiting),
    ['a', 'b', 'c'].map((task) => `${task} cancelled CancelRequested`),
  );
  assert.is(runStateOf(waiting).ended, true);
  const begun = run(three, [attempt(exited(0), { task: 'a' }), attempt(null, { task: 'b' })], cancelled);
  assert.equal(told(begun), ['a succeeded Completed', 'b running 1', 'c cancelled CancelRequested']);
  assert.equal([runStateOf(begun).ended, runStateOf(begun).cancels], [false, 'CancelRequested']);
});

test('a cancel that comes with an abort gives its own reason', () => {
  const each = run({ ...three, abort: 'onFailure' }, [attempt(exited(1), { task: 'a' })], { cancelled: 'JobRemoved' });
  assert.is(runStateOf(each).cancels, 'JobRemoved');
});

test('an attempt that was lost is the end of its task, and the others go on', () => {
  const each = run({ ...three, retry: { limit: 5, on: ['exit', 'timeout'], infrastructure: 5 } }, [
    attempt({ kind: 'lost', message: 'gone' }, { task: 'a' }),
  ]);
  assert.equal(told(each), ['a error ControllerLost', 'b waiting 1', 'c waiting 1']);
});

test.run();
