import { randomUUID } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded, messageOf } from '../../../src/errors.ts';
import { systemClock, type Clock, type Log } from '../../../src/runner/kubernetes/clock.ts';
import { runElected, type ElectionOptions, type Leadership } from '../../../src/runner/kubernetes/lease.ts';
import { EPOCH_ANNOTATION, microTime, readLease, remainingMs } from '../../../src/runner/kubernetes/lease-record.ts';
import { createObject, deleteObject, getObject, mergePatch } from '../../../src/runner/kubernetes/objects.ts';
import { leases, type Lease } from '../../../src/runner/kubernetes/wire.ts';
import { connect, eventually, openTestCluster } from '../../support/cluster.ts';
import { failNext, startProxy } from './proxy.ts';

const pure = suite('lease records');

pure('what is left is counted by the stricter of both clocks', () => {
  const since = { monotonic: 100, wall: 1_000_000 };
  assert.is(remainingMs(since, { monotonic: 4_100, wall: 1_004_000 }, 10_000), 6_000);
  // The machine slept: the monotonic clock stood still.
  assert.is(remainingMs(since, { monotonic: 200, wall: 1_060_000 }, 10_000), -50_000);
  // The wall clock was set back.
  assert.is(remainingMs(since, { monotonic: 12_100, wall: 900_000 }, 10_000), -2_000);
});

pure('a lease that somebody else wrote, with nothing in it or nonsense, is read', () => {
  const nothing = { holder: '', renewTime: '', durationMs: 0, transitions: 0, epoch: 0, uid: '', resourceVersion: '' };
  assert.equal(readLease({}), nothing);
  assert.equal(readLease({ metadata: { annotations: { [EPOCH_ANNOTATION]: '-3x' } } }), nothing);
  assert.is(microTime(0), '1970-01-01T00:00:00.000000Z');
});

const world = await openTestCluster('lease');
const test = suite('leader election');
const durations = { leaseMs: 3_000, renewMs: 2_000, retryMs: 300 };
const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/** One who takes part, and what became of it. */
interface Contender {
  readonly identity: string;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  /** Its leaderships, the newest last. */
  readonly led: Leadership[];
  readonly leading: () => boolean;
  /** Holds its leaders back after their signal. */
  linger: Promise<void>;
}

/** The machine's clocks, which can be shifted, and stopped as a SIGSTOP does: no sleep ends. */
function shiftingClock(): Clock & { wall: number; mono: number; freeze(): () => void } {
  let frozen: Promise<void> = Promise.resolve();
  return {
    wall: 0,
    mono: 0,
    now() {
      return systemClock.now() + this.wall;
    },
    monotonic() {
      return systemClock.monotonic() + this.mono;
    },
    random: () => systemClock.random(),
    async sleep(ms, signal) {
      await systemClock.sleep(ms, signal);
      await frozen;
    },
    freeze() {
      const thaw = Promise.withResolvers<void>();
      frozen = thaw.promise;
      return thaw.resolve;
    },
  };
}

