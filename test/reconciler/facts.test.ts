import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endUnbegun } from '../../src/reconciler/dispatch.ts';
import { finishedFacts } from '../../src/reconciler/facts.ts';
import { finishRun } from '../../src/cli/finish.ts';
import type { LiveRun } from '../../src/runner/port.ts';
import type { Reason, Result } from '../../src/schemas/index.ts';
import { attempt, exited, job, live, NOW, told, world } from './world.ts';

const test = suite('facts of a run that has ended');

const by = { runner: 'process', version: '0' } as const;
const parts = {
  now: () => NOW,
  finish: (run: LiveRun, unstarted: Parameters<typeof finishRun>[1], finished: string) =>
    finishRun(run, unstarted, finished, by),
};
const a = job('a', 'a');
const factsOf = (run: LiveRun, ended?: readonly [Result, Reason]) => {
  const end = ended
    ? endUnbegun(run, { result: ended[0], reason: ended[1], message: 'm', exitCode: null, step: null })
    : { run, unstarted: new Map() };
  return finishedFacts(parts, end, { ...world({ jobs: [a] }), live: [] });
};

const passedOver: readonly (readonly [Result, Reason])[] = [
  ['cancelled', 'Superseded'],
  ['cancelled', 'JobRemoved'],
  ['cancelled', 'CancelRequested'],
  ['skipped', 'UpstreamFailed'],
  ['skipped', 'UpstreamSkipped'],
  ['skipped', 'ConcurrencySkipped'],
  ['timed-out', 'QueueTimeout'],
];
for (const [result, reason] of passedOver)
  test(`a commit run that ended as ${reason} before its first attempt leaves its spec to be executed`, () => {
    const facts = factsOf(live(a, 1), [result, reason]);
    assert.equal([facts.commit, facts.passedOver], [undefined, a.digest]);
    const known = told(facts);
    assert.equal([known?.lastCommitDigest, known?.nextRun, known?.lastRuns[0]?.digest], [undefined, 2, a.digest]);
  });

test('one that had an attempt has executed its spec, however it ended', () => {
  for (const ending of [exited(0), exited(1), { kind: 'cancelled', reason: 'JobRemoved', step: 'run' } as const]) {
    const facts = factsOf(live(a, 1, { attempts: [attempt(ending)] }));
    assert.equal([facts.commit?.digest, facts.passedOver], [a.digest, undefined]);
    assert.is(told(facts)?.lastCommitDigest, a.digest);
  }
});

test('a condition that says no is an answer: its spec counts as executed', () => {
  assert.is(factsOf(live(a, 1), ['skipped', 'ConditionFalse']).commit?.digest, a.digest);
});

test('what another trigger started says nothing of commits', () => {
  const trigger = { kind: 'request', id: 'r' } as const;
  const facts = factsOf(live(a, 1, { record: { trigger }, attempts: [attempt(exited(0))] }));
  assert.equal([facts.commit, facts.passedOver], [undefined, undefined]);
});

test.run();
