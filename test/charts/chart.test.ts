// test-timeout: 240s
/** charts/runledger: the same in substance as manifests/, well formed, and taken by a real API server. */
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestCluster } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/git.ts';
import { kubectl } from '../e2e/world.ts';
import { CHART, findProgram, KUBE_VERSION, kustomize, openHelm, render, type Helm, type Rendered } from './helm.ts';
import { writeSchemas } from './openapi.ts';

const program = findProgram('helm', 'RUNLEDGER_TEST_HELM');
if (program !== undefined) await tests(openHelm(program));

/** Labels and annotations that Helm's conventions ask for and kustomize does not have. */
const HELM_ONLY = /^(app\.kubernetes\.io\/(instance|managed-by|version)|helm\.sh\/.*|checksum\/.*)$/;

/** Takes away what is said otherwise and means the same: Helm's own labels, hashes in names, empty fields. */
function plain(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => plain(item));
  if (typeof value !== 'object' || value === null)
    return key === 'name' || typeof value === 'string'
      ? String(value).replace(/^runledger-[a-z0-9]{10}$/, 'runledger')
      : value;
  const kept = Object.entries(value)
    .filter(([name]) => !HELM_ONLY.test(name))
    .map(([name, field]) => [name, plain(field, name)] as const)
    .filter(([name, field]) => name !== 'annotations' || Object.keys(field as object).length > 0);
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const idOf = ({ kind, metadata }: Rendered): string =>
  `${kind} ${metadata.namespace ?? '-'}/${metadata.name.replace(/^runledger-[a-z0-9]{10}$/, 'runledger')}`;
const byId = (objects: readonly Rendered[]): ReadonlyMap<string, unknown> =>
  new Map(objects.map((object) => [idOf(object), plain(object)] as const).sort(([a], [b]) => (a < b ? -1 : 1)));

