import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CreatedPod } from './creations.ts';
import { judge, type Evidence } from './verdict.ts';

const podOf = (job: string, more: Partial<CreatedPod> = {}): CreatedPod => ({
  name: job,
  uid: job,
  labels: { 'runledger.dev/job': job, 'runledger.dev/run': '1' },
  fenced: false,
  started: true,
  attempts: [`${job}/1/default.1`],
  ...more,
});

const good: Evidence = {
  wanted: new Map([
    ['a/1', 0],
    ['b/1', 3],
  ]),
  outcomes: new Map([
    ['a/1', { result: 'succeeded', exitCode: '0' }],
    ['b/1', { result: 'failed', exitCode: '3' }],
  ]),
  unwanted: [],
  pods: [podOf('a'), podOf('b')],
  left: [],
};

const verdict = suite('verdict of a chaos round');

verdict('all is well', () => {
  assert.equal(judge(good), { runs: 2, recorded: 2, pods: 2, fenced: 0, problems: [] });
});

verdict('a pod that could never start is no second one', () => {
  const pods = [...good.pods, podOf('a', { uid: 'late', fenced: true, started: false })];
  assert.equal(judge({ ...good, pods }), { runs: 2, recorded: 2, pods: 2, fenced: 1, problems: [] });
});

const bad: readonly [string, Partial<Evidence>, string][] = [
  ['a lost run', { outcomes: new Map([...good.outcomes].slice(0, 1)) }, 'run b/1 is not in the ledger'],
  [
    'a success that was none',
    { outcomes: new Map([...good.outcomes, ['b/1', { result: 'succeeded', exitCode: '0' }]]) },
    'run b/1 is succeeded with exit code 0, not failed with 3',
  ],
  ['a run that ran twice', { pods: [...good.pods, podOf('a', { uid: 'second' })] }, 'run a/1 had 2 pods'],
  ['a run without a pod', { pods: [podOf('b')] }, 'run a/1 had 0 pods'],
  ['a pod of no run', { pods: [...good.pods, podOf('c')] }, 'run c/1 had a pod, and nobody asked for it'],
  ['an outcome of no run', { unwanted: ['a/2'] }, 'run a/2 is in the ledger, and nobody asked for it'],
  [
    'a fence that did not hold',
    { pods: [...good.pods, podOf('a', { uid: 'late', fenced: true })] },
    'pod a started although its payload was gone',
  ],
  ['an object that stays', { left: ['Pod a'] }, 'left over: Pod a'],
];

for (const [name, evidence, problem] of bad) {
  verdict(`finds ${name}`, () => {
    assert.equal(judge({ ...good, ...evidence }).problems, [problem]);
  });
}

verdict.run();
