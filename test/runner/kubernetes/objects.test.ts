import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { V1ResourceQuota } from '@kubernetes/client-node';
import { CodedError } from '../../../src/errors.ts';
import type { Cluster } from '../../../src/runner/kubernetes/client.ts';
import {
  createObject,
  deleteObject,
  deleteObjects,
  findObject,
  getObject,
  jsonPatch,
  listObjects,
  mayI,
  mergePatch,
  readNode,
} from '../../../src/runner/kubernetes/objects.ts';
import {
  configMaps,
  events,
  leases,
  nodes,
  podDisruptionBudgets,
  pods,
  resource,
  secrets,
  type ConfigMap,
  type Pod,
  type Wire,
} from '../../../src/runner/kubernetes/wire.ts';
import { connect, createAccount, eventually, openTestCluster, type TestCluster } from '../../support/cluster.ts';
import { writeFile, rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';

const world = await openTestCluster('objects');
const test = suite('objects of a cluster');

/** The error's code and class, with its message and hint for a look at the words. */
async function refusal(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, CodedError);
    return error as CodedError;
  }
  throw new Error('it succeeded');
}

const quotas = resource<Wire<V1ResourceQuota>>('v1', 'ResourceQuota', 'resourcequotas');
const aPod = (namespace: string, name: string, more: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name, namespace, labels: { group: 'a' } },
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    // No node has this label: it stays Pending, and costs nothing.
    nodeSelector: { 'runledger.dev/none': 'none' },
    containers: [{ name: 'main', image: 'busybox:1.36', command: ['true'] }],
    ...more,
  },
});

/** A connection as somebody with a token, for as long as `work` takes. */
async function asToken<T>(
  { kubeconfig }: TestCluster,
  token: string,
  work: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'runledger-test-'));
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  config.users = [{ name: config.getCurrentUser()!.name, token }];
  const file = path.join(folder, 'config');
  await writeFile(file, config.exportConfig());
  const cluster = await connect({ kubeconfig: file });
  try {
    return await work(cluster);
  } finally {
    await cluster.close();
    await rm(folder, { recursive: true });
  }
}