async function tests(helm: Helm): Promise<void> {
  const test = suite('chart');
  const it = await openTestCluster('chart');
  test.after(() => it?.remove());

  test('with its defaults it makes what kustomize makes of manifests, but for the namespace that it is installed into', async () => {
    const [ours, theirs] = [byId(await render(helm)), byId(await kustomize('manifests'))];
    assert.equal(
      [...ours.keys()],
      [...theirs.keys()].filter((id) => id !== 'Namespace -/runledger'),
    );
    for (const [id, object] of ours) assert.equal(object, theirs.get(id), id);
  });

  test('reading nodes and monitoring are those of the manifests, too', async () => {
    const values = { nodeReader: true, monitoring: { podMonitor: true, prometheusRule: true, dashboard: true } };
    const all = byId(await render(helm, { values }));
    const [, binding] = [...all].find(([id]) => id.startsWith('ClusterRoleBinding')) ?? [];
    assert.equal((binding as { subjects: unknown }).subjects, [
      { kind: 'ServiceAccount', name: 'runledger', namespace: 'runledger' },
    ]);
    const overlay = byId(await kustomize('manifests/examples/overlay'));
    const role = 'ClusterRole -/runledger-node-reader';
    assert.equal((all.get(role) as Rendered)['rules'], (overlay.get(role) as Rendered)['rules']);
    for (const [id, object] of byId(await kustomize('manifests/monitoring'))) {
      const { spec, data } = all.get(id) as Rendered;
      assert.equal(spec, (object as Rendered)['spec'], id);
      assert.equal(data === undefined, (object as Rendered)['data'] === undefined, id);
      for (const [name, text] of Object.entries(((object as Rendered)['data'] ?? {}) as Record<string, string>))
        assert.equal(JSON.parse((data as Record<string, string>)[name] ?? ''), JSON.parse(text), name);
    }
  });

  test('a configuration is a file of the controller; namespaces, images and names are where they are asked for', async () => {
    const values = {
      config: { sources: [{ name: 'a', url: 'https://git.example.com/a.git', namespace: 'team-a' }] },
      image: { repository: 'registry.example.com/runledger', digest: `sha256:${'a'.repeat(64)}` },
      jobs: { namespace: 'team-a', createNamespace: false, moreNamespaces: ['team-b'], secretNames: ['report'] },
      networkPolicy: { egressPorts: [8443] },
    };
    const objects = await render(helm, { release: 'second', namespace: 'ops', values });
    assert.not(objects.some(({ kind }) => kind === 'Namespace'));
    const named = (kind: string, name: string): Rendered[] =>
      objects.filter((object) => object.kind === kind && object.metadata.name === name);
    assert.equal(
      named('Role', 'second-runledger-jobs').map(({ metadata }) => metadata.namespace),
      ['team-a', 'team-b'],
    );
    const [config] = named('ConfigMap', 'second-runledger-config') as [Rendered];
    assert.equal(load((config['data'] as Record<string, string>)['config.yaml'] ?? ''), {
      apiVersion: 'runledger.dev/v1',
      kind: 'Config',
      ...values.config,
    });
    const [deployment] = named('Deployment', 'second-runledger') as [Rendered];
    const { containers } = (deployment['spec'] as { template: { spec: { containers: Rendered[] } } }).template.spec;
    const image = `registry.example.com/runledger@sha256:${'a'.repeat(64)}`;
    assert.equal(containers[0]?.['args'], ['controller', '--config', '/etc/runledger/config.yaml']);
    assert.is(containers[0]?.['image'], image);
    const env = containers[0]?.['env'] as { name: string; value?: string }[];
    assert.is(env.find(({ name }) => name === 'RUNLEDGER_IMAGE')?.value, image);
    assert.is(
      env.find(({ name }) => name === 'RUNLEDGER_ADDRESS')?.value,
      'http://second-runledger.$(POD_NAMESPACE).svc:8080',
    );
  });

  test('what is misspelt, and a credential among the settings, is refused', async () => {
    const refused = async (values: object, why: RegExp): Promise<void> => {
      const said = await render(helm, { values }).then(
        () => 'was taken',
        ({ stderr }: { stderr: string }) => stderr,
      );
      assert.match(said, why);
    };
    await refused({ replica: 3 }, /additional properties 'replica' not allowed/);
    await refused({ settings: { RUNLEDGER_GIT_TOKEN: 'x' } }, /RUNLEDGER_GIT_TOKEN.*not. failed/s);
    await refused({ config: { source: [] } }, /missing property 'sources'/);
    await refused({ replicas: -1 }, /replicas/);
  });

  test('lint finds nothing, and its version is that of the package', async () => {
    assert.match(await helm('lint', '--strict', ...KUBE_VERSION, CHART), /1 chart\(s\) linted, 0 chart\(s\) failed/);
    const { version } = JSON.parse(await readFile(join(CHART, '../../package.json'), 'utf8')) as { version: string };
    const chart = load(await readFile(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string };
    assert.equal([chart.version, chart.appVersion], [version, version]);
    const image = (await kustomize('manifests')).find(({ kind }) => kind === 'Deployment');
    assert.match(JSON.stringify(image), `"ghcr.io/runledger/runledger:${version}"`);
  });

  test('a packed chart renders alike: it holds what its links lead to', async () => {
    const { path, remove } = await temporaryDirectory();
    try {
      await helm('package', CHART, '--destination', path);
      const { version } = load(await readFile(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string };
      const set = ['--set', 'monitoring.dashboard=true,monitoring.prometheusRule=true', ...KUBE_VERSION];
      const packed = await helm('template', 'runledger', join(path, `runledger-${version}.tgz`), ...set);
      assert.is(packed, await helm('template', 'runledger', CHART, ...set));
    } finally {
      await remove();
    }
  });

  if (it) {
    const inNamespaces = async (): Promise<readonly Rendered[]> => {
      const jobs = { namespace: await it.createNamespace(), createNamespace: false };
      return render(helm, { release: it.namespace, namespace: it.namespace, values: { jobs, nodeReader: true } });
    };

    test('the API server takes all of it, strictly, and warns of nothing', async () => {
      const items = await inNamespaces();
      const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
      const args = ['create', '--dry-run=server', '--validate=strict', '--warnings-as-errors', '-o', 'name', '-f', '-'];
      const names = (await kubectl(args, list)).trim().split('\n');
      assert.is(names.length, items.length);
    });

    const kubeconform = findProgram('kubeconform', 'RUNLEDGER_TEST_KUBECONFORM');
    if (kubeconform !== undefined)
      test('kubeconform finds nothing, by the schemas of this API server', async () => {
        const { path, remove } = await temporaryDirectory();
        try {
          const items = (await render(helm)).concat(await inNamespaces());
          await writeSchemas(path, items, (api) => kubectl(['get', '--raw', api]));
          const file = join(path, 'rendered.json');
          const check = (list: readonly object[]): { status: number | null; stdout: string } => {
            spawnSync('tee', [file], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: list }) });
            const location = join(path, '{{ .ResourceKind }}.json');
            return spawnSync(kubeconform, ['-summary', '-strict', '-schema-location', location, file], {
              encoding: 'utf8',
            });
          };
          const { status, stdout } = check(items);
          assert.is(status, 0, stdout);
          assert.match(stdout, `Valid: ${items.length}, Invalid: 0, Errors: 0, Skipped: 0`);
          const wrong = items
            .filter(({ kind }) => kind === 'Service')
            .map((service) => Object.assign({}, service, { spec: { port: 1 } }));
          assert.is(check(wrong).status, 1, 'it finds a mistake');
          await writeFile(file, '');
        } finally {
          await remove();
        }
      });
  }

  test.run();
}
