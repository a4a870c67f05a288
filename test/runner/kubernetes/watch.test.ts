import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Cluster } from '../../../src/runner/kubernetes/client.ts';
import type { Log } from '../../../src/runner/kubernetes/clock.ts';
import { createObject, deleteObject, mergePatch } from '../../../src/runner/kubernetes/objects.ts';
import { watchResource, type Watch, type WatchOptions } from '../../../src/runner/kubernetes/watch.ts';
import { configMaps, type ConfigMap } from '../../../src/runner/kubernetes/wire.ts';
import { connect, eventually, openTestCluster } from '../../support/cluster.ts';
import { failNext, gone, startProxy, type Proxy, type StreamFault } from './proxy.ts';

const world = await openTestCluster('watch');

interface World {
  proxy: Proxy;
  cluster: Cluster;
  /** The changes so far, as `added name`. */
  told: string[];
  logged: string[];
  label: string;
  start: (options?: Partial<WatchOptions<ConfigMap>>) => Watch<ConfigMap>;
  stop: AbortController;
  /** Waits until this was told. */
  until: (change: string) => Promise<void>;
  create: (name: string, data?: string) => Promise<void>;
  change: (name: string, data: string) => Promise<void>;
  remove: (name: string) => Promise<void>;
  lists: () => number;
  watches: () => number;
}

const test = suite<World>('watch');
const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
let serial = 0;

