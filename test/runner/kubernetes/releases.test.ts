/** What is let go of after runs are recorded, in which order, and with how many calls. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { transientError } from '../../../src/errors.ts';
import { LABELS, OUTCOME_FINALIZER, podLabels, runAnnotations, runLabels } from '../../../src/render/labels.ts';
import { runObjectName } from '../../../src/render/names.ts';
import type { Call, Cluster } from '../../../src/runner/kubernetes/client.ts';
import { systemClock } from '../../../src/runner/kubernetes/clock.ts';
import { openInventory } from '../../../src/runner/kubernetes/inventory.ts';
import { createObject, findObject, listObjects, mergePatch } from '../../../src/runner/kubernetes/objects.ts';
import { removeFinalizer } from '../../../src/runner/kubernetes/release.ts';
import { createReleases, type Releases } from '../../../src/runner/kubernetes/releases.ts';
import { unopposed, type Scope } from '../../../src/runner/kubernetes/scope.ts';
import { configMaps, pods, toWire, type Pod } from '../../../src/runner/kubernetes/wire.ts';
import type { RunKey, RunRecord } from '../../../src/runner/port.ts';
import { eventually, openTestCluster, type TestCluster } from '../../support/cluster.ts';

const test = suite('releases');
const cluster = await openTestCluster('releases');
const NAMES = { installation: 'test', source: 'releases' } as const;

const recordOf = ({ job, run }: RunKey): RunRecord => ({
  job,
  run,
  trigger: { kind: 'commit', revision: '0'.repeat(40) },
  revision: '0'.repeat(40),
  path: `${job}.yaml`,
  digest: 'v1:0',
  covered: {},
  spec: { image: 'busybox:1.36', run: 'true' },
  labels: {},
  params: {},
  args: [],
  chain: '',
  queued: '2026-01-01T00:00:00Z',
});

/** A claim, a payload and a pod that no scheduler takes, as a run has them. */
async function createRun({ cluster, namespace, signal }: TestCluster, key: RunKey): Promise<Pod> {
  const record = recordOf(key);
  const annotations = runAnnotations(record, 0);
  for (const kind of ['claim', 'payload'] as const) {
    const name = runObjectName(kind, NAMES, key.job, key.run);
    const labels = runLabels(NAMES, kind, record);
    await createObject(cluster, configMaps, { metadata: { name, namespace, labels, annotations } }, { signal });
  }
  const labels = podLabels(NAMES, record, 'default', 1);
  const name = `${key.job}-${key.run}`;
  const metadata = { name, namespace, labels, annotations, finalizers: [OUTCOME_FINALIZER] };
  const spec = { schedulerName: 'nobody', containers: [{ name: 'run', image: 'busybox:1.36' }] };
  return createObject(cluster, pods, toWire({ metadata, spec }), { signal });
}

interface Bench {
  readonly releases: Releases;
  readonly calls: readonly Call[];
  /** While it is down, the API server can't be reached. */
  readonly server: { isDown: boolean };
}

/** Releases of everything that is in the namespace, by a connection that is listened to. */
async function openReleases(it: TestCluster, work: (bench: Bench) => Promise<void>, keepsClaims = true): Promise<void> {
  const stopping = new AbortController();
  const calls: Call[] = [];
  const server = { isDown: false };
  const listened: Cluster = {
    ...it.cluster,
    async request(call) {
      calls.push(call);
      if (server.isDown) throw transientError('ConnectionLost', 'down');
      return it.cluster.request(call);
    },
  };
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const scope: Scope = {
    ...NAMES,
    cluster: listened,
    namespace: it.namespace,
    authority: unopposed,
    clock: systemClock,
    log,
  };
  const inventory = await openInventory(scope, () => undefined, stopping.signal);
  calls.length = 0;
  const { signal } = stopping;
  const releases = createReleases({ scope, inventory, keepsClaims, reached: async () => undefined, signal });
  try {
    await work({ releases, calls, server });
  } finally {
    stopping.abort();
  }
}

const leftOf = async ({ cluster, namespace, signal }: TestCluster): Promise<readonly string[]> => {
  const maps = await listObjects(cluster, configMaps, { namespace, labelSelector: LABELS.component }, { signal });
  const left = await listObjects(cluster, pods, { namespace }, { signal });
  return [...maps.items, ...left.items]
    .map(({ metadata }) => metadata?.labels ?? {})
    .map((labels) => `${labels[LABELS.component]} ${labels[LABELS.job]} ${labels[LABELS.run]}`)
    .sort();
};

if (cluster) {
  const it = cluster;
  test.after(() => it.remove());

  test('runs of any numbers go with two deletions; claims and other runs of the same jobs stay', async () => {
    const recorded = [
      { job: 'one', run: 3 },
      { job: 'two', run: 8 },
      { job: 'three', run: 1 },
    ];
    for (const key of [...recorded, { job: 'one', run: 8 }]) await createRun(it, key);
    await openReleases(it, async ({ releases, calls }) => {
      releases.add(recorded);
      releases.add(recorded);
      await releases.flush();
      for (const key of recorded) assert.ok(releases.has(key));
      const deletions = calls.filter(({ method }) => method === 'DELETE').map(({ path }) => path.split('/').at(-1));
      assert.is(deletions[0], 'configmaps');
      assert.ok(deletions.length <= 2, deletions.join());
      assert.is(calls.filter(({ method }) => method === 'PATCH').length, 3);
      assert.is(calls.filter(({ method }) => method === 'GET').length, 0);
    });
    const claims = ['claim one 3', 'claim one 8', 'claim three 1', 'claim two 8'];
    const expected = ['attempt one 8', ...claims, 'payload one 8'];
    await eventually('the pods are gone', async () => (await leftOf(it)).length === expected.length);
    assert.equal(await leftOf(it), expected);
  });

  test('claims go too where no ledger says that their runs are over', async () => {
    const key = { job: 'six', run: 1 };
    await createRun(it, key);
    await openReleases(
      it,
      async ({ releases }) => {
        releases.add([key]);
        await releases.flush();
      },
      false,
    );
    await eventually('all of it is gone', async () => !(await leftOf(it)).some((left) => left.includes(' six ')));
  });

  test('what could not be removed is tried again, and its name is not used meanwhile', async () => {
    const key = { job: 'four', run: 1 };
    await createRun(it, key);
    await openReleases(it, async ({ releases, server }) => {
      server.isDown = true;
      releases.add([key]);
      const refused = await releases.makeWay(key).catch((error: unknown) => error);
      assert.is((refused as { code?: string }).code, 'ReleasePending');
      assert.ok((await leftOf(it)).includes('payload four 1'));
      server.isDown = false;
      await releases.makeWay(key);
      assert.not.ok((await leftOf(it)).includes('payload four 1'));
    });
  });

  test('a finalizer goes although others came before it since the pod was seen', async () => {
    const { cluster, namespace, signal } = it;
    const seen = await createRun(it, { job: 'five', run: 1 });
    const name = seen.metadata?.name ?? '';
    const finalizers = ['example.com/other', OUTCOME_FINALIZER];
    const patch = { metadata: { finalizers } };
    await mergePatch(cluster, pods, { namespace, name }, patch, { signal, repeatable: true });
    const left = await removeFinalizer({ cluster, namespace }, seen, signal);
    assert.equal(left?.metadata?.finalizers, ['example.com/other']);
    const found = await findObject(cluster, pods, { namespace, name }, { signal });
    assert.equal(found?.metadata?.finalizers, ['example.com/other']);
  });
}

test.run();
