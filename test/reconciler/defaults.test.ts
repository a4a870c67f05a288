import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withDefaults } from '../../src/reconciler/defaults.ts';
import type { RunRecord } from '../../src/runner/port.ts';
import type { Job } from '../../src/schemas/index.ts';

const test = suite('defaults of the configuration');

const record = (spec: Partial<Job['spec']>): RunRecord => ({
  job: 'report',
  run: 1,
  trigger: { kind: 'commit', revision: 'a'.repeat(40) },
  revision: 'a'.repeat(40),
  path: 'jobs/report.yaml',
  digest: `v1:${'b'.repeat(64)}`,
  covered: { run: 'true' },
  spec: { run: 'true', ...spec },
  labels: {},
  params: {},
  args: [],
  chain: 'a'.repeat(40),
  queued: '2026-01-01T00:00:00.000Z',
});

test('what the job says itself wins, field by field', () => {
  const { spec, defaultHooks } = withDefaults(record({ env: { A: 'job' }, timeouts: { run: '5m' } }), {
    env: { A: 'default', B: 'default' },
    timeouts: { run: '1m', grace: '7s' },
    resources: { limits: { memory: '1Gi' } },
    hooks: { before: 'echo before', shutdown: 'echo gone' },
  });
  assert.equal(spec.env, { A: 'job', B: 'default' });
  assert.equal(spec.timeouts, { run: '5m', grace: '7s' });
  assert.equal(spec.resources, { limits: { memory: '1Gi' } });
  assert.equal(defaultHooks, { before: 'echo before', shutdown: 'echo gone' });
});

test('a job that names any resources has these alone', () => {
  const own = { requests: { cpu: '1' } };
  const { spec } = withDefaults(record({ resources: own }), { resources: { limits: { memory: '1Gi' } } });
  assert.equal(spec.resources, own);
});

test('digest and what it covers stay as they are, and no defaults change nothing', () => {
  const before = record({ env: { A: 'job' } });
  const after = withDefaults(before, { env: { B: 'default' } });
  assert.is(after.digest, before.digest);
  assert.is(after.covered, before.covered);
  assert.equal(withDefaults(before, {}), before);
});

test.run();