if (world !== undefined) {
  const { cluster, namespace, signal } = world;
  const all: Contender[] = [];
  let serial = 0;
  let name = '';
  /** How many lead right now, by their own account; never more than one in a test without a fault. */
  let leaders = 0;
  let most = 0;

  const enter = (options: Partial<ElectionOptions> = {}): Contender => {
    const stop = new AbortController();
    const led: Leadership[] = [];
    const identity = options.identity ?? randomUUID();
    let leading = false;
    const contender: Contender = {
      identity,
      stop,
      led,
      leading: () => leading,
      linger: Promise.resolve(),
      ended: runElected({
        cluster,
        namespace,
        name,
        identity,
        durations,
        knownEpoch: async () => 0,
        signal: stop.signal,
        clock: systemClock,
        log: silent,
        async onLead(leadership) {
          led.push(leadership);
          leading = true;
          most = Math.max(most, ++leaders);
          await new Promise<void>((resolve) =>
            leadership.signal.addEventListener('abort', () => resolve(), { once: true }),
          );
          await contender.linger;
          leaders--;
          leading = false;
        },
        ...options,
      }),
    };
    contender.ended.catch(() => undefined);
    all.push(contender);
    return contender;
  };
  const read = async (): Promise<Lease> => getObject(cluster, leases, { namespace, name }, { signal });
  const change = (patch: Record<string, unknown>): Promise<Lease> =>
    mergePatch(cluster, leases, { namespace, name }, patch, { signal });
  const oneLeads = (...contenders: readonly Contender[]): Promise<Contender> =>
    eventually('one of them to lead', () => contenders.find((one) => one.leading()));
  const leaveAll = async (): Promise<void> => {
    for (const { stop } of all) stop.abort();
    await Promise.allSettled(all.map(({ ended }) => ended));
    all.length = 0;
  };

  test.before.each(() => {
    name = `lease-${serial++}`;
    leaders = 0;
    most = 0;
  });
  test.after.each(leaveAll);
  test.after(() => world.remove());

  test('one of two leads and keeps the lease; when it leaves, the other leads at once, with a higher epoch', async () => {
    const [a, b] = [enter(), enter()];
    const first = await oneLeads(a, b);
    const second = first === a ? b : a;
    const { spec, metadata } = await read();
    assert.is(spec!.holderIdentity, first.identity);
    assert.is(spec!.leaseDurationSeconds, 3);
    assert.match(spec!.renewTime!, /\.\d{6}Z$/);
    assert.is(metadata!.annotations![EPOCH_ANNOTATION], '1');
    await eventually('two renewals', async () => (await read()).spec!.renewTime! > spec!.renewTime!);
    assert.ok(first.led[0]!.isValid());
    first.stop.abort();
    await first.ended;
    await eventually('the other to lead', () => second.leading(), 2_000);
    assert.equal([first.led[0]!.epoch, second.led[0]!.epoch], [1, 2]);
    const after = await read();
    assert.is(after.spec!.leaseTransitions, spec!.leaseTransitions! + 1);
    assert.is(most, 1);
    assert.not(first.led[0]!.isValid() && second.led[0]!.isValid());
  });

  test('a leader that was asked to stop keeps the lease until it has finished', async () => {
    const a = enter();
    await oneLeads(a);
    const b = enter();
    const finish = Promise.withResolvers<void>();
    a.linger = finish.promise;
    a.stop.abort();
    assert.ok(a.led[0]!.signal.aborted);
    assert.ok(isCoded(a.led[0]!.signal.reason, 'Cancelled'));
    await new Promise((resolve) => setTimeout(resolve, durations.leaseMs + 1_000));
    assert.ok(a.led[0]!.isValid());
    assert.not(b.leading());
    finish.resolve();
    await oneLeads(b);
    assert.is(most, 1);
  });

  test('a holder that stands still is no longer valid before the next one leads, and steps down when it wakes', async () => {
    const clock = shiftingClock();
    const a = enter({ clock });
    await oneLeads(a);
    const thaw = clock.freeze();
    let validThen: boolean | undefined;
    const led = Promise.withResolvers<number>();
    enter({
      async onLead({ epoch, signal: ends }) {
        validThen = a.led[0]!.isValid();
        led.resolve(epoch);
        await new Promise((resolve) => ends.addEventListener('abort', resolve, { once: true }));
      },
    });
    assert.is(await led.promise, 2);
    assert.is(validThen, false);
    assert.not(a.led[0]!.signal.aborted);
    const { resourceVersion } = (await read()).metadata!;
    thaw();
    await eventually('the first to step down', () => a.led[0]!.signal.aborted);
    assert.ok(isCoded(a.led[0]!.signal.reason, 'LeadershipLost'));
    assert.is.not(resourceVersion, undefined);
    assert.is.not((await read()).spec!.holderIdentity, a.identity);
  });

  test('the wall clock ends it where the monotonic clock stood still, and the other way round', async () => {
    for (const field of ['wall', 'mono'] as const) {
      name = `lease-${serial++}`;
      const clock = shiftingClock();
      const a = enter({ clock });
      await oneLeads(a);
      assert.ok(a.led[0]!.isValid());
      clock[field] += durations.renewMs + 1;
      assert.not(a.led[0]!.isValid());
      await eventually('the leader to be told', () => a.led[0]!.signal.aborted);
      await leaveAll();
    }
  });

  test('a lease that is deleted by hand ends the leadership; the next one has a higher epoch all the same', async () => {
    const [a, b] = [enter(), enter()];
    const first = await oneLeads(a, b);
    await eventually(
      'the other to have seen the lease',
      () => new Promise((resolve) => setTimeout(() => resolve(true), 700)),
    );
    await deleteObject(cluster, leases, { namespace, name }, { signal });
    await eventually('the leader to step down', () => first.led[0]!.signal.aborted);
    assert.match(messageOf(first.led[0]!.signal.reason), /it was deleted|taken over/);
    await eventually('a new leadership', () => a.led.length + b.led.length === 2);
    const next = [...a.led, ...b.led].find((leadership) => leadership !== first.led[0]);
    assert.is(next!.epoch, 2);
  });

  test('a lease that is stolen ends the leadership at once and names the thief', async () => {
    const a = enter();
    await oneLeads(a);
    await change({ spec: { holderIdentity: 'thief', leaseDurationSeconds: 1, renewTime: microTime(Date.now()) } });
    await eventually('the leader to step down', () => a.led[0]!.signal.aborted, 2_000);
    assert.not(a.led[0]!.isValid());
    assert.match(messageOf(a.led[0]!.signal.reason), /taken over by thief/);
    await eventually('it to lead again', () => a.led.length === 2);
    assert.is(a.led[1]!.epoch, 2);
  });

  test('somebody who writes labels on the lease disturbs nobody; a higher epoch does', async () => {
    const a = enter();
    await oneLeads(a);
    await change({ metadata: { labels: { seen: 'yes' } } });
    const { spec } = await read();
    await eventually('a renewal', async () => (await read()).spec!.renewTime! > spec!.renewTime!);
    assert.ok(a.led[0]!.isValid());
    assert.is((await read()).metadata!.labels!['seen'], 'yes');
    await change({ metadata: { annotations: { [EPOCH_ANNOTATION]: '40' } } });
    await eventually('it to lead again', () => a.led.length === 2);
    assert.is(a.led[1]!.epoch, 41);
  });

  test('the epoch is higher than what claims and ledger know, and stands in the lease before the leader begins', async () => {
    let stored: string | undefined;
    const begun = Promise.withResolvers<number>();
    enter({
      knownEpoch: async () => 70,
      async onLead({ epoch }) {
        stored = (await read()).metadata!.annotations![EPOCH_ANNOTATION];
        begun.resolve(epoch);
      },
    });
    assert.is(await begun.promise, 71);
    assert.is(stored, '71');
  });

  test('nobody leads while the epochs so far cannot be read', async () => {
    let tries = 0;
    const a = enter({
      knownEpoch: async () => {
        if (tries++ < 2) throw new Error('the remote is down');
        return 5;
      },
    });
    await oneLeads(a);
    assert.is(tries, 3);
    assert.ok(a.led[0]!.epoch > 5);
  });

  test('a short outage is survived; a longer one ends the leadership within the time to renew', async () => {
    const proxy = await startProxy(world.kubeconfig);
    const through = await connect({ kubeconfig: proxy.kubeconfig });
    const a = enter({ cluster: through });
    await oneLeads(a);
    failNext(proxy, 2, (method) => method === 'PATCH', { kind: 'drop' });
    const { spec } = await read();
    await eventually('a renewal', async () => (await read()).spec!.renewTime! > spec!.renewTime!);
    failNext(proxy, 1, (method) => method === 'PATCH', { kind: 'lostAnswer' });
    const later = (await read()).spec!.renewTime!;
    await new Promise((resolve) => setTimeout(resolve, 4 * durations.retryMs));
    assert.ok((await read()).spec!.renewTime! > later);
    assert.ok(a.led[0]!.isValid());
    proxy.fault = () => ({ kind: 'hang' });
    await eventually('the leader to step down', () => a.led[0]!.signal.aborted, 2 * durations.renewMs);
    assert.match(messageOf(a.led[0]!.signal.reason), /could not be renewed for 2 s/);
    proxy.fault = () => undefined;
    await eventually('it to lead again', () => a.led.length === 2);
    a.stop.abort();
    await a.ended;
    await through.close();
    await proxy.close();
  });

  test('an acquisition whose answer was lost is taken up', async () => {
    const proxy = await startProxy(world.kubeconfig);
    const through = await connect({ kubeconfig: proxy.kubeconfig });
    failNext(proxy, 1, (method) => method === 'POST', { kind: 'lostAnswer' });
    const a = enter({ cluster: through });
    await oneLeads(a);
    assert.is((await read()).spec!.holderIdentity, a.identity);
    a.stop.abort();
    await a.ended;
    assert.is((await read()).spec!.holderIdentity, undefined);
    await through.close();
    await proxy.close();
  });

  test('a lease that somebody left behind is taken over once it has run out as seen from here', async () => {
    const spec = { holderIdentity: 'gone', leaseDurationSeconds: 2, renewTime: microTime(0), leaseTransitions: 6 };
    const annotations = { [EPOCH_ANNOTATION]: '9' };
    await createObject(cluster, leases, { metadata: { name, namespace, annotations }, spec }, { signal });
    const began = performance.now();
    const a = enter();
    await oneLeads(a);
    assert.ok(performance.now() - began >= 2_000);
    assert.is(a.led[0]!.epoch, 10);
    assert.is((await read()).spec!.leaseTransitions, 7);
  });

  test('annotations that others write do not keep the lease of a leader that is gone alive', async () => {
    const spec = { holderIdentity: 'gone', leaseDurationSeconds: 2, renewTime: microTime(0), leaseTransitions: 0 };
    await createObject(cluster, leases, { metadata: { name, namespace }, spec }, { signal });
    const a = enter();
    let serial = 0;
    await eventually('it to lead', async () => {
      await change({ metadata: { annotations: { told: String(serial++) } } });
      return a.leading();
    });
  });

  test("a leader's own error ends the election, with the lease released; one that just returns gives it to others", async () => {
    const failing = enter({
      onLead: async () => {
        throw new Error('mine');
      },
    });
    assert.is(await failing.ended.catch(messageOf), 'mine');
    assert.is((await read()).spec!.holderIdentity, undefined);
    let turns = 0;
    enter({
      onLead: async () => {
        turns++;
      },
    });
    await eventually('it to lead twice', () => turns >= 2);
  });

  test('a namespace that does not exist ends the election with the reason', async () => {
    const a = enter({ namespace: 'rl-none' });
    const error = await a.ended.catch((failure: unknown) => failure);
    assert.ok(isCoded(error, 'NamespaceMissing'));
  });
}

pure.run();
test.run();
