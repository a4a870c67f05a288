import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { normalizeSpec, type NormalJobSpec } from '../../src/job/defaults.ts';
import { judgeAttempt } from '../../src/outcome/judge.ts';
import { decideRetry, FREE_RETRIES } from '../../src/reconciler/retry.ts';
import type { AttemptEnding, AttemptState } from '../../src/runner/port.ts';
import type { Reason, Retry } from '../../src/schemas/index.ts';
import { at, attempt, exited } from './world.ts';

const key = { job: 'a', run: 1, task: 'default' };
const codes = { warning: [42], skipped: [43] };
const specOf = (retry: Retry = {}): NormalJobSpec => normalizeSpec({ run: 'true', retry });

/** One who never started a step. */
const unstarted = (ending: AttemptEnding): AttemptState => attempt(ending, { started: null });
const infrastructure = (reason: Reason, message = 'no'): AttemptEnding => ({
  kind: 'infrastructure',
  reason,
  message,
  step: null,
});
const timedOut: AttemptEnding = { kind: 'timeout', timeout: 'run', step: 'run', exitCode: null, limit: '1h' };

const decide = (attempts: readonly AttemptState[], retry: Retry = {}) =>
  decideRetry(
    key,
    attempts.map((each, index) => {
      const numbered = { ...each, number: index + 1 };
      return { attempt: numbered, judgement: judgeAttempt(each.ending ?? exited(0), codes) };
    }),
    specOf(retry),
  );

/** How many further attempts there are if all of them end alike; at most 20. */
function furtherOf(each: AttemptState, retry: Retry = {}): number {
  const attempts = [each];
  while (attempts.length <= 20 && decide(attempts, retry).kind === 'again') attempts.push(each);
  return attempts.length - 1;
}

const test = suite('decideRetry');

const all: Retry = { limit: 5, on: ['exit', 'timeout'], infrastructure: 4 };
const table: readonly (readonly [what: string, each: AttemptState, retry: Retry, further: number])[] = [
  // Before any step has started: at no charge, whatever the job says.
  ['unschedulable', unstarted(infrastructure('Unschedulable')), {}, FREE_RETRIES],
  ['preempted while Pending', unstarted(infrastructure('Preempted')), {}, FREE_RETRIES],
  ['evicted while Pending', unstarted(infrastructure('Evicted')), { limit: 9, infrastructure: 9 }, FREE_RETRIES],
  ['rejected by the node', unstarted(infrastructure('NodeRejected')), {}, FREE_RETRIES],
  ['no process to be had', unstarted({ kind: 'startError', step: 'run', message: 'spawn EAGAIN' }), {}, FREE_RETRIES],
  ['a missing image', unstarted(infrastructure('ImagePullFailed')), all, 0],
  ['a missing secret', unstarted({ kind: 'secretMissing', message: 'no' }), all, 0],
  ['a start time-out', unstarted(infrastructure('StartTimeout')), all, 0],
  ['a refused pod', unstarted(infrastructure('InvalidPod')), all, 0],
  ['refused', unstarted(infrastructure('Refused')), all, 0],
  ['a lost node', unstarted(infrastructure('NodeLost')), all, 0],
  ['a lost runledger', unstarted({ kind: 'lost', message: 'gone' }), all, 0],
  // What is not there will not be there the next time.
  ...[
    'there is no "/load"',
    'there is no "load" on the PATH',
    '"/load" may not be executed',
    'its working directory does not exist',
    'its working directory is no directory',
    'exec: "/load": stat /load: no such file or directory',
    'exec format error',
    'permission denied',
  ].map((message) => [message, unstarted({ kind: 'startError', step: 'run', message }), all, 0] as const),
  // The job's own failures.
  ['an exit code', attempt(exited(3)), { limit: 2 }, 2],
  ['an exit code, without retry', attempt(exited(3)), {}, 0],
  ['an exit code, on time-outs only', attempt(exited(3)), { limit: 2, on: ['timeout'] }, 0],
  ['one of the exit codes', attempt(exited(3)), { limit: 2, on: [{ exitCodes: [3, 4] }] }, 2],
  ['none of the exit codes', attempt(exited(5)), { limit: 2, on: [{ exitCodes: [3, 4] }] }, 0],
  ['a signal', attempt({ kind: 'signalled', step: 'run', signal: 'SIGSEGV' }), { limit: 2 }, 2],
  ['out of memory', attempt({ kind: 'oomKilled', step: 'run', exitCode: 137 }), { limit: 2 }, 2],
  ['a time-out', attempt(timedOut), { limit: 2, on: ['timeout'] }, 2],
  ['a time-out, on exit', attempt(timedOut), { limit: 2 }, 0],
  // What happened to it.
  ['evicted', attempt(infrastructure('Evicted')), { infrastructure: 2 }, 2],
  ['preempted', attempt(infrastructure('Preempted')), { infrastructure: 2 }, 2],
  ['deleted', attempt(infrastructure('PodDeleted')), { infrastructure: 2 }, 2],
  ['evicted, without retry', attempt(infrastructure('Evicted')), { limit: 9 }, 0],
  ['a node that was lost: its pod may still run', attempt(infrastructure('NodeLost')), all, 0],
  ['a runledger that was lost: nobody saw the end', attempt({ kind: 'lost', message: 'gone' }), all, 0],
  // What is no failure.
  ['success', attempt(exited(0)), all, 0],
  ['warning', attempt(exited(42)), all, 0],
  ['skipped', attempt(exited(43)), all, 0],
  ['cancelled', attempt({ kind: 'cancelled', reason: 'Aborted', step: 'run' }), all, 0],
];
for (const [what, each, retry, further] of table)
  test(`${what}: ${further} further`, () => assert.is(furtherOf(each, retry), further));

