import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CodedError } from '../../../src/errors.ts';
import type { Cluster } from '../../../src/runner/kubernetes/client.ts';
import {
  createObject,
  deleteObject,
  findObject,
  getObject,
  listObjects,
  mergePatch,
} from '../../../src/runner/kubernetes/objects.ts';
import { configMaps, type ConfigMap } from '../../../src/runner/kubernetes/wire.ts';
import { connect, openTestCluster } from '../../support/cluster.ts';
import { failNext, gone, startProxy, type Proxy } from './proxy.ts';

const world = await openTestCluster('faults');
const test = suite<{ proxy: Proxy; cluster: Cluster }>('calls through a bad network');

async function refusal(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, CodedError);
    return error as CodedError;
  }
  throw new Error('it succeeded');
}

if (world !== undefined) {
  const { cluster: direct, namespace, signal } = world;
  const options = { signal };
  const configMap = (name: string): ConfigMap => ({ metadata: { name, namespace } });
  const ref = (name: string) => ({ namespace, name });
  const exists = async (name: string): Promise<boolean> =>
    (await findObject(direct, configMaps, ref(name), options)) !== null;
  const isGet = (method: string): boolean => method === 'GET';
  const isPost = (method: string): boolean => method === 'POST';

  test.before.each(async (context) => {
    context.proxy = await startProxy(world.kubeconfig);
    context.cluster = await connect({ kubeconfig: context.proxy.kubeconfig, timeoutMs: 5_000 });
    context.proxy.requests.length = 0;
  });
  test.after.each(async ({ proxy, cluster }) => {
    await cluster.close();
    await proxy.close();
  });
  test.after(() => world.remove());

  test('calls share a few connections that stay open', async ({ proxy }) => {
    const before = proxy.connections();
    const cluster = await connect({ kubeconfig: proxy.kubeconfig, connections: 4 });
    await createObject(cluster, configMaps, configMap('shared'), options);
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 50 }, () => getObject(cluster, configMaps, ref('shared'), options)));
    }
    assert.ok(proxy.connections() - before <= 4, `${proxy.connections() - before} connections`);
    await cluster.close();
  });

  test('a read outlives dropped connections, lost answers, 500 and 429', async ({ proxy, cluster }) => {
    await createObject(direct, configMaps, configMap('read'), options);
    const faults = [
      { kind: 'drop' },
      { kind: 'lostAnswer' },
      { kind: 'status', status: 500 },
      { kind: 'status', status: 503 },
      { kind: 'status', status: 429, retryAfter: '0' },
    ] as const;
    for (const fault of faults) {
      failNext(proxy, 2, isGet, fault);
      assert.is((await getObject(cluster, configMaps, ref('read'), options)).metadata!.name, 'read');
    }
  });

  test('a server that keeps failing is asked five times, no more', async ({ proxy, cluster }) => {
    failNext(proxy, 100, isGet, { kind: 'status', status: 500 });
    const error = await refusal(getObject(cluster, configMaps, ref('read'), options));
    assert.is(error.code, 'ServerError');
    assert.is(proxy.requests.length, 5);
  });

  test('a wait that the server asks for is kept before the next try, and told when it is too long', async ({
    proxy,
    cluster,
  }) => {
    failNext(proxy, 1, isGet, { kind: 'status', status: 429, retryAfter: '1' });
    const began = performance.now();
    await listObjects(cluster, configMaps, { namespace }, options);
    assert.ok(performance.now() - began >= 1000);
    failNext(proxy, 1, isGet, { kind: 'status', status: 429, retryAfter: '600' });
    const error = await refusal(listObjects(cluster, configMaps, { namespace }, options));
    assert.is(error.code, 'TooManyRequests');
    assert.is(error.retryAfterMs, 600_000);
  });

  test('a create that was turned away is tried again; exactly one object is made', async ({ proxy, cluster }) => {
    failNext(proxy, 2, isPost, { kind: 'status', status: 429, retryAfter: '0' });
    await createObject(cluster, configMaps, configMap('turned-away'), options);
    assert.is(proxy.requests.filter((line) => line.startsWith('POST')).length, 3);
    assert.ok(await exists('turned-away'));
  });

  test('a create whose fate is unknown is not repeated: whether it took place or not, the error is the same', async ({
    proxy,
    cluster,
  }) => {
    const faults = [
      ['lost', { kind: 'lostAnswer' }, true],
      ['dropped', { kind: 'drop' }, false],
      ['failed', { kind: 'status', status: 500 }, false],
      ['unavailable', { kind: 'status', status: 503, retryAfter: '1' }, false],
    ] as const;
    for (const [name, fault, created] of faults) {
      failNext(proxy, 1, isPost, fault);
      const error = await refusal(createObject(cluster, configMaps, configMap(name), options));
      assert.is(error.code, 'CreateUncertain', name);
      assert.is(error.errorClass, 'transient');
      assert.match(error.message, new RegExp(`creating ConfigMap "${name}" in namespace "${namespace}"`));
      assert.is(await exists(name), created, name);
    }
    assert.is(proxy.requests.filter((line) => line.startsWith('POST')).length, faults.length);
  });

  test('a create that gets no answer in time is uncertain, too', async ({ proxy }) => {
    const cluster = await connect({ kubeconfig: proxy.kubeconfig, timeoutMs: 400 });
    failNext(proxy, 1, isPost, { kind: 'hang' });
    const error = await refusal(createObject(cluster, configMaps, configMap('hung'), options));
    assert.is(error.code, 'CreateUncertain');
    assert.match(error.message, /did not answer in time/);
    await cluster.close();
  });

  test('a server that is gone: nothing was sent, so the create says so after its tries', async ({ proxy, cluster }) => {
    await proxy.close();
    const error = await refusal(createObject(cluster, configMaps, configMap('refused'), options));
    assert.is(error.code, 'ConnectionFailed');
    assert.is(error.errorClass, 'transient');
  });

  test('a deletion whose answer is lost has still been done', async ({ proxy, cluster }) => {
    await createObject(direct, configMaps, configMap('deleted'), options);
    failNext(proxy, 1, (method) => method === 'DELETE', { kind: 'lostAnswer' });
    assert.is(await deleteObject(cluster, configMaps, ref('deleted'), options), false);
    assert.not(await exists('deleted'));
  });

  test('a patch is repeated only when it names a version or is said to be harmless', async ({ proxy, cluster }) => {
    const made = await createObject(direct, configMaps, configMap('patched'), options);
    const isPatch = (method: string): boolean => method === 'PATCH';
    failNext(proxy, 1, isPatch, { kind: 'lostAnswer' });
    const unsafe = await refusal(mergePatch(cluster, configMaps, ref('patched'), { data: { n: '1' } }, options));
    assert.is(unsafe.code, 'ConnectionLost');
    failNext(proxy, 1, isPatch, { kind: 'drop' });
    await mergePatch(cluster, configMaps, ref('patched'), { data: { n: '2' } }, { signal, repeatable: true });
    failNext(proxy, 1, isPatch, { kind: 'drop' });
    const { resourceVersion } = made.metadata!;
    const stale = await refusal(
      mergePatch(
        cluster,
        configMaps,
        ref('patched'),
        { data: { n: '3' } },
        { signal, resourceVersion: resourceVersion! },
      ),
    );
    assert.is(stale.code, 'Conflict');
  });

  test('a list whose next page is too old is read once more, as a whole', async ({ proxy, cluster }) => {
    await Promise.all(['l1', 'l2', 'l3'].map((name) => createObject(direct, configMaps, configMap(name), options)));
    failNext(proxy, 1, (_, url) => url.includes('continue='), { kind: 'status', status: 410, body: gone });
    const { items } = await listObjects(cluster, configMaps, { namespace }, { signal, pageSize: 2 });
    const names = items.map(({ metadata }) => metadata!.name!);
    assert.is(new Set(names).size, names.length);
    assert.ok(['l1', 'l2', 'l3'].every((name) => names.includes(name)));
  });

  test("the caller's signal ends a call at once: under way, waiting for a connection, or waiting to try again", async ({
    proxy,
  }) => {
    const cluster = await connect({ kubeconfig: proxy.kubeconfig, connections: 1 });
    proxy.fault = (method) => (method === 'GET' ? { kind: 'hang' } : undefined);
    const stop = new AbortController();
    const read = (): Promise<CodedError> =>
      refusal(getObject(cluster, configMaps, ref('read'), { signal: stop.signal }));
    const both = [read(), read()];
    setTimeout(() => stop.abort(), 100);
    assert.equal(
      (await Promise.all(both)).map(({ code }) => code),
      ['Cancelled', 'Cancelled'],
    );
    const later = new AbortController();
    proxy.fault = () => ({ kind: 'status', status: 429, retryAfter: '20' });
    setTimeout(() => later.abort(), 100);
    assert.is((await refusal(getObject(cluster, configMaps, ref('read'), { signal: later.signal }))).code, 'Cancelled');
    assert.is((await refusal(getObject(cluster, configMaps, ref('read'), { signal: later.signal }))).code, 'Cancelled');
    await cluster.close();
  });

  test('a call that was given up while it waited for a connection never reaches the server', async ({ proxy }) => {
    const cluster = await connect({ kubeconfig: proxy.kubeconfig, connections: 1 });
    proxy.requests.length = 0;
    failNext(proxy, 1, isGet, { kind: 'delay', ms: 500 });
    const first = getObject(cluster, configMaps, ref('read'), options);
    const late = await refusal(createObject(cluster, configMaps, configMap('too-late'), { signal, timeoutMs: 100 }));
    assert.is(late.code, 'CreateUncertain');
    await first;
    await getObject(cluster, configMaps, ref('read'), options);
    assert.equal(
      proxy.requests.map((line) => line.split(' ')[0]),
      ['GET', 'GET'],
    );
    assert.not(await exists('too-late'));
    await cluster.close();
  });

  test('half of an answer is no answer', async ({ proxy, cluster }) => {
    failNext(proxy, 1, isGet, { kind: 'status', status: 200, body: '{"items":[' });
    assert.type((await listObjects(cluster, configMaps, { namespace }, options)).resourceVersion, 'string');
  });
}

test.run();
