// test-timeout: 180s
/** The controller as a process, with a real cluster and a real git server. */
import { dump } from 'js-yaml';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bucketOf } from '../../src/ledger/layout.ts';
import { getObject, listObjects } from '../../src/runner/kubernetes/objects.ts';
import { configMaps, events, leases } from '../../src/runner/kubernetes/wire.ts';
import { cli, startCli, type CliResult } from '../support/cli.ts';
import { eventually, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { startGitServer } from '../support/git-server.ts';
import { temporaryDirectory } from '../support/git.ts';

const it = await openTestCluster('controller');
if (it) await tests(it);

const manifest = (name: string): string =>
  dump({
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    metadata: { name },
    spec: { image: 'busybox:1.36', run: 'echo printed' },
  });

async function tests(world: TestCluster): Promise<void> {
  const { namespace, kubeconfig, cluster, signal } = world;
  const test = suite('controller');
  const directory = await temporaryDirectory();
  const server = await startGitServer({ root: directory.path });
  const repository = await server.createRepository('jobs.git');
  const secret = 'the secret of the hook';
  test.after(async () => {
    await server.close();
    await world.remove();
    await directory.remove();
  });

  const options = ['--kubeconfig', kubeconfig, '--lease-namespace', namespace, '--listen', '127.0.0.1:0'];
  const write = async (sources: readonly object[]): Promise<string> => {
    const file = path.join(directory.path, 'config.yaml');
    await writeFile(file, dump({ apiVersion: 'runledger.dev/v1', kind: 'Config', sources }));
    return file;
  };
  const follow = (sources: readonly object[], env: Readonly<Record<string, string>> = {}) =>
    write(sources).then((file) => {
      const { child, ended } = startCli(['controller', '--config', file, ...options], { cwd: directory.path, env });
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      return {
        says: (pattern: RegExp) => eventually(`it to say ${pattern}`, () => pattern.exec(said), 60_000),
        stop: (): Promise<CliResult> => (child.kill('SIGTERM'), ended),
      };
    });

  test('a source that cannot be followed does not stop the others', async () => {
    await repository.commit({ 'a.yaml': manifest('a') });
    const controller = await follow([
      { name: 'good', url: repository.url, namespace },
      {
        name: 'broken',
        url: repository.url,
        namespace,
        ledger: { branch: 'other' },
        auth: { tokenFrom: { env: 'NONE' } },
      },
    ]);
    const [, address = ''] = await controller.says(/"address":"([^"]+)"/);
    await controller.says(/"source":"broken","retryInMs":\d+,"msg":"the variable NONE is not set"/);
    await controller.says(/"job":"a","run":1,.*"msg":"recorded"/);
    assert.is((await fetch(`${address}/readyz`)).status, 200);
    await eventually('the Event of the end', async () => {
      const fieldSelector = 'involvedObject.kind=ConfigMap';
      const { items } = await listObjects(cluster, events, { namespace, fieldSelector }, { signal });
      const ends = items.filter(({ action }) => action === 'ended');
      const [end] = ends;
      if (!end) return undefined;
      assert.is(ends.length, 1);
      assert.match(end.message ?? '', /^run 1 of a succeeded in /);
      const claim = await getObject(
        cluster,
        configMaps,
        { namespace, name: end.involvedObject.name ?? '' },
        { signal },
      );
      assert.is(end.involvedObject.uid, claim.metadata?.uid);
      assert.is(end.reason, 'Completed');
      return true;
    });
    const metrics = await (await fetch(`${address}/metrics`)).text();
    const valueOf = (series: string): number =>
      Number(
        metrics
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.split(' ')[1] ?? NaN,
      );
    for (const series of [
      'runledger_runs_started_total{source="good",trigger="commit"}',
      'runledger_runs_finished_total{source="good",result="succeeded",reason="Completed"}',
      'runledger_run_queue_duration_seconds_count{source="good"}',
      'runledger_run_start_duration_seconds_count{source="good"}',
      'runledger_run_duration_seconds_count{source="good"}',
      'runledger_run_record_duration_seconds_count{source="good"}',
      'runledger_leader{source="good"}',
      'runledger_kubernetes_requests_total{verb="create",resource="pods",code="201"}',
    ])
      assert.is(valueOf(series), 1, series);
    assert.is(valueOf('runledger_log_read_bytes_total{source="good"}'), 'printed\n'.length);
    assert.is(valueOf('runledger_ledger_lag_seconds{source="good"}'), 0);
    for (const series of [
      'runledger_git_operations_total{source="good",operation="push",result="ok"}',
      'runledger_git_operations_total{source="good",operation="discover",result="ok"}',
      'runledger_reconcile_passes_total{source="good",result="ok"}',
      'runledger_reconcile_pass_duration_seconds_count{source="good"}',
      'runledger_errors_total{source="broken"}',
      'runledger_kubernetes_requests_total{verb="get",resource="pods/log",code="200"}',
      'runledger_kubernetes_events_total{source="good",result="sent"}',
    ])
      assert.ok(valueOf(series) > 0, series);
    const { code, stderr } = await controller.stop();
    assert.is(code, 0, stderr);
    assert.match(stderr, /"msg":"stopping: runs go on in the cluster"/);
    assert.match(
      await repository.git('ls-tree', '-r', '--name-only', 'runledger/status'),
      `jobs/${bucketOf('a')}/a/1.yaml`,
    );
    for (const name of ['good', 'broken']) {
      const lease = await getObject(cluster, leases, { namespace, name: `runledger-runledger-${name}` }, { signal });
      assert.not.ok(lease.spec?.holderIdentity, `${name} is given back`);
    }
  });

  test('a webhook brings what the poll would bring in an hour, also after a pass that failed', async () => {
    const endFault = server.fault({ kind: 'status', status: 500 });
    const source = { name: 'hooked', url: repository.url, namespace, interval: '1h', ledger: { branch: 'hooked' } };
    const controller = await follow([{ ...source, webhook: { secretFrom: { env: 'HOOK' } } }], { HOOK: secret });
    const [, address = ''] = await controller.says(/"address":"([^"]+)"/);
    const push = async (branch: string): Promise<number> => {
      const body = JSON.stringify({ ref: `refs/heads/${branch}`, repository: { default_branch: 'main' } });
      const signature = createHmac('sha256', secret).update(body).digest('hex');
      const headers = { 'x-gitea-signature': signature, 'content-type': 'application/json' };
      return (await fetch(`${address}/hooks/hooked`, { method: 'POST', body, headers })).status;
    };
    try {
      await controller.says(/"level":"error",.*"retryInMs":\d+/);
      endFault();
      assert.is(await push('main'), 202);
      await controller.says(/"job":"a","run":1,.*"msg":"recorded"/);
      await repository.commit({ 'b.yaml': manifest('b') });
      assert.is(await push('hooked'), 200);
      assert.is(await push('main'), 202);
      await controller.says(/"job":"b","run":1,.*"msg":"recorded"/);
    } finally {
      endFault();
      await controller.stop();
    }
  });

  test('what is configured wrongly ends it with 2, and a sentence that says what', async () => {
    const source = { name: 'x', url: repository.url, namespace };
    const config = await write([source]);
    const ends = async (wanted: RegExp, args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const { code, stderr } = await cli(['controller', ...args], { cwd: directory.path, env });
      assert.is(code, 2, stderr);
      assert.match(stderr, wanted);
      assert.not.match(stderr, /\n\s+at /);
    };
    await ends(/--listen nonsense: that is no address/, ['--config', config, ...options, '--listen', 'nonsense']);
    await ends(/--listen 0:99999/, ['--config', config, ...options, '--listen', '0:99999']);
    await ends(/there is no configuration/, options);
    await ends(/can't be read/, ['--config', path.join(directory.path, 'none.yaml'), ...options]);
    await ends(/none\.kubeconfig/, ['--config', config, '--kubeconfig', path.join(directory.path, 'none.kubeconfig')]);
    await ends(/namespace "rl-none"/, ['--config', config, ...options, '--lease-namespace', 'rl-none']);
    const empty = path.join(directory.path, 'empty');
    await writeFile(empty, '\n');
    const hooked = await write([{ ...source, webhook: { secretFrom: { file: empty } } }]);
    await ends(/the file .*empty is empty/, ['--config', hooked, ...options]);
  });

  test.run();
}