if (world !== undefined) {
  const { cluster, namespace, signal } = world;
  const options = { signal };
  const configMap = (name: string, more: Partial<ConfigMap> = {}): ConfigMap => ({
    metadata: { name, namespace },
    ...more,
  });

  test.after(() => world.remove());

  test('what is created is read back; a second create of the name says AlreadyExists', async () => {
    const made = await createObject(cluster, configMaps, configMap('a', { data: { key: 'value' } }), options);
    assert.match(made.metadata!.uid!, /^[0-9a-f-]{36}$/);
    assert.type(made.metadata!.creationTimestamp, 'string');
    const read = await getObject(cluster, configMaps, { namespace, name: 'a' }, options);
    assert.equal(read.data, { key: 'value' });
    const again = await refusal(createObject(cluster, configMaps, configMap('a'), options));
    assert.is(again.code, 'AlreadyExists');
    assert.is(again.message, `creating ConfigMap "a" in namespace "${namespace}": configmaps "a" already exists`);
  });

  test('what is not there is NotFound, or null for those who ask whether it is', async () => {
    const ref = { namespace, name: 'none' };
    assert.is((await refusal(getObject(cluster, pods, ref, options))).code, 'NotFound');
    assert.is(await findObject(cluster, pods, ref, options), null);
    assert.is(await deleteObject(cluster, pods, ref, options), false);
    assert.is(await readNode(cluster, 'none', options), 'gone');
  });

  test('a namespace that does not exist is named, with what to do', async () => {
    const error = await refusal(
      createObject(cluster, configMaps, { metadata: { name: 'a', namespace: 'rl-none' } }, options),
    );
    assert.is(error.code, 'NamespaceMissing');
    assert.match(error.message, /namespaces "rl-none" not found/);
    assert.match(error.hint!, /kubectl create namespace rl-none/);
  });

  test('an unknown field and a wrong value are refused in the words of the API server', async () => {
    const typo = aPod(namespace, 'typo', { imagePullSecret: 'x' } as object);
    const unknown = await refusal(createObject(cluster, pods, typo, options));
    assert.is(unknown.code, 'Invalid');
    assert.match(unknown.message, /unknown field "spec\.imagePullSecret"/);
    const wrong = await refusal(createObject(cluster, pods, aPod(namespace, 'Wrong'), options));
    assert.is(wrong.code, 'Invalid');
    assert.match(wrong.message, /Pod "Wrong" is invalid: metadata\.name/);
  });

  test('a dry run is judged and keeps nothing', async () => {
    await createObject(cluster, pods, aPod(namespace, 'dry'), { signal, dryRun: true });
    assert.is(await findObject(cluster, pods, { namespace, name: 'dry' }, options), null);
    const wrong = aPod(namespace, 'dry', { restartPolicy: 'Sometimes' });
    assert.is((await refusal(createObject(cluster, pods, wrong, { signal, dryRun: true }))).code, 'Invalid');
  });

  test('a list in pages is whole, filtered by labels, and names the version that a watch goes on from', async () => {
    const names = Array.from({ length: 23 }, (_, index) => `page-${String(index).padStart(2, '0')}`);
    await Promise.all(
      names.map((name) =>
        createObject(cluster, configMaps, { metadata: { name, namespace, labels: { list: 'pages' } } }, options),
      ),
    );
    const { items, resourceVersion } = await listObjects(
      cluster,
      configMaps,
      { namespace, labelSelector: 'list=pages' },
      { signal, pageSize: 5 },
    );
    assert.equal(
      items.map(({ metadata }) => metadata!.name),
      names,
    );
    assert.ok(items.every(({ kind, apiVersion }) => kind === 'ConfigMap' && apiVersion === 'v1'));
    assert.match(resourceVersion, /^\d+$/);
    await deleteObjects(cluster, configMaps, { namespace, labelSelector: 'list=pages' }, options);
    const left = await listObjects(cluster, configMaps, { namespace }, options);
    assert.not(left.items.some(({ metadata }) => metadata!.name!.startsWith('page-')));
    assert.ok(left.items.some(({ metadata }) => metadata!.name === 'a'));
  });

  test('a merge patch changes and removes fields, and only of the version that it names', async () => {
    const ref = { namespace, name: 'patched' };
    const made = await createObject(cluster, configMaps, configMap('patched', { data: { a: '1', b: '2' } }), options);
    const resourceVersion = made.metadata!.resourceVersion!;
    const changed = await mergePatch(
      cluster,
      configMaps,
      ref,
      { data: { a: null, c: '3' } },
      { signal, resourceVersion },
    );
    assert.equal(changed.data, { b: '2', c: '3' });
    const stale = await refusal(
      mergePatch(cluster, configMaps, ref, { data: { d: '4' } }, { signal, resourceVersion }),
    );
    assert.is(stale.code, 'Conflict');
    assert.match(stale.message, /"patched"/);
  });

  test('a JSON patch tests before it changes, and only the version that it names', async () => {
    const ref = { namespace, name: 'patched' };
    const { metadata } = await getObject(cluster, configMaps, ref, options);
    const failing = [
      { op: 'test', path: '/data/b', value: 'no' },
      { op: 'remove', path: '/data/b' },
    ] as const;
    assert.is((await refusal(jsonPatch(cluster, configMaps, ref, failing, options))).code, 'Invalid');
    const steps = [{ op: 'replace', path: '/data/b', value: '5' }] as const;
    const resourceVersion = metadata!.resourceVersion!;
    const changed = await jsonPatch(cluster, configMaps, ref, steps, { signal, resourceVersion });
    assert.is(changed.data!['b'], '5');
    assert.is(
      (await refusal(jsonPatch(cluster, configMaps, ref, steps, { signal, resourceVersion }))).code,
      'Conflict',
    );
  });

  test('a deletion takes only the object that it means', async () => {
    const made = await createObject(cluster, configMaps, configMap('meant'), options);
    const ref = { namespace, name: 'meant' };
    const other = { ...options, precondition: { uid: '00000000-0000-0000-0000-000000000000' } };
    assert.is((await refusal(deleteObject(cluster, configMaps, ref, other))).code, 'Conflict');
    assert.is(
      await deleteObject(cluster, configMaps, ref, { signal, precondition: { uid: made.metadata!.uid! } }),
      true,
    );
  });

  test('pods are deleted together, by label, at once; one with a finalizer stays until that is taken off', async () => {
    await createObject(cluster, pods, aPod(namespace, 'one'), options);
    const held = aPod(namespace, 'held');
    await createObject(
      cluster,
      pods,
      { ...held, metadata: { ...held.metadata!, finalizers: ['runledger.dev/outcome'] } },
      options,
    );
    await createObject(cluster, pods, { ...aPod(namespace, 'other'), metadata: { name: 'other', namespace } }, options);
    await deleteObjects(cluster, pods, { namespace, labelSelector: 'group=a' }, { signal, gracePeriodSeconds: 0 });
    const left = await listObjects(cluster, pods, { namespace }, options);
    assert.equal(
      left.items.map(({ metadata }) => metadata!.name).filter((name) => name !== 'dry'),
      ['held', 'other'],
    );
    assert.type(left.items[0]!.metadata!.deletionTimestamp, 'string');
    await mergePatch(
      cluster,
      pods,
      { namespace, name: 'held' },
      { metadata: { finalizers: null } },
      { signal, repeatable: true },
    );
    assert.is(await findObject(cluster, pods, { namespace, name: 'held' }, options), null);
  });

  test('budgets, leases, events, secrets and nodes are reached where the API has them', async () => {
    const selector = { matchLabels: { group: 'a' } };
    const budget = { metadata: { name: 'budget', namespace }, spec: { minAvailable: 2_147_483_647, selector } };
    assert.is((await createObject(cluster, podDisruptionBudgets, budget, options)).spec!.minAvailable, 2_147_483_647);
    await createObject(
      cluster,
      leases,
      { metadata: { name: 'lease', namespace }, spec: { holderIdentity: 'me' } },
      options,
    );
    const involvedObject = { kind: 'ConfigMap', namespace, name: 'a' };
    const event = {
      metadata: { name: 'event', namespace },
      involvedObject,
      reason: 'Seen',
      message: 'x',
      type: 'Normal',
    };
    await createObject(cluster, events, event, options);
    const found = await listObjects(cluster, events, { namespace, fieldSelector: 'involvedObject.name=a' }, options);
    assert.is(found.items[0]!.reason, 'Seen');
    assert.is(await findObject(cluster, secrets, { namespace, name: 'none' }, options), null);
    const [node] = (await listObjects(cluster, nodes, {}, options)).items;
    assert.is.not(await readNode(cluster, node!.metadata!.name!, options), 'gone');
  });

  test('an exhausted quota is told in numbers', async () => {
    const other = await world.createNamespace();
    await createObject(
      cluster,
      quotas,
      { metadata: { name: 'q', namespace: other }, spec: { hard: { pods: '0' } } },
      options,
    );
    // The quota counts once its controller has seen it; until then pods pass, or are refused with other words.
    let tries = 0;
    const error = await eventually('the quota to be enforced', async () => {
      const made = createObject(cluster, pods, aPod(other, `p${tries++}`), options);
      const said = await made.then(
        () => null,
        (failure: CodedError) => failure,
      );
      return said?.code === 'QuotaExceeded' && said;
    });
    assert.is(error.errorClass, 'terminal');
    assert.match(
      error.message,
      /pods "p\d+" is forbidden: exceeded quota: q, requested: pods=1, used: pods=\d+, limited: pods=0/,
    );
  });

  test('Pod Security refuses in its own words', async () => {
    const strict = await world.createNamespace({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    const error = await refusal(createObject(cluster, pods, aPod(strict, 'p'), options));
    assert.is(error.code, 'AdmissionDenied');
    assert.match(error.message, /violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false/);
  });

  test('what an account may not do is Forbidden, and can be asked beforehand', async () => {
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] }];
    const { name, token } = await createAccount(world, rules);
    await asToken(world, token, async (account) => {
      assert.is((await getObject(account, configMaps, { namespace, name: 'a' }, options)).metadata!.name, 'a');
      const error = await refusal(createObject(account, configMaps, configMap('b'), options));
      assert.is(error.code, 'Forbidden');
      assert.match(error.message, /cannot create resource "configmaps" in API group "" in the namespace/);
      assert.match(error.hint!, new RegExp(`Bind a Role to "system:serviceaccount:${namespace}:${name}"`));
      assert.is(await readNode(account, 'none', options), 'unknown');
      assert.is(await mayI(account, { verb: 'get', resource: configMaps, namespace }, options), true);
      assert.is(await mayI(account, { verb: 'delete', resource: configMaps, namespace }, options), false);
      assert.is(await mayI(account, { verb: 'get', resource: pods, subresource: 'log', namespace }, options), false);
    });
  });

  test('a token that the cluster does not know is Unauthorized', async () => {
    const error = await refusal(asToken(world, 'nonsense', () => Promise.resolve()));
    assert.is(error.code, 'Unauthorized');
    assert.is(error.errorClass, 'usage');
  });
}

test.run();
