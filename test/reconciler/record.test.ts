import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { resolveParameters } from '../../src/job/parameters.ts';
import type { Observation } from '../../src/reconciler/ports.ts';
import { composeRecord } from '../../src/reconciler/record.ts';
import type { PlannedAction } from '../../src/schemas/index.ts';
import { at, job, live, NOW, world } from './world.ts';

const test = suite('records of planned runs');

const trigger = { kind: 'request', id: 'r1' } as const;
const desired = job('a', 'b', { parameters: { REGION: { default: 'eu' }, NEW: { default: 'n' } } });
const before = live(job('a', 'a'), 3, {
  held: false,
  partial: true,
  record: {
    trigger,
    params: { REGION: 'us', OLD: 'o' },
    args: ['--all'],
    requestedBy: 'Ada',
    rerunOf: 1,
    chain: 'r1',
    queued: at(-500),
  },
});
const again: PlannedAction = {
  job: 'a',
  action: 'run',
  run: 3,
  trigger,
  path: desired.path,
  reason: 'Interrupted',
  message: 'm',
};
const parts = {
  now: () => NOW,
  covered: async () => ({}),
  params: (of: typeof desired, given: Readonly<Record<string, string>>) => resolveParameters(of.manifest.spec, given),
};
const seen = { ...world({ jobs: [desired], live: [before] }), snapshot: {} } as unknown as Observation;

test('a start that was cut off goes on with what was asked for, though the request is gone', async () => {
  const record = await composeRecord(parts, again, seen, []);
  assert.equal(record.params, { REGION: 'us', NEW: 'n' }, 'as far as the job takes it by now');
  assert.equal([record.args, record.requestedBy, record.rerunOf], [['--all'], 'Ada', 1]);
  assert.equal([record.chain, record.queued, record.digest], ['r1', at(-500), desired.digest]);
});

test('while the request is there, it says what is asked for; that of another job does not', async () => {
  const request = { job: 'a', id: 'r1', params: { REGION: 'asia' }, args: [] };
  assert.is((await composeRecord(parts, again, seen, [request])).params['REGION'], 'asia');
  assert.is((await composeRecord(parts, again, seen, [{ ...request, job: 'b' }])).params['REGION'], 'us');
});

test.run();
