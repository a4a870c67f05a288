// test-timeout: 240s
/** What the shipped Roles allow and what they don't, by the API server's own answers. */
import { dump, load } from 'js-yaml';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bucketOf } from '../../src/ledger/layout.ts';
import type { Job, Outcome } from '../../src/schemas/index.ts';
import { startCli } from '../support/cli.ts';
import { eventually, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { startGitServer, type Repository } from '../support/git-server.ts';
import { temporaryDirectory } from '../support/git.ts';
import { auditedRefusals } from './audit.ts';
import { installRoles, type Roles } from './roles.ts';
import { kubectl } from './world.ts';

const it = await openTestCluster('roles');
if (it) await tests(it);

const manifest = (name: string, spec: Partial<Job['spec']>): string =>
  dump({ apiVersion: 'runledger.dev/v1', kind: 'Job', metadata: { name }, spec: { image: 'busybox:1.36', ...spec } });

async function outcomeOf(repository: Repository, job: string): Promise<Outcome> {
  const file = `runledger/status:jobs/${bucketOf(job)}/${job}/1.yaml`;
  return eventually(
    `an outcome of ${job}`,
    async () => load(await repository.git('show', file).catch(() => 'null')) as Outcome | null,
    60_000,
  );
}

async function tests(cluster: TestCluster): Promise<void> {
  const test = suite('roles');
  const directory = await temporaryDirectory();
  const roles = await installRoles(cluster, directory.path);
  const server = await startGitServer({ root: directory.path });
  const repository = await server.createRepository('jobs.git');
  const node = `rl-gone-${roles.controllerNamespace.slice(-8)}`;
  test.after(async () => {
    await kubectl(['delete', 'node', node, '--ignore-not-found']);
    await roles.remove();
    await cluster.remove();
    await server.close();
    await directory.remove();
  });

  /** Has a controller with the ServiceAccount's token alone follow the repository until the work is done. */
  const withController = async (work: () => Promise<void>): Promise<void> => {
    const config = path.join(directory.path, 'config.yaml');
    const source = { name: 'roles', url: repository.url, namespace: roles.jobsNamespace, interval: '1s' };
    await writeFile(
      config,
      dump({ apiVersion: 'runledger.dev/v1', kind: 'Config', sources: [source], nodeLostAfter: '1s' }),
    );
    const args = ['controller', '--config', config, '--listen', '127.0.0.1:0', '--kubeconfig', roles.kubeconfig];
    const { child, ended } = startCli(args, { cwd: directory.path });
    try {
      await work();
    } finally {
      child.kill('SIGTERM');
      const { code, stderr } = await ended;
      assert.is(code, 0, stderr);
      assert.not.match(stderr, /forbidden/i);
    }
  };

  test('the Roles suffice for jobs of one step and of several, with a secret, and refuse nothing that is asked for', async () => {
    await kubectl([
      '-n',
      roles.jobsNamespace,
      'create',
      'secret',
      'generic',
      'report',
      '--from-literal=token=hunter22',
    ]);
    const env = { TOKEN: { secret: { name: 'report', key: 'token' } } };
    await repository.commit({
      'one.yaml': manifest('one', { env, run: 'echo "the token is $TOKEN"' }),
      'failing.yaml': manifest('failing', { run: 'exit 3' }),
      'missing.yaml': manifest('missing', { image: 'registry.invalid/none:1', run: 'true' }),
    });
    await withController(async () => {
      assert.is((await outcomeOf(repository, 'one')).result, 'succeeded');
      assert.is((await outcomeOf(repository, 'failing')).exitCode, 3);
      assert.is((await outcomeOf(repository, 'missing')).reason, 'ImagePullFailed');
    });
    const log = await repository.git('show', `runledger/status:jobs/${bucketOf('one')}/one/1.1.log`);
    assert.match(log, /the token is \*\*\*/);
    const audit = process.env['RUNLEDGER_TEST_AUDIT_LOG'];
    if (audit) assert.equal(await auditedRefusals(audit, roles.account), []);
  });

  test('the account may do this, and nothing else', () => assertAnswers(roles));

  test('its token opens no other namespace, no secrets but those it names, and no shell', async () => {
    const refused = async (...args: readonly string[]): Promise<void> => {
      const error = await kubectl(['--kubeconfig', roles.kubeconfig, ...args]).then(
        () => 'was allowed',
        (failure: { stderr: string }) => failure.stderr,
      );
      assert.match(error, /forbidden/i, args.join(' '));
    };
    const jobs = roles.jobsNamespace;
    assert.match(
      await kubectl(['--kubeconfig', roles.kubeconfig, '-n', jobs, 'get', 'secret', 'report', '-o', 'name']),
      /secret\/report/,
    );
    await refused('get', 'secrets', '--all-namespaces');
    await refused('-n', jobs, 'get', 'secrets');
    await refused('-n', roles.controllerNamespace, 'get', 'secret', 'runledger');
    await refused('-n', cluster.namespace, 'get', 'pods');
    await refused('-n', cluster.namespace, 'run', 'x', '--image=busybox:1.36');
    await refused('-n', 'kube-system', 'get', 'configmaps');
    await refused('-n', jobs, 'create', 'token', 'default');
    await refused('get', 'nodes');
    await refused('get', 'namespaces');
  });

  test('reading nodes is for NodeLost alone', async () => {
    await createSilentNode(node);
    const pod = { nodeSelector: { 'kubernetes.io/hostname': node }, tolerations: [{ operator: 'Exists' as const }] };
    const stuck = { run: 'true', pod, timeouts: { start: '10s' } };
    await repository.commit({ 'blind.yaml': manifest('blind', stuck) });
    await withController(async () => {
      // Known only from the pod, which had been told to go after its start time-out.
      const { reason, message } = await outcomeOf(repository, 'blind');
      assert.is(reason, 'NodeLost');
      assert.not.match(message ?? '', /since 2020-/);
    });
    await roles.allowNodes();
    await repository.commit({
      'seeing.yaml': manifest('seeing', { ...stuck, timeouts: { start: '5m' } }),
      'same.yaml': manifest('same', { run: 'exit 4' }),
    });
    await withController(async () => {
      assert.is((await outcomeOf(repository, 'same')).exitCode, 4);
      const { reason, message } = await outcomeOf(repository, 'seeing');
      assert.is(reason, 'NodeLost');
      assert.match(message ?? '', new RegExp(`node ${node} has not been heard of since 2020-`));
    });
  });

  test.run();
}

/** A node without a kubelet, which takes pods and was last heard of long ago. */
async function createSilentNode(name: string): Promise<void> {
  const taints = [{ key: 'runledger.dev/test', effect: 'NoSchedule' }];
  const labels = { 'kubernetes.io/hostname': name };
  const metadata = { name, labels };
  await kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata, spec: { taints } }));
  const at = '2020-01-01T00:00:00Z';
  const status = {
    allocatable: { cpu: '4', memory: '4Gi', pods: '10' },
    capacity: { cpu: '4', memory: '4Gi', pods: '10' },
    conditions: [{ type: 'Ready', status: 'Unknown', lastHeartbeatTime: at, lastTransitionTime: at, reason: 'Test' }],
  };
  await kubectl(['patch', 'node', name, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status })]);
}

