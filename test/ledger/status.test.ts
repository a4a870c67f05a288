import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { JobFacts } from '../../src/ledger/port.ts';
import { applyFacts, conditionOf, isRemoved } from '../../src/ledger/status.ts';
import { validators, type JobStatus } from '../../src/schemas/index.ts';
import { at, digestOf, finishedFacts, manifestFacts, REVISION, START } from './fixtures.ts';

const test = suite('ledger status');
const OTHER = 'b'.repeat(40);

const apply = (...facts: readonly JobFacts[]): JobStatus => {
  const status = facts.reduce<JobStatus | undefined>((before, fact) => applyFacts(before, fact), undefined)!;
  assert.ok(validators.jobstatus(status), JSON.stringify(validators.jobstatus.errors));
  return status;
};
const active = (job: string, run: number, phase: 'Queued' | 'Running', waiting?: string): JobFacts => ({
  ...manifestFacts(job, 'valid'),
  active: { run, phase, ...(waiting === undefined ? {} : { waiting }) },
});

test('a valid job is idle, valid and ready', () => {
  const status = apply(manifestFacts('a', 'valid'));
  assert.is(status.phase, 'Idle');
  assert.is(status.nextRun, 1);
  assert.equal(status.source, { path: 'jobs/a.yaml', revision: REVISION });
  assert.equal(
    status.conditions.map(({ type, status }) => [type, status]),
    [
      ['Valid', 'True'],
      ['Ready', 'True'],
    ],
  );
});

test('a run takes a job through its phases', () => {
  assert.is(apply(active('a', 1, 'Queued', 'waits for build')).phase, 'Queued');
  assert.is(apply(active('a', 1, 'Queued', 'waits for build')).waiting, 'waits for build');
  const running = apply(active('a', 1, 'Queued', 'waits for build'), active('a', 1, 'Running'));
  assert.is(running.phase, 'Running');
  assert.is(running.waiting, undefined);
  assert.is(running.nextRun, 2);
  const ended = applyFacts(running, finishedFacts({ job: 'a', run: 1, result: 'failed' }));
  assert.is(ended.phase, 'Idle');
  const succeeded = conditionOf(ended, 'Succeeded');
  assert.equal([succeeded?.status, succeeded?.reason], ['False', 'ExitCode']);
  assert.is(succeeded?.message, 'step "load" ended with exit code 3');
});

test('what is known already changes nothing, not even the object', () => {
  const facts = [manifestFacts('a', 'valid'), finishedFacts({ job: 'a', run: 1 }), manifestFacts('a', 'suspended')];
  for (const count of [1, 2, 3]) {
    const status = apply(...facts.slice(0, count));
    const again = { ...facts[count - 1]!, at: at(START + 1e9) };
    assert.is(applyFacts(status, again), status, `after ${count}`);
  }
});

test('a revision that leaves the job as it was leaves the status alone; one that changes it shows', () => {
  const before = apply(manifestFacts('a', 'valid'));
  assert.is(applyFacts(before, manifestFacts('a', 'valid', START + 5, OTHER)), before);
  assert.is(applyFacts(before, manifestFacts('a', 'suspended', START + 5, OTHER)).source.revision, OTHER);
});

test('a condition keeps its time until its status changes', () => {
  const first = apply(finishedFacts({ job: 'a', run: 1 }));
  const second = applyFacts(first, finishedFacts({ job: 'a', run: 2 }));
  const third = applyFacts(second, finishedFacts({ job: 'a', run: 3, result: 'failed' }));
  const time = (status: JobStatus): string | undefined => conditionOf(status, 'Succeeded')?.lastTransitionTime;
  assert.is(time(second), time(first));
  assert.is(time(third), third.lastRuns[0]?.finished);
  assert.is(conditionOf(third, 'Valid')?.lastTransitionTime, conditionOf(first, 'Valid')?.lastTransitionTime);
});

test('an invalid manifest is told with its problems, and is repaired without a trace', () => {
  const invalid = apply(manifestFacts('a', 'valid'), manifestFacts('a', 'invalid', START + 5));
  assert.is(invalid.phase, 'Invalid');
  assert.is(invalid.problems?.[0]?.line, 12);
  assert.is(conditionOf(invalid, 'Valid')?.lastTransitionTime, at(START + 5));
  const repaired = applyFacts(invalid, manifestFacts('a', 'valid', START + 9));
  assert.is(repaired.phase, 'Idle');
  assert.is(repaired.problems, undefined);
  assert.is(conditionOf(repaired, 'Ready')?.status, 'True');
});

test('a run goes on while its manifest is invalid or suspended', () => {
  for (const state of ['invalid', 'suspended'] as const) {
    const status = applyFacts(apply(active('a', 1, 'Running')), manifestFacts('a', state));
    assert.is(status.phase, 'Running');
    const ended = applyFacts(status, { job: 'a', at: at(START), active: null });
    assert.is(ended.phase, state === 'invalid' ? 'Invalid' : 'Suspended');
  }
});

test('the last ten runs are kept, the newest first, however late one arrives', () => {
  const runs = [3, 1, 2, 12, 4, 5, 6, 7, 8, 9, 10, 11, 13];
  const status = apply(
    ...runs.map((run) => finishedFacts({ job: 'a', run, result: run === 13 ? 'failed' : 'succeeded' })),
  );
  assert.equal(
    status.lastRuns.map(({ run }) => run),
    [13, 12, 11, 10, 9, 8, 7, 6, 5, 4],
  );
  const late = applyFacts(status, finishedFacts({ job: 'a', run: 11, result: 'succeeded' }));
  assert.is(conditionOf(late, 'Succeeded')?.status, 'False', 'the newest run speaks');
  assert.is(late.nextRun, 14);
});

test('a removed job keeps its numbers and goes on with them when it comes back', () => {
  const removed = apply(finishedFacts({ job: 'a', run: 7 }), manifestFacts('a', 'removed', START + 5));
  assert.ok(isRemoved(removed));
  assert.equal([removed.nextRun, removed.lastCommitDigest], [8, digestOf('a/7')]);
  const back = applyFacts(removed, manifestFacts('a', 'valid', START + 9));
  assert.not.ok(isRemoved(back));
  assert.equal([back.nextRun, back.lastCommitDigest, back.lastRuns.length], [8, digestOf('a/7'), 1]);
});

test('the newest instant is kept, and a skipped run says nothing about success', () => {
  const later = '2026-11-20T02:30:00Z';
  const status = apply(
    finishedFacts({ job: 'a', run: 2, trigger: { kind: 'schedule', at: later } }),
    finishedFacts({ job: 'a', run: 1, trigger: { kind: 'schedule', at: '2026-11-20T01:30:00Z' } }),
  );
  assert.is(status.lastInstant, later);
  const skipped = applyFacts(status, finishedFacts({ job: 'a', run: 3, result: 'skipped' }));
  assert.is(conditionOf(skipped, 'Succeeded')?.status, 'Unknown');
});

test.run();