if (world !== undefined) {
  const { cluster: direct, namespace, signal } = world;

  test.before.each(async (context) => {
    const proxy = await startProxy(world.kubeconfig);
    const cluster = await connect({ kubeconfig: proxy.kubeconfig });
    const label = `group-${serial++}`;
    const told: string[] = [];
    const logged: string[] = [];
    const write = (fields: object): void =>
      void logged.push((fields as { code?: string; error?: string }).code ?? 'handler');
    const log: Log = { debug: write, info: write, warn: write };
    const stop = new AbortController();
    const labels = { group: label };
    Object.assign(context, {
      proxy,
      cluster,
      label,
      told,
      logged,
      stop,
      start: (options = {}) =>
        watchResource(cluster, configMaps, {
          namespace,
          labelSelector: `group=${label}`,
          signal: stop.signal,
          log,
          maxBackOffMs: 400,
          onChange: ({ type, object, vanished }) =>
            void told.push(
              `${vanished ? 'vanished' : type} ${object.metadata!.name!} ${object.data?.['key'] ?? ''}`.trim(),
            ),
          ...options,
        }),
      until: async (change) =>
        void (await eventually(`"${change}" among ${told.join(', ')}`, () => told.includes(change), 20_000)),
      create: async (name, data = '1') =>
        void (await createObject(
          direct,
          configMaps,
          { metadata: { name, namespace, labels }, data: { key: data } },
          { signal },
        )),
      change: async (name, data) =>
        void (await mergePatch(direct, configMaps, { namespace, name }, { data: { key: data } }, { signal })),
      remove: async (name) => void (await deleteObject(direct, configMaps, { namespace, name }, { signal })),
      lists: () => proxy.requests.filter((line) => line.includes('/configmaps?') && !line.includes('watch=')).length,
      watches: () => proxy.requests.filter((line) => line.includes('watch=true')).length,
    } satisfies World);
  });
  test.after.each(async ({ proxy, cluster, stop }) => {
    stop.abort();
    await cluster.close();
    await proxy.close();
  });
  test.after(async () => {
    await world.remove();
  });

  test('lists what is there and tells what happens from then on', async (w) => {
    await w.create('a1');
    const synced: number[] = [];
    const watch = w.start({ onSync: () => synced.push(w.told.length) });
    assert.not(watch.synced());
    await watch.ready;
    assert.ok(watch.synced());
    assert.equal(synced, [1]);
    assert.equal(w.told, ['added a1 1']);
    await w.create('a2');
    await w.change('a1', '2');
    await w.remove('a2');
    await w.until('deleted a2 1');
    assert.equal(w.told, ['added a1 1', 'added a2 1', 'modified a1 2', 'deleted a2 1']);
    assert.is(watch.store.size, 1);
    const kept = watch.store.get('a1', namespace)!;
    assert.is(kept.data!['key'], '2');
    assert.is((kept.metadata as { managedFields?: unknown }).managedFields, undefined);
    assert.ok(watch.silentMs() < 60_000);
    w.stop.abort();
    await watch.ended;
    assert.is(w.lists(), 1);
  });

  /** Each of these ends the stream; the watch goes on from where it was: nothing is lost, told twice or listed anew. */
  const interruptions: readonly [name: string, interrupt: (w: World) => void, error: string | null][] = [
    ['a dropped connection', ({ proxy }) => proxy.cutStreams(), 'ConnectionLost'],
    [
      'a line that is cut in the middle',
      ({ proxy }) => (proxy.streamFault = 'cutMidLine' satisfies StreamFault),
      'ConnectionLost',
    ],
    [
      'a line that is no event',
      ({ proxy }) => (proxy.streamFault = 'garbageLine' satisfies StreamFault),
      'WatchMalformed',
    ],
    ["the end of the server's time", ({ proxy }) => (proxy.streamFault = 'end' satisfies StreamFault), null],
  ];
  for (const [name, interrupt, error] of interruptions) {
    test(`goes on after ${name}`, async (w) => {
      const watch = w.start();
      await watch.ready;
      await eventually('the watch to begin', () => w.proxy.streams.size === 1);
      interrupt(w);
      await w.create('b1');
      await w.until('added b1 1');
      await w.change('b1', '2');
      await w.remove('b1');
      await w.until('deleted b1 2');
      assert.equal(w.told, ['added b1 1', 'modified b1 2', 'deleted b1 2']);
      assert.is(w.lists(), 1);
      assert.is(w.watches(), 2);
      assert.equal(w.logged, error === null ? [] : [error]);
      w.stop.abort();
      await watch.ended;
    });
  }

  test('asks again after 429 and 500, once the server said, and does not list anew', async (w) => {
    const watch = w.start();
    await watch.ready;
    await eventually('the watch to begin', () => w.proxy.streams.size === 1);
    let answers = 0;
    w.proxy.fault = (_, url) =>
      url.includes('watch=true') && answers++ < 2
        ? { kind: 'status', status: answers === 1 ? 429 : 500, retryAfter: '0' }
        : undefined;
    w.proxy.cutStreams();
    await w.create('c1');
    await w.until('added c1 1');
    assert.equal(w.logged.slice(1), ['TooManyRequests', 'ServerError']);
    await w.remove('c1');
  });

  for (const how of ['as an event', 'as an answer'] as const) {
    test(`lists anew after 410 ${how}, and tells what has vanished and what was made again`, async (w) => {
      await w.create('d1');
      await w.create('d2');
      await w.create('d3');
      const watch = w.start();
      await watch.ready;
      await eventually('the watch to begin', () => w.proxy.streams.size === 1);
      const isWatch = (_: string, url: string): boolean => url.includes('watch=true');
      if (how === 'as an event') {
        w.proxy.streamFault = 'goneEvent';
        // The list alone has to tell it all.
        w.proxy.fault = (method, url) => (isWatch(method, url) ? { kind: 'status', status: 500 } : undefined);
      } else {
        w.proxy.streamFault = 'silence';
        failNext(w.proxy, 1, isWatch, { kind: 'status', status: 410, body: gone });
      }
      await w.remove('d1');
      await w.remove('d2');
      await w.create('d2', 'again');
      if (how === 'as an answer') w.proxy.cutStreams();
      await w.until('added d2 again');
      w.proxy.fault = () => undefined;
      assert.equal(w.told.slice(0, 3), ['added d1 1', 'added d2 1', 'added d3 1']);
      assert.equal(new Set(w.told.slice(3)), new Set(['vanished d1 1', 'vanished d2 1', 'added d2 again']));
      assert.ok(w.lists() >= 2);
      await w.change('d3', '2');
      await w.until('modified d3 2');
      assert.ok(watch.synced());
      await w.remove('d2');
      await w.remove('d3');
    });
  }

  test('a connection that brings nothing for too long is given up', async (w) => {
    const watch = w.start({ idleMs: 700 });
    await watch.ready;
    await eventually('the watch to begin', () => w.proxy.streams.size === 1);
    w.proxy.streamFault = 'silence';
    await w.create('e1');
    await w.until('added e1 1');
    assert.ok(w.logged.includes('WatchIdle'));
    await w.remove('e1');
  });

  test('a server that only fails is asked less and less often, and the watch comes back with it', async (w) => {
    w.proxy.fault = () => ({ kind: 'drop' });
    const watch = w.start({ maxBackOffMs: 1_000 });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    // Each list is five tries of its own.
    assert.ok(w.proxy.requests.length < 25, `${w.proxy.requests.length} requests in two seconds`);
    assert.not(watch.synced());
    w.proxy.fault = () => undefined;
    await watch.ready;
    await w.create('f1');
    await w.until('added f1 1');
    await w.remove('f1');
  });

  test('what is forbidden is told to whoever waits for the first list', async (w) => {
    w.proxy.fault = () => ({
      kind: 'status',
      status: 403,
      body: '{"kind":"Status","reason":"Forbidden","message":"configmaps is forbidden: User \\"u\\" cannot list resource \\"configmaps\\""}',
    });
    const watch = w.start();
    const error = await watch.ready.then(
      () => null,
      (failure: unknown) => failure,
    );
    assert.is((error as { code?: string }).code, 'Forbidden');
    w.stop.abort();
    await watch.ended;
  });

  test('a handler that throws stops nothing, and many megabytes come through whole', async (w) => {
    const sizes: number[] = [];
    const watch = w.start({
      onChange: ({ object }) => {
        sizes.push(object.data!['key']!.length);
        throw new Error('mine');
      },
    });
    await watch.ready;
    const large = 'x'.repeat(900_000);
    await Promise.all(Array.from({ length: 8 }, (_, index) => w.create(`g${index}`, large)));
    await eventually('eight objects', () => sizes.length === 8);
    assert.equal(new Set(sizes), new Set([900_000]));
    assert.is(w.logged.filter((line) => line === 'handler').length, 8);
    await Promise.all(Array.from({ length: 8 }, (_, index) => w.remove(`g${index}`)));
  });

  test('ends with its signal, whatever it was doing, and rejects nothing that nobody waits for', async (w) => {
    const following = w.start();
    await following.ready;
    w.proxy.fault = () => ({ kind: 'hang' });
    const listing = w.start();
    w.proxy.fault = () => ({ kind: 'status', status: 429, retryAfter: '20' });
    const waiting = w.start();
    await new Promise((resolve) => setTimeout(resolve, 200));
    w.stop.abort();
    await Promise.all([following.ended, listing.ended, waiting.ended]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(unhandled, []);
  });
}

test.run();