async function assertAnswers(roles: Roles): Promise<void> {
  const inJobs = ['-n', roles.jobsNamespace];
  const inOwn = ['-n', roles.controllerNamespace];
  const everywhere = ['--all-namespaces'];
  const may = async (verb: string, resource: string, where: readonly string[]): Promise<string> => {
    // kubectl ends with 1 for a no.
    const [kind = '', subresource = ''] = resource.split('/');
    const what = subresource === '' ? [kind] : [kind, `--subresource=${subresource}`];
    const asked = kubectl(['--kubeconfig', roles.kubeconfig, 'auth', 'can-i', verb, ...what, ...where]);
    return (await asked.catch((error: { stdout: string }) => error.stdout)).trim();
  };
  const answers: [expected: string, verb: string, resource: string, where: readonly string[]][] = [
    ['yes', 'create', 'pods', inJobs],
    ['yes', 'get', 'pods/log', inJobs],
    ['yes', 'get', 'secrets', inJobs],
    ['yes', 'patch', 'leases.coordination.k8s.io', inOwn],
    ['no', 'list', 'secrets', inJobs],
    ['no', 'watch', 'secrets', inJobs],
    ['yes', 'create', 'secrets', inJobs],
    ['no', 'patch', 'secrets', inJobs],
    ['no', 'delete', 'secrets', inJobs],
    ['yes', 'create', 'pods/exec', inJobs],
    ['no', 'create', 'pods/ephemeralcontainers', inJobs],
    ['no', 'delete', 'poddisruptionbudgets.policy', inJobs],
    ['no', 'create', 'serviceaccounts/token', inJobs],
    ['no', 'create', 'rolebindings.rbac.authorization.k8s.io', inJobs],
    ['no', 'delete', 'leases.coordination.k8s.io', inOwn],
    ['no', 'get', 'secrets', inOwn],
    ['no', 'create', 'pods', inOwn],
    ['no', 'get', 'pods', inOwn],
    ['no', 'get', 'configmaps', inOwn],
    ['no', 'patch', 'deployments.apps', inOwn],
    ['no', 'create', 'pods', ['-n', 'default']],
    ['no', 'get', 'pods', ['-n', 'kube-system']],
    ['no', 'get', 'secrets', ['-n', 'default']],
    ['no', 'patch', 'leases.coordination.k8s.io', ['-n', 'kube-system']],
    ['no', 'get', 'secrets', everywhere],
    ['no', 'list', 'pods', everywhere],
    ['no', 'get', 'nodes', []],
    ['no', 'list', 'namespaces', []],
    ['no', 'impersonate', 'users', []],
  ];
  const said: string[] = [];
  for (const [, verb, resource, where] of answers)
    said.push([await may(verb, resource, where), verb, resource, ...where].join(' '));
  assert.equal(
    said,
    answers.map(([expected, verb, resource, where]) => [expected, verb, resource, ...where].join(' ')),
  );
}
