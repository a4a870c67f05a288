import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMeasure } from '../../src/cli/controller/measure.ts';
import type { ReconcilerEvent } from '../../src/reconciler/ports.ts';
import type { Outcome } from '../../src/schemas/index.ts';
import { createMetrics } from '../../src/server/metrics.ts';

const test = suite('measuring runs');
const key = { job: 'a', run: 1 };
const at = (second: number): string => new Date(second * 1_000).toISOString();
const finished = (started: number | undefined, end: number): ReconcilerEvent => ({
  kind: 'finished',
  outcome: {
    ...key,
    result: 'succeeded',
    reason: 'Completed',
    times: { queued: at(0), ...(started === undefined ? {} : { started: at(started) }), finished: at(end) },
  } as Outcome,
  previous: null,
});
const started: ReconcilerEvent = {
  kind: 'started',
  key,
  trigger: 'commit',
  chain: 'c',
  attempts: [],
  first: true,
  queued: at(10),
};

function world() {
  const metrics = createMetrics('1');
  let now = 0;
  const measure = createMeasure(metrics.source('s'), () => now * 1_000);
  return {
    take(second: number, event: ReconcilerEvent) {
      now = second;
      measure.take(event);
    },
    lag: (second: number) => ((now = second), measure.lagSeconds()),
    sum: async (name: string) => {
      const { text } = await metrics.text();
      return Number(new RegExp(`^runledger_${name}_seconds_sum\\{source="s"\\} (\\S+)`, 'm').exec(text)?.[1]);
    },
  };
}

test('a run: how long it waited, took to start, ran, and took to be recorded', async () => {
  const it = world();
  it.take(13, started);
  it.take(31, finished(15, 30));
  assert.is(it.lag(34), 4);
  it.take(36, { kind: 'recorded', key, commit: null });
  assert.is(it.lag(40), 0);
  assert.equal(
    await Promise.all(['run_queue_duration', 'run_start_duration', 'run_duration', 'run_record_duration'].map(it.sum)),
    [3, 2, 15, 6],
  );
});

test('clocks that differ count as 0; a run that another process started has no time to start', async () => {
  const it = world();
  it.take(5, started);
  assert.is(await it.sum('run_queue_duration'), 0);
  it.take(5, finished(4, 4));
  assert.is(await it.sum('run_start_duration'), 0);
  const adopted = world();
  adopted.take(31, finished(15, 30));
  assert.ok(Number.isNaN(await adopted.sum('run_start_duration')));
});

test('an outcome that the ledger refuses does not wait for ever', async () => {
  const it = world();
  it.take(31, finished(15, 30));
  it.take(32, { kind: 'refused', key });
  assert.is(it.lag(50), 0);
  assert.ok(Number.isNaN(await it.sum('run_record_duration')));
});

test.run();
