// test-timeout: 300s
/** charts/runledger on a real cluster: installed, changed, and removed by Helm. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { jobFolder } from '../../src/ledger/layout.ts';
import { findWorld, kubectl, type Parts } from '../e2e/world.ts';
import { manifestOf } from '../runner/kubernetes/world.ts';
import { eventually, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { commitFiles, git, initRepository, temporaryDirectory } from '../support/git.ts';
import { CHART, findProgram, type Helm, openHelm } from './helm.ts';

const program = findProgram('helm', 'RUNLEDGER_TEST_HELM');
const parts = program === undefined ? undefined : await findWorld();
const it = parts && (await openTestCluster('helm'));
if (program !== undefined && parts && it) await tests(openHelm(program), parts, it);

const lines = (text: string): readonly string[] => text.split('\n').filter(Boolean).toSorted();

async function tests(helm: Helm, { forge, image }: Parts, world: TestCluster): Promise<void> {
  const test = suite('an installation by Helm');
  const { namespace } = world;
  const jobs = await world.createNamespace();
  const directory = await temporaryDirectory();
  const repository = await forge.createRepository('helm');
  const token = await forge.createToken(repository.name);
  test.after(async () => {
    await helm('uninstall', 'it', '--namespace', namespace, '--ignore-not-found');
    await world.remove();
    await forge.deleteRepository(repository.name);
    await forge.deleteToken(repository.name);
    await directory.remove();
  });

  const remote = repository.url.replace('://', `://${forge.user}:${token}@`);
  const tree = await initRepository(join(directory.path, 'tree'));
  await git(tree, 'pull', '--quiet', remote, 'main');
  const push = async (job: string): Promise<void> => {
    await commitFiles(tree, { [`${job}.yaml`]: manifestOf(job, { run: 'echo printed' }) });
    await git(tree, 'push', '--quiet', remote, 'HEAD:main');
  };
  const ledger = async (...args: readonly string[]): Promise<string> => {
    await git(tree, 'fetch', '--quiet', remote, '+refs/heads/runledger/status:refs/heads/ledger');
    return git(tree, ...args);
  };
  const recorded = (job: string): Promise<string> =>
    eventually(
      `the outcome of ${job}`,
      () => ledger('show', `ledger:${jobFolder(job)}/1.yaml`).catch(() => undefined),
      90_000,
    );
  const outcomes = async (): Promise<readonly string[]> =>
    lines(await ledger('ls-tree', '-r', '--name-only', 'ledger')).filter((file) => /\/\d+\.yaml$/.test(file));

  const release = ['it', CHART, '--namespace', namespace, '--wait', '--timeout', '120s'] as const;
  const set = (values: Readonly<Record<string, unknown>>): readonly string[] =>
    Object.entries(values).flatMap(([name, value]) => ['--set-json', `${name}=${JSON.stringify(value)}`]);

  test('its first outcome is there soon after', async () => {
    await push('first');
    const credentials = { USERNAME: forge.user, PASSWORD: token };
    const literals = Object.entries(credentials).map(
      ([name, value]) => `--from-literal=RUNLEDGER_GIT_${name}=${value}`,
    );
    const url = `--from-literal=RUNLEDGER_URL=${repository.url}`;
    await kubectl(['-n', namespace, 'create', 'secret', 'generic', 'runledger', url, ...literals]);
    const colon = image.lastIndexOf(':');
    const values = {
      image: { repository: image.slice(0, colon), tag: image.slice(colon + 1) },
      replicas: 1,
      jobs: { namespace: jobs, createNamespace: false },
      settings: { RUNLEDGER_SOURCE: 'default', RUNLEDGER_INTERVAL: '2s' },
      networkPolicy: { enabled: true, egressPorts: [Number(new URL(forge.url).port || 443)] },
    };
    await helm('install', ...release, ...set(values));
    assert.match(await recorded('first'), /^result: succeeded$/m);
  });

  test('an upgrade with another value goes on where the old controller was', async () => {
    await helm('upgrade', ...release, '--reuse-values', ...set({ replicas: 2, 'settings.RUNLEDGER_INTERVAL': '1s' }));
    const wanted = 'jsonpath={.status.readyReplicas} {.status.updatedReplicas}';
    assert.is(await kubectl(['-n', namespace, 'get', 'deployment', 'it-runledger', '-o', wanted]), '2 2');
    const settings = ['-n', namespace, 'get', 'configmap', 'it-runledger', '-o', 'jsonpath={.data.RUNLEDGER_INTERVAL}'];
    assert.is(await kubectl(settings), '1s');
    await push('second');
    assert.match(await recorded('second'), /^result: succeeded$/m);
    assert.equal(await outcomes(), lines(`${jobFolder('first')}/1.yaml\n${jobFolder('second')}/1.yaml`));
  });

  test('nothing of it is left after it was removed, but what docs/kubernetes.md names', async () => {
    const pods = ['-n', jobs, 'get', 'pods', '-l', 'app.kubernetes.io/managed-by=runledger', '-o', 'name'];
    await eventually('no pod is left', async () => (await kubectl(pods)) === '');
    await helm('uninstall', 'it', '--namespace', namespace, '--wait', '--timeout', '120s');
    assert.is((await helm('list', '--all', '--short', '--namespace', namespace)).trim(), '');
    const kinds = lines(await kubectl(['api-resources', '--verbs=list', '-o', 'name'])).join(',');
    const labelled = ['get', kinds, '--all-namespaces', '-l', 'app.kubernetes.io/instance=it', '-o', 'name'];
    assert.equal(lines(await kubectl(labelled)), []);
    const left = async (where: string): Promise<readonly string[]> =>
      lines(await kubectl(['-n', where, 'get', 'pods,configmaps,secrets,leases,pdb,roles,services', '-o', 'name']));
    assert.equal(await left(namespace), [
      'configmap/kube-root-ca.crt',
      'lease.coordination.k8s.io/runledger-runledger-default',
      'secret/runledger',
    ]);
    const known = /^(configmap\/(kube-root-ca\.crt|(first|second)-1-\w+)|poddisruptionbudget\.policy\/\S+)$/;
    assert.equal(
      (await left(jobs)).filter((name) => !known.test(name)),
      [],
    );
  });

  test.run();
}
