import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded, type CodedError } from '../../../src/errors.ts';
import type { ByteStream } from '../../../src/runner/kubernetes/client.ts';
import { openPodLog, type PodLogOptions } from '../../../src/runner/kubernetes/log-stream.ts';
import { createObject, deleteObject, getObject } from '../../../src/runner/kubernetes/objects.ts';
import { pods } from '../../../src/runner/kubernetes/wire.ts';
import { connect, eventually, openTestCluster } from '../../support/cluster.ts';
import { startProxy } from './proxy.ts';

const world = await openTestCluster('logs');
const test = suite('logs of pods');

async function read(stream: ByteStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

if (world !== undefined) {
  const { cluster, namespace, signal } = world;
  const run = async (name: string, script: string): Promise<void> => {
    await createObject(
      cluster,
      pods,
      {
        metadata: { name, namespace },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 0,
          containers: [{ name: 'main', image: 'busybox:1.36', command: ['sh', '-c', script] }],
        },
      },
      { signal },
    );
  };
  /** The log, once the container has begun. */
  const open = (from: typeof cluster, name: string, options: Partial<PodLogOptions> = {}): Promise<ByteStream> =>
    eventually(`the log of ${name}`, async () => {
      // Before the pod has a node the API server answers with an empty log, in good form.
      const { spec } = await getObject(cluster, pods, { namespace, name }, { signal });
      if (!spec!.nodeName) return null;
      try {
        return await openPodLog(from, { namespace, name }, { container: 'main', signal, ...options });
      } catch (error) {
        if (isCoded(error, 'ContainerWaiting')) return null;
        throw error;
      }
    });

  test.after(() => world.remove());

  test('is followed until the container ends', async () => {
    await run('followed', 'for i in 1 2 3; do echo line $i; sleep 0.3; done; printf end');
    assert.is(await read(await open(cluster, 'followed', { follow: true })), 'line 1\nline 2\nline 3\nend');
  });

  test('can be read again, with times, up to so many bytes, from a time on', async () => {
    const timed = await read(await open(cluster, 'followed', { timestamps: true }));
    assert.match(timed.split('\n')[0]!, /^\d{4}-\d\d-\d\dT[\d:.]+Z line 1$/);
    assert.is(await read(await open(cluster, 'followed', { limitBytes: 6 })), 'line 1');
    assert.is(
      await read(await open(cluster, 'followed', { sinceTime: new Date(Date.now() + 60_000).toISOString() })),
      '',
    );
  });

  test('a pod that is not there, a container that it lacks, one that has not begun', async () => {
    const code = async (name: string, container: string): Promise<string> => {
      try {
        (await openPodLog(cluster, { namespace, name }, { container, signal })).destroy();
      } catch (error) {
        return (error as CodedError).code;
      }
      return 'none';
    };
    assert.is(await code('none', 'main'), 'NotFound');
    assert.is(await code('followed', 'other'), 'Invalid');
    const spec = { restartPolicy: 'Never', containers: [{ name: 'main', image: 'missing.invalid/image:1' }] };
    await createObject(cluster, pods, { metadata: { name: 'waiting', namespace }, spec }, { signal });
    await eventually(
      'the container to wait for its image',
      async () => (await code('waiting', 'main')) === 'ContainerWaiting',
    );
  });

  test('a connection that is cut reaches the reader as an error, and one that nobody reads harms nobody', async () => {
    const proxy = await startProxy(world.kubeconfig);
    const through = await connect({ kubeconfig: proxy.kubeconfig });
    try {
      await run('endless', 'while true; do echo tick; sleep 0.2; done');
      const stream = await open(through, 'endless', { follow: true });
      const unread = await open(through, 'endless', { follow: true });
      const reading = read(stream).then(
        (text) => `ended in good form after ${JSON.stringify(text)}`,
        (failure: unknown) => failure,
      );
      setTimeout(() => proxy.cutStreams(), 600);
      assert.instance(await reading, Error, String(await reading));
      await eventually('the unread stream to notice', () => unread.destroyed);
    } finally {
      await through.close();
      await proxy.close();
    }
  });

  test("ends with the caller's signal", async () => {
    const stop = new AbortController();
    const stream = await open(cluster, 'endless', { follow: true, signal: stop.signal });
    setTimeout(() => stop.abort(), 300);
    await read(stream).catch(() => undefined);
    assert.ok(stream.destroyed);
    await deleteObject(cluster, pods, { namespace, name: 'endless' }, { signal, gracePeriodSeconds: 0 });
  });
}

test.run();
