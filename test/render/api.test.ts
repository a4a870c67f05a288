import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UNKNOWN_UID } from '../../src/render/context.ts';
import { judgePolicy } from '../../src/render/policy.ts';
import { renderToken } from '../../src/render/workspace.ts';
import type { Rendered } from './world.ts';
import { createObject } from '../../src/runner/kubernetes/objects.ts';
import { type ApiObject, resource } from '../../src/runner/kubernetes/wire.ts';
import { isCoded } from '../../src/errors.ts';
import type { Job } from '../../src/schemas/index.ts';
import { eventually, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { CONTEXT, FIXTURES, jobWith, readJob, recordOf, renderRun } from './world.ts';

const test = suite('rendered objects at the API server');
const world = await openTestCluster('render');

const PLURALS: Readonly<Record<string, string>> = {
  ConfigMap: 'configmaps',
  Pod: 'pods',
  PodDisruptionBudget: 'poddisruptionbudgets',
  Secret: 'secrets',
  ServiceAccount: 'serviceaccounts',
};

const RESTRICTED = {
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/enforce-version': 'latest',
};

/** Undefined where the server would take it, else why not. */
async function refusal({ cluster, signal }: TestCluster, object: object, dryRun = true): Promise<string | undefined> {
  const { apiVersion = '', kind = '' } = object as ApiObject;
  try {
    await createObject(cluster, resource(apiVersion, kind, PLURALS[kind] ?? ''), object as ApiObject, {
      signal,
      dryRun,
    });
    return undefined;
  } catch (error) {
    if (isCoded(error) && error.errorClass === 'terminal') return error.message;
    throw error;
  }
}

/** A namespace in which pods can be created: the accounts that they name are there. */
async function namespaceWith(there: TestCluster, labels: Readonly<Record<string, string>>): Promise<string> {
  const namespace = await there.createNamespace(labels);
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'reporter', namespace } };
  assert.is(await refusal(there, account, false), undefined);
  const { pod } = renderRun(recordOf(jobWith({ run: 'x' })), { namespace });
  await eventually('the default account', async () => (await refusal(there, pod)) === undefined);
  return namespace;
}

if (world) {
  const restricted = await namespaceWith(world, RESTRICTED);
  const open = await namespaceWith(world, {});
  const render = (job: Job, namespace: string): Rendered => renderRun(recordOf(job), { namespace });

  for (const name of FIXTURES)
    test(`everything of ${name} is accepted, in a restricted namespace too`, async () => {
      const job = readJob(name);
      const isRoot = name === 'two-users';
      for (const object of render(job, isRoot ? open : restricted).all)
        assert.is(await refusal(world, object), undefined);
      const refused = await refusal(world, render(job, restricted).pod);
      if (isRoot) assert.match(refused ?? '', 'violates PodSecurity "restricted');
    });

  test('the ceiling of a policy gives a pod that the server takes', async () => {
    const maxResources = { cpu: '2', memory: '1Gi', 'nvidia.com/gpu': 1 };
    for (const name of FIXTURES) {
      const { pod } = renderRun(recordOf(readJob(name)), { namespace: open, maxResources });
      assert.is(await refusal(world, pod), undefined);
    }
  });

  test('what talks to the controller is accepted in a restricted namespace, and no policy of jobs is in its way', async () => {
    const job = jobWith({
      run: 'x',
      checkout: ['src/**'],
      artifacts: { paths: ['out/**'] },
      resources: { limits: { cpu: '1', memory: '32Mi' } },
    });
    const record = recordOf(job);
    const changes = { namespace: restricted, address: 'http://runledger.runledger.svc:8080' };
    const { all, pod, payload } = renderRun(record, changes);
    const owner = { name: payload.metadata?.name ?? '', uid: UNKNOWN_UID };
    const context = { ...CONTEXT, ...changes };
    const token = renderToken({ record, task: 'default', attempt: 1, context, payload: owner, token: 'x'.repeat(43) });
    for (const object of [...all, token]) assert.is(await refusal(world, object), undefined);
    const policy = { images: ['busybox'], secrets: [], maxResources: { cpu: '1', memory: '1Gi' } };
    const { imagePullSecrets } = CONTEXT;
    assert.equal(judgePolicy({ pod, spec: job.spec, imagePullSecrets }, policy), []);
  });

  const OVERLAYS: readonly NonNullable<Job['spec']['pod']>[] = [
    { securityContext: { runAsUser: 0 } },
    { hostNetwork: true },
    { hostPID: true },
    { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
    { volumes: [{ name: 'v', nfs: { server: 's', path: '/' } }] },
    { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } },
    { securityContext: { seccompProfile: null } },
    { securityContext: { seLinuxOptions: { user: 'root' } } },
    ...[
      { privileged: true, allowPrivilegeEscalation: null },
      { allowPrivilegeEscalation: true },
      { capabilities: { add: ['NET_ADMIN'] } },
      { capabilities: null },
      { runAsNonRoot: false },
      { runAsUser: 0 },
      { seccompProfile: { type: 'Unconfined' } },
      { appArmorProfile: { type: 'Unconfined' } },
      { seLinuxOptions: { type: 'spc_t' } },
    ].map((securityContext) => ({ containers: [{ name: 'run', securityContext }] })),
    { containers: [{ name: 'run', ports: [{ containerPort: 80, hostPort: 80 }] }] },
  ];

  for (const overlay of OVERLAYS)
    test(`our judgement is the cluster’s: ${JSON.stringify(overlay)}`, async () => {
      const job = jobWith({ run: 'x', pod: overlay });
      const { pod } = render(job, restricted);
      assert.match((await refusal(world, pod)) ?? '', 'violates PodSecurity');
      const found = judgePolicy({ pod, spec: job.spec, imagePullSecrets: CONTEXT.imagePullSecrets }, {});
      assert.ok(found.some(({ field }) => field.startsWith('pod.spec')));
    });

  test('a field that there is not is refused by name', async () => {
    const { pod } = render(jobWith({ run: 'x', pod: { nodeSelectr: { a: 'b' } } }), restricted);
    assert.match((await refusal(world, pod)) ?? '', 'nodeSelectr');
  });

  test.after(() => world.remove());
}

test.run();
