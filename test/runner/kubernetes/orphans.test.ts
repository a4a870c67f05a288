// test-timeout: 240s
/** Objects that belong to no known run go after a while; those of runs, other sources and installations stay. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tasksOf } from '../../../src/job/fan-out.ts';
import { renderClaim } from '../../../src/render/claim.ts';
import { UNKNOWN_UID } from '../../../src/render/context.ts';
import { ANNOTATIONS, LABELS, OUTCOME_FINALIZER } from '../../../src/render/labels.ts';
import { renderPayload } from '../../../src/render/payload.ts';
import { renderPod } from '../../../src/render/pod.ts';
import { createObject, listObjects, mergePatch } from '../../../src/runner/kubernetes/objects.ts';
import { isOrphan, type RunState } from '../../../src/runner/kubernetes/orphans.ts';
import { type ConfigMap, configMaps, type Pod, pods, toWire } from '../../../src/runner/kubernetes/wire.ts';
import type { RunRecord } from '../../../src/runner/port.ts';
import { createAccount, eventually, openTestCluster, type TestCluster } from '../../support/cluster.ts';
import {
  connectAs,
  createJobs,
  IMAGE,
  openController,
  outcomesOf,
  podWhen,
  shippedRules,
  TRAPS_TERM,
} from './world.ts';

const recordOf = (job: string, run = 1): RunRecord => ({
  job,
  run,
  trigger: { kind: 'commit', revision: '0'.repeat(40) },
  revision: '0'.repeat(40),
  path: `${job}.yaml`,
  digest: 'v1:0',
  covered: {},
  spec: { image: IMAGE, run: 'true' },
  labels: {},
  params: {},
  args: [],
  chain: '0',
  queued: new Date().toISOString(),
});

/** The objects of a run as a controller makes them, of any installation and source. */
function objectsOf(namespace: string, source: string, record: RunRecord, installation = 'test') {
  const context = { namespace, installation, source, epoch: 1 };
  const payload = { name: 'none', uid: UNKNOWN_UID };
  const podContext = { ...context, image: IMAGE, imagePullSecrets: [], podDefaults: {}, payload };
  const { ownerReferences: _claim, ...payloadMetadata } =
    renderPayload({ record, files: [], context, claim: payload }).metadata ?? {};
  const [task] = tasksOf(record.spec);
  if (!task) throw new Error('a job without tasks');
  const pod = renderPod({ record, task, attempt: 1, context: podContext });
  // Without owners: the garbage collector is to have no part in it.
  const { ownerReferences: _payload, ...metadata } = pod.metadata ?? {};
  return {
    claim: toWire(renderClaim(record, context)),
    payload: toWire({ metadata: payloadMetadata }),
    pod: { spec: toWire(pod.spec ?? { containers: [] }), metadata: toWire(metadata) },
  };
}

const judged = suite('which objects belong to no run');
const { claim, payload, pod } = objectsOf('jobs', 'any', recordOf('job'));
const cases: readonly [what: string, object: ConfigMap | Pod, state: RunState, orphan: boolean][] = [
  ['a claim of a live run', claim, 'live', false],
  ['a pod of a live run', pod, 'live', false],
  ['a claim of a run that was let go of', claim, 'released', false],
  ['a payload of a run that was let go of', payload, 'released', true],
  ['a pod of a run that was let go of', pod, 'released', true],
  ['a payload of no run', payload, 'unknown', true],
  [
    'a pod that only our finalizer holds',
    { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
    'released',
    true,
  ],
  [
    'a pod that is going by itself',
    { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [] } },
    'released',
    false,
  ],
  ['what nobody can tell the run of', { metadata: { labels: { [LABELS.managedBy]: 'runledger' } } }, 'live', true],
];
for (const [what, object, state, orphan] of cases)
  judged(what, () =>
    assert.is(
      isOrphan(object, () => state),
      orphan,
    ),
  );
const test = suite('objects of no run');

