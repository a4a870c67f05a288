/** manifests/monitoring: a dashboard and alerts that ask for nothing but what /metrics serves, and that mean what they say. */
import { execFile, spawnSync } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dump, load } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMetrics } from '../../src/server/metrics.ts';
import { temporaryDirectory } from '../support/git.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const has = (program: string, ...args: readonly string[]): boolean => spawnSync(program, args).status === 0;

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

const text = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const panels = async (): Promise<readonly Panel[]> =>
  (JSON.parse(await text('manifests/monitoring/dashboard.json')) as { panels: Panel[] }).panels;
const spec = async (): Promise<{ groups: { rules: Rule[] }[] }> =>
  (load(await text('manifests/monitoring/prometheusrule.yaml')) as { spec: { groups: { rules: Rule[] }[] } }).spec;
const rules = async (): Promise<readonly Rule[]> => (await spec()).groups.flatMap((group) => group.rules);

/** The metrics that an expression asks for, those of a histogram by its own name. */
const askedIn = (expr: string): readonly string[] =>
  Array.from(expr.matchAll(/\b(?:runledger|process|nodejs)_[a-z0-9_]+/g), ([name]) =>
    name.replace(/_(bucket|count|sum)$/, ''),
  );

async function servedNames(): Promise<ReadonlySet<string>> {
  const served = await createMetrics('1').text();
  return new Set(Array.from(served.text.matchAll(/^# TYPE (\S+)/gm), ([, name = '']) => name));
}

const test = suite('monitoring');

test('the dashboard shows only what is served, and all that runledger counts', async () => {
  const served = await servedNames();
  const asked = new Set((await panels()).flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => askedIn(expr))));
  for (const name of asked) if (process.platform === 'linux') assert.ok(served.has(name), name);
  for (const name of served) if (name.startsWith('runledger_')) assert.ok(asked.has(name), `no panel shows ${name}`);
});

test('panels have names and places of their own', async () => {
  const all = await panels();
  assert.is(new Set(all.map(({ id }) => id)).size, all.length);
  assert.is(new Set(all.map(({ title }) => title)).size, all.length);
  const taken = new Set<string>();
  for (const {
    title,
    type,
    targets = [],
    gridPos: { h, w, x, y },
  } of all) {
    assert.is(targets.length > 0, type !== 'row', title);
    assert.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column += 1)
      for (let line = y; line < y + h; line += 1) {
        assert.not(taken.has(`${column}/${line}`), `${title} lies over another panel`);
        taken.add(`${column}/${line}`);
      }
  }
});

test('alerts ask only for what is served, say what is wrong, and are explained', async () => {
  const served = await servedNames();
  const docs = await text('docs/metrics.md');
  const explained = Array.from(docs.matchAll(/^\| `(Runledger\w+)`/gm), ([, name]) => name);
  const all = await rules();
  assert.equal(
    explained,
    all.map(({ alert }) => alert),
  );
  for (const { alert, expr, labels, annotations } of all) {
    for (const name of askedIn(expr)) assert.ok(served.has(name), `${alert}: ${name}`);
    assert.ok(['warning', 'critical'].includes(labels.severity), alert);
    assert.ok(annotations.summary.length < 70 && annotations.description.length > 40, alert);
  }
});

test('each alert has a case in which it fires', async () => {
  const cases = load(await text('test/manifests/alerts.test.yaml')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: readonly unknown[] }[] }[];
  };
  const tried = cases.tests.flatMap(({ alert_rule_test: each }) => each);
  for (const { alert } of await rules()) {
    const own = tried.filter(({ alertname }) => alertname === alert);
    assert.ok(
      own.some(({ exp_alerts: expected }) => expected.length > 0),
      `${alert} fires`,
    );
    assert.ok(
      own.some(({ exp_alerts: expected }) => expected.length === 0),
      `${alert} is silent`,
    );
  }
});

if (has('promtool', '--version')) {
  test('promtool: the rules are well formed, and so is every expression of the dashboard', async () => {
    const { path, remove } = await temporaryDirectory();
    try {
      await writeFile(join(path, 'rules.yaml'), dump(await spec()));
      const exprs = (await panels()).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
      const recorded = exprs.map((expr, index) => ({
        record: `panel:${index}`,
        expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$source', '.*'),
      }));
      await writeFile(join(path, 'panels.yaml'), dump({ groups: [{ name: 'panels', rules: recorded }] }));
      const { stdout } = await run('promtool', ['check', 'rules', join(path, 'rules.yaml'), join(path, 'panels.yaml')]);
      assert.match(stdout, `SUCCESS: ${exprs.length} rules found`);
      assert.match(stdout, `SUCCESS: ${(await rules()).length} rules found`);
    } finally {
      await remove();
    }
  });

  test('promtool: each alert fires when it should, and only then', async () => {
    const { path, remove } = await temporaryDirectory();
    try {
      await writeFile(join(path, 'rules.yaml'), dump(await spec()));
      await copyFile(join(ROOT, 'test/manifests/alerts.test.yaml'), join(path, 'alerts.test.yaml'));
      const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', join(path, 'alerts.test.yaml')], {
        encoding: 'utf8',
      });
      assert.is(status, 0, `${stdout}${stderr}`);
    } finally {
      await remove();
    }
  });
} else
  console.log('# skipped: promtool is not there: alerts and expressions are not checked (apt-get install prometheus)');

if (has('kubectl', 'version', '--client'))
  test('kustomize makes of it objects in the namespace of the controller, which select its pods', async () => {
    const { stdout } = await run('kubectl', ['kustomize', join(ROOT, 'manifests/monitoring')]);
    const objects = stdout.split(/^---$/m).map((each) => load(each)) as {
      kind: string;
      metadata: { namespace: string; name: string };
      spec?: { selector: { matchLabels: object }; podMetricsEndpoints: { port: string }[] };
      data?: Record<string, string>;
    }[];
    assert.equal(objects.map(({ kind }) => kind).sort(), ['ConfigMap', 'PodMonitor', 'PrometheusRule']);
    for (const { metadata } of objects) assert.is(metadata.namespace, 'runledger');
    const deployment = load(await text('manifests/controller/deployment.yaml')) as {
      spec: {
        template: {
          metadata: { labels: object };
          spec: { containers: { ports: { name: string }[] }[] };
        };
      };
    };
    const { metadata, spec: pod } = deployment.spec.template;
    const monitor = objects.find(({ kind }) => kind === 'PodMonitor')?.spec;
    assert.equal(monitor?.selector.matchLabels, metadata.labels);
    assert.is(monitor?.podMetricsEndpoints[0]?.port, pod.containers[0]?.ports[0]?.name);
    const dashboard = objects.find(({ kind }) => kind === 'ConfigMap')?.data?.['dashboard.json'] ?? '';
    assert.is((JSON.parse(dashboard) as { uid: string }).uid, 'runledger');
  });
else console.log('# skipped: kubectl is not there: the kustomization is not built');

test.run();
