// test-timeout: 240s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { renderRunner, renderRunnerSet } from '../../../../src/render/runner-pod.ts';
import { systemClock } from '../../../../src/runner/kubernetes/clock.ts';
import { createObject, listObjects, mergePatch } from '../../../../src/runner/kubernetes/objects.ts';
import { sweepAbandonedSets } from '../../../../src/runner/kubernetes/pool/abandoned.ts';
import { configMaps, leases, pods, toWire } from '../../../../src/runner/kubernetes/wire.ts';
import { eventually, openTestCluster } from '../../../support/cluster.ts';
import { IMAGE } from '../world.ts';

const it = await openTestCluster('abandoned');
if (it) {
  const test = suite('runner sets that nobody keeps');
  const { cluster, namespace, signal } = it;
  test.after(() => it.remove());

  const leaseOf = (source: string) => ({ namespace, name: `lease-${source}` });

  /** A set with a runner, as a controller of the source has left them. */
  const leave = async (source: string): Promise<void> => {
    const scope = { namespace, installation: 'test', source };
    const owner = await createObject(cluster, configMaps, toWire(renderRunnerSet('small', scope)), { signal });
    const set = {
      apiVersion: 'runledger.dev/v1',
      kind: 'RunnerSet',
      metadata: { name: 'small' },
      spec: { image: IMAGE, maxRunners: 1 },
    } as const;
    const context = { ...scope, image: IMAGE, imagePullSecrets: [], podDefaults: {}, epoch: 1 };
    const { name = '', uid = '' } = owner.metadata ?? {};
    const pod = renderRunner({ set, context, name: `runner-of-${source}`, owner: { name, uid } });
    await createObject(cluster, pods, toWire(pod), { signal });
  };
  const left = async (): Promise<readonly string[]> => {
    const maps = await listObjects(
      cluster,
      configMaps,
      { namespace, labelSelector: 'runledger.dev/source' },
      { signal },
    );
    const runners = await listObjects(cluster, pods, { namespace }, { signal });
    const going = runners.items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    return [
      ...maps.items.map(({ metadata }) => `set of ${metadata?.labels?.['runledger.dev/source']}`),
      ...going.map(({ metadata }) => metadata?.name ?? ''),
    ].sort();
  };

  test('go with their idle runners; those of others stay', async () => {
    for (const source of ['ours', 'theirs', 'gone']) await leave(source);
    const metadata = leaseOf('theirs');
    const spec = { holderIdentity: 'somebody', leaseDurationSeconds: 15 };
    await createObject(cluster, leases, { metadata, spec }, { signal });
    const ending = new AbortController();
    const renewing = setInterval(() => {
      const renewTime = new Date().toISOString().replace('Z', '000Z');
      void mergePatch(cluster, leases, metadata, { spec: { renewTime } }, { signal, repeatable: true });
    }, 300);
    const lines: string[] = [];
    const log = {
      debug: () => undefined,
      info: (fields: object) => void lines.push(JSON.stringify(fields)),
      warn: () => undefined,
    };
    const swept = sweepAbandonedSets({
      cluster,
      installation: 'test',
      namespaces: new Set([namespace]),
      sources: new Set(['ours']),
      leaseOf,
      clock: systemClock,
      log,
      signal: ending.signal,
      graceMs: 5_000,
      everyMs: 1_000,
    });
    try {
      const rest = ['runner-of-ours', 'runner-of-theirs', 'set of ours', 'set of theirs'];
      await eventually('what nobody keeps is gone', async () => (await left()).join() === rest.join(), 90_000);
      assert.equal(lines, [JSON.stringify({ source: 'gone', namespace })]);
    } finally {
      ending.abort();
      clearInterval(renewing);
      await swept;
    }
    assert.is((await left()).length, 4);
  });

  test.run();
}