function addTests(it: TestCluster): void {
  const { cluster, namespace, signal } = it;

  test('are found at the start and later, and removed; with the rights of the shipped Role', async () => {
    const source = 'swept';
    const { token } = await createAccount(it, await shippedRules());
    const put = async ({ metadata, ...rest }: ConfigMap | Pod, name: string, more: object = {}): Promise<void> => {
      const named = { ...rest, metadata: { ...metadata, name, namespace, ...more } };
      await ('spec' in rest
        ? createObject(cluster, pods, named as Pod, { signal })
        : createObject(cluster, configMaps, named as ConfigMap, { signal }));
    };
    const unfit = { nodeSelector: { 'runledger.dev/none': 'none' } };
    const objects = (of: string, job: string, installation?: string) => {
      const made = objectsOf(namespace, of, recordOf(job), installation);
      return { ...made, pod: { ...made.pod, spec: { ...made.pod.spec, ...unfit } } };
    };
    // Of others: never touched.
    const other = objects('other', 'gone');
    const foreign = objects(source, 'gone', 'another');
    await put(other.payload, 'others-payload');
    await put(other.pod, 'others-pod');
    await put(foreign.payload, 'foreign-payload');
    await put(foreign.pod, 'foreign-pod');
    // Ours: a payload without its claim, and objects of which nobody can tell the run.
    const own = objects(source, 'stray');
    const broken = { ...own.pod.metadata?.labels, [LABELS.run]: 'seven' };
    await put(own.pod, 'broken-pod', { labels: broken });
    await put(own.claim, 'broken-claim', { annotations: { [ANNOTATIONS.digest]: 'v1:0' } });

    const jobs = await createJobs('swept');
    await jobs.commit({ works: { run: 'echo works' }, stays: { run: TRAPS_TERM } });
    const restricted = await connectAs(it, jobs.folder, token);
    const options = { target: jobs.folder, namespace, source, cluster: restricted, orphanGraceMs: 2_000 };
    const controller = await openController(it, options);
    const settled = controller.settle({ goOn: true });
    try {
      await eventually('a run is over', async () => (await outcomesOf(controller, ['works']))['works'] !== undefined);
      await podWhen(it, namespace, 'stays', 'runs', ({ status }) => status?.phase === 'Running');
      // What a leader that was stopped before a create, and has woken up since, leaves behind.
      await put(own.payload, 'late-payload');
      const late = objects(source, 'works');
      await put(late.pod, 'late-pod');
      const left = await eventually(
        'everything of no run is gone',
        async () => {
          const names = await namesIn(it);
          return ['broken-pod', 'broken-claim', 'late-payload', 'late-pod'].some((name) => names.includes(name))
            ? undefined
            : names;
        },
        60_000,
      );
      for (const name of ['others-payload', 'others-pod', 'foreign-payload', 'foreign-pod'])
        assert.ok(left.includes(name), `${name} is gone: ${left.join(', ')}`);
      // Two claims, and payload and pod of the run that goes on.
      await eventually(
        'of the runs, what has to stay is left',
        async () => (await namesIn(it)).filter((name) => /^(works|stays)-1-/.test(name)).length === 4,
      );
      const { items } = await listObjects(
        cluster,
        pods,
        { namespace, labelSelector: `${LABELS.job}=stays` },
        { signal },
      );
      assert.is(items[0]?.metadata?.deletionTimestamp, undefined);
      assert.ok(items[0]?.metadata?.finalizers?.includes(OUTCOME_FINALIZER));
      assert.equal(
        controller.troubles.filter((line) => line !== 'removed, since it belongs to no known run'),
        [],
      );
    } finally {
      controller.stop();
      await settled;
      await controller.close();
      await restricted.close();
      await jobs.remove();
    }
  });

  test('a pod whose labels somebody breaks while it runs is still the pod of its run', async () => {
    const jobs = await createJobs('relabelled');
    await jobs.commit({ relabelled: { run: 'echo up\nsleep 4' } });
    const controller = await openController(it, { target: jobs.folder, namespace, source: 'relabelled' });
    try {
      const settled = controller.settle();
      const running = await podWhen(it, namespace, 'relabelled', 'runs', ({ status }) => status?.phase === 'Running');
      const ref = { namespace, name: running.metadata?.name ?? '' };
      const metadata = { labels: { [LABELS.run]: 'seven' } };
      await mergePatch(cluster, pods, ref, { metadata }, { signal, repeatable: true });
      await settled;
      const { relabelled } = await outcomesOf(controller, ['relabelled']);
      assert.is(relabelled?.result, 'succeeded', relabelled?.message);
    } finally {
      await controller.close();
      await jobs.remove();
    }
  });
}

async function namesIn({ cluster, namespace, signal }: TestCluster): Promise<readonly string[]> {
  const found = await Promise.all(
    [configMaps, pods].map((kind) => listObjects(cluster, kind, { namespace }, { signal })),
  );
  return found.flatMap(({ items }) => items.map(({ metadata }) => metadata?.name ?? ''));
}

const world = await openTestCluster('orphans');
if (world !== undefined) {
  test.after(() => world.remove());
  addTests(world);
}
judged.run();
test.run();