test('each class is counted apart', () => {
  const retry: Retry = { limit: 1, infrastructure: 1 };
  const free = unstarted(infrastructure('Unschedulable'));
  const evicted = attempt(infrastructure('Evicted'));
  const failed = attempt(exited(1));
  assert.is(decide([free, free, evicted, free, failed], retry).kind, 'again', 'the first of its own');
  assert.is(decide([failed, free, evicted], retry).kind, 'again');
  assert.is(decide([failed, free, evicted, failed], retry).kind, 'final');
  assert.is(decide([evicted, failed, evicted], retry).kind, 'final');
  assert.is(decide([free, free, free, failed, free], retry).kind, 'final');
});

test('nothing is decided of a task without an attempt', () => assert.equal(decide([]), { kind: 'final' }));

/** How long after its end the next attempt may come. */
function pauseAfter(attempts: readonly AttemptState[], retry: Retry): number {
  const decision = decide(attempts, retry);
  if (decision.kind === 'final') throw new Error('there is no further attempt');
  return decision.notBefore - Date.parse(attempts.at(-1)?.finished ?? '');
}

test('back-off doubles from attempt to attempt, up to its cap, less at most a fifth', () => {
  const retry: Retry = { limit: 20, backoff: '10s', maxBackoff: '1m' };
  for (const [made, full] of [10, 20, 40, 60, 60, 60].entries()) {
    const pause = pauseAfter(
      Array.from({ length: made + 1 }, () => attempt(exited(1))),
      retry,
    );
    assert.ok(pause <= full * 1_000 && pause >= full * 800, `${pause} for ${full}`);
  }
});

test('what is free comes back sooner, and never later than the job allows', () => {
  const free = unstarted(infrastructure('Unschedulable'));
  assert.ok(pauseAfter([free], {}) <= 1_000);
  assert.ok(pauseAfter([free, free, free], {}) <= 4_000);
  assert.ok(pauseAfter([free, free], { backoff: '0s', maxBackoff: '0s' }) === 0);
});

test('an attempt without a known end may come again at once', () => {
  const decision = decide([{ ...attempt(exited(1)), finished: null }], { limit: 1 });
  assert.ok(decision.kind === 'again' && decision.notBefore <= 10_000);
});

test('whoever asks comes to the same, and pauses of different tasks differ', () => {
  const one = decide([attempt(exited(1))], { limit: 1 });
  assert.equal(decide([attempt(exited(1))], { limit: 1 }), one);
  const pauses = Array.from({ length: 20 }, (_, task) =>
    decideRetry(
      { ...key, task: `t${task}` },
      [{ attempt: attempt(exited(1)), judgement: judgeAttempt(exited(1), codes) }],
      specOf({ limit: 1 }),
    ),
  );
  assert.ok(new Set(pauses.map((each) => JSON.stringify(each))).size > 10);
});

test('it always comes to an end, and never asks for the past', () => {
  const endings = fc.constantFrom(
    attempt(exited(1)),
    attempt(exited(0)),
    attempt(timedOut),
    attempt(infrastructure('Evicted')),
    unstarted(infrastructure('Evicted')),
    unstarted(infrastructure('ImagePullFailed')),
  );
  fc.assert(
    fc.property(
      fc.array(endings, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 0, max: 5 }),
      (each, limit, infra) => {
        const decision = decide(each, { limit, infrastructure: infra, on: ['exit', 'timeout'] });
        if (decision.kind === 'again') {
          assert.ok(each.length <= FREE_RETRIES + limit + infra + 20);
          assert.ok(decision.notBefore >= Date.parse(at(-10)));
          assert.ok(decision.notBefore <= Date.parse(at(-10)) + 300_000);
        }
      },
    ),
  );
  fc.assert(
    fc.property(fc.infiniteStream(endings), fc.integer({ min: 0, max: 5 }), (stream, limit) => {
      const made: AttemptState[] = [];
      for (const each of stream) {
        made.push(each);
        if (decide(made, { limit, infrastructure: limit, on: ['exit', 'timeout'] }).kind === 'final') break;
      }
      assert.ok(made.length <= FREE_RETRIES + 2 * limit + 1, `${made.length} attempts`);
    }),
  );
});

test.run();
