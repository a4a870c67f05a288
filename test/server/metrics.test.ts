/** docs/metrics.md tells what /metrics serves: no more, no less. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { METRICS } from '../../src/server/metric-table.ts';
import { createMetrics, type Metrics } from '../../src/server/metrics.ts';

const test = suite('metrics');

/** Rows of the tables: name, type, and labels where the table has them. */
async function documented(): Promise<readonly { name: string; type: string; labels: readonly string[] }[]> {
  const text = await readFile(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8');
  return text.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    const name = /^`([a-z_0-9]+)`$/.exec(cells[1] ?? '')?.[1];
    if (name === undefined) return [];
    const labels = cells.length > 5 ? Array.from((cells[3] ?? '').matchAll(/`(\w+)`/g), ([, label = '']) => label) : [];
    return [{ name, type: cells[2] ?? '', labels }];
  });
}

/** Everything is counted once. */
function countAll(metrics: Metrics): () => void {
  const source = metrics.source('platform');
  const end = source.lead(() => ({ workDepth: 3, workAgeSeconds: 0.5, lagSeconds: 7 }));
  source.started('commit', 2);
  source.began(1);
  source.finished('failed', 'ExitCode', 61);
  source.recorded(0.4);
  source.passed(0.02, false, { active: 4, queued: 5 });
  source.trouble();
  source.git('push', 'ok', 0.2);
  source.logBytes(1_000);
  source.redaction();
  source.event('sent');
  source.hook('accepted');
  const numbers = { idle: 1, busy: 2, starting: 3, desired: 6, minRunners: 1, maxRunners: 9, assigned: 4 };
  source.sets.state('small', numbers);
  source.sets.ready('small', 1.5);
  source.sets.handed('small', 0.1);
  source.sets.spoke('small', 0.2);
  source.sets.failed('small', 'ImagePullFailed');
  metrics.delivery('status', 'sent');
  metrics.apiCall({ verb: 'create', resource: 'pods', code: '201' }, 0.01);
  return end;
}

const served = (text: string): readonly { name: string; type: string }[] =>
  Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name = '', type = '']) => ({ name, type }));

test('what is documented is served, and what is served is documented, with type and labels', async () => {
  const metrics = createMetrics('1.2.3');
  countAll(metrics);
  const { text } = await metrics.text();
  const rows = await documented();
  const pairs = (all: readonly { name: string; type: string }[]): readonly string[] =>
    all
      .map(({ name, type }) => `${name} ${type}`)
      .filter((pair) => process.platform === 'linux' || !pair.startsWith('process_'))
      .sort();
  assert.equal(pairs(rows), pairs(served(text)));
  for (const { name, type, labels } of rows.filter(({ name }) => name.startsWith('runledger_'))) {
    const [, found] = new RegExp(`^${name}${type === 'histogram' ? '_count' : ''}\\{([^}]*)\\}`, 'm').exec(text) ?? [];
    assert.equal(
      Array.from((found ?? '').matchAll(/(\w+)="/g), ([, label = '']) => label).sort(),
      [...labels].sort(),
      `${name}: ${found}`,
    );
  }
});

test('names, units and help follow the conventions', () => {
  for (const { name, type, help } of Object.values(METRICS)) {
    assert.is(name.endsWith('_total'), type === 'counter', name);
    assert.match(name, /^runledger_[a-z_]+$/);
    assert.match(help, /[.]$/);
    if (type === 'histogram') assert.match(name, /_seconds$/);
  }
});

test('values are what was counted; gauges go with the leadership', async () => {
  const metrics = createMetrics('1.2.3', ['platform', 'other']);
  const end = countAll(metrics);
  const { text: leading } = await metrics.text();
  for (const line of [
    'runledger_runs_finished_total{source="platform",result="failed",reason="ExitCode"} 1',
    'runledger_runs_active{source="platform"} 4',
    'runledger_runs_queued{source="platform"} 5',
    'runledger_ledger_lag_seconds{source="platform"} 7',
    'runledger_work_queue_depth{source="platform"} 3',
    'runledger_leader{source="platform"} 1',
    'runledger_leader{source="other"} 0',
    'runledger_kubernetes_requests_total{verb="create",resource="pods",code="201"} 1',
    'runledger_run_duration_seconds_bucket{le="60",source="platform"} 0',
    'runledger_run_duration_seconds_sum{source="platform"} 61',
    `runledger_build_info{version="1.2.3",node_version="${process.versions.node}"} 1`,
  ])
    assert.ok(leading.includes(`${line}\n`), line);
  end();
  const { text: after } = await metrics.text();
  assert.match(after, 'runledger_leader{source="platform"} 0\n');
  assert.not.match(after, /^runledger_(runs_active|runs_queued|ledger_lag_seconds|work_queue_\w+)\{/m);
  assert.match(after, 'runledger_runs_started_total{source="platform",trigger="commit"} 1\n');
});

test('two of them in one process do not see each other', async () => {
  const [one, other] = [createMetrics('1'), createMetrics('1')];
  one.source('a').trouble();
  assert.not.match((await other.text()).text, 'runledger_errors_total{');
});

if (spawnSync('promtool', ['--version']).status === 0)
  test('promtool finds nothing to say against them', async () => {
    const metrics = createMetrics('1.2.3');
    countAll(metrics);
    const { text } = await metrics.text();
    const own = text.split('\n').filter((line) => line.includes('runledger_'));
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: `${own.join('\n')}\n`,
      encoding: 'utf8',
    });
    assert.is(status, 0, stderr);
    assert.is(stderr, '');
  });

test.run();
