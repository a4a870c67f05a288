// test-timeout: 300s
/** Every reason for which a run in a cluster ends, brought about there: world in, outcome on the ledger out. */
import { readFile } from 'node:fs/promises';
import { kill } from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LABELS, OUTCOME_FINALIZER } from '../../../src/render/labels.ts';
import {
  createObject,
  deleteObject,
  jsonPatch,
  listObjects,
  mergePatch,
} from '../../../src/runner/kubernetes/objects.ts';
import {
  type ApiObject,
  configMaps,
  type Node,
  nodes,
  type Pod,
  pods,
  resource,
} from '../../../src/runner/kubernetes/wire.ts';
import type { Job, Outcome, Reason, Result } from '../../../src/schemas/index.ts';
import { createAccount, eventually, openTestCluster, type TestCluster } from '../../support/cluster.ts';
import {
  connectAs,
  createJobs,
  evict,
  IMAGE,
  leftIn,
  openController,
  outcomesOf,
  podAtWork,
  podWhen,
  TRAPS_TERM,
} from './world.ts';

type Spec = Partial<Job['spec']>;
interface Expected {
  readonly result: Result;
  readonly reason: Reason;
  readonly exitCode?: number | null;
  readonly message?: RegExp;
  readonly step?: string | null;
}

const priorityClasses = resource<ApiObject & { value: number }>(
  'scheduling.k8s.io/v1',
  'PriorityClass',
  'priorityclasses',
);
const quotas = resource<ApiObject & { spec: object }>('v1', 'ResourceQuota', 'resourcequotas');
const test = suite('reasons');

/** A resource that only this run of the tests has, so that they take no capacity from anybody. */
const WIDGET = `runledger.dev/widget-${Date.now().toString(36)}`;
const widgets = (name: string): NonNullable<Spec['pod']> => ({
  containers: [{ name: 'run', resources: { requests: { [name]: '1' }, limits: { [name]: '1' } } }],
});
const NO_WIDGETS = 'runledger.dev/none';

function expectOutcome(job: string, outcome: Outcome | undefined, expected: Expected): void {
  const { result, reason, exitCode, message, step } = expected;
  assert.ok(outcome, `${job} has no outcome`);
  const told = `${job}: ${outcome.result} ${outcome.reason}: ${outcome.message}`;
  assert.is(`${outcome.result} ${outcome.reason}`, `${result} ${reason}`, told);
  if (exitCode !== undefined) assert.is(outcome.exitCode, exitCode, told);
  if (step !== undefined) assert.is(outcome.step, step, told);
  if (message) assert.match(outcome.message, message, told);
}

/** Jobs that come to their ends without anybody's help. */
const ALONE: Readonly<Record<string, readonly [Spec, Expected]>> = {
  fine: [{ run: 'echo fine' }, { result: 'succeeded', reason: 'Completed', exitCode: 0 }],
  fails: [{ run: 'exit 3' }, { result: 'failed', reason: 'ExitCode', exitCode: 3, step: 'run' }],
  'eats-memory': [
    {
      run: "trap 'exit 0' TERM EXIT\ntail /dev/zero || true\necho survived\nexit 0",
      resources: { limits: { memory: '32Mi' } },
    },
    { result: 'failed', reason: 'OOMKilled', step: 'run' },
  ],
  'eats-memory-gated': [
    {
      steps: [
        { name: 'hog', run: 'tail /dev/zero || true\nexit 0' },
        { name: 'after', run: 'exit 0' },
      ],
      resources: { limits: { memory: '32Mi' } },
    },
    { result: 'failed', reason: 'OOMKilled', step: 'hog' },
  ],
  'no-image': [
    { image: 'busybox:there-is-none', run: 'true' },
    {
      result: 'error',
      reason: 'ImagePullFailed',
      exitCode: null,
      message: /busybox:there-is-none.*(not found|no such)/,
    },
  ],
  'no-second-image': [
    {
      steps: [
        { name: 'one', run: 'true' },
        { name: 'two', image: 'busybox:there-is-none', run: 'true' },
      ],
    },
    { result: 'error', reason: 'ImagePullFailed', message: /busybox:there-is-none/ },
  ],
  'no-command': [
    { steps: [{ name: 'run', command: ['/no/such/program'] }] },
    { result: 'error', reason: 'StartError', step: 'run', message: /\/no\/such\/program/ },
  ],
  'no-room': [
    { run: 'true', pod: { nodeSelector: { 'runledger.dev/none': 'none' } }, timeouts: { start: '3s' } },
    { result: 'error', reason: 'Unschedulable', message: /within 3s: 0\/\d+ nodes are available/ },
  ],
  'no-node': [
    {
      run: 'true',
      pod: {
        nodeName: 'NODE',
        containers: [{ name: 'run', resources: { requests: { cpu: '9000' }, limits: { cpu: '9000' } } }],
      },
    },
    { result: 'error', reason: 'NodeRejected', message: /OutOfcpu/ },
  ],
  'too-long': [
    { run: TRAPS_TERM, timeouts: { run: '2s', grace: '5s' } },
    { result: 'timed-out', reason: 'DeadlineExceeded', step: 'run', message: /time-out of the run, 2s/ },
  ],
  'step-too-long': [
    {
      steps: [
        { name: 'quick', run: 'true' },
        { name: 'slow', run: TRAPS_TERM, timeout: '2s' },
        { name: 'never', run: 'echo never' },
      ],
    },
    {
      result: 'timed-out',
      reason: 'StepTimeout',
      step: 'slow',
      message: /"slow" did not end within its time-out of 2s/,
    },
  ],
  'only-step-too-long': [
    { steps: [{ name: 'slow', run: TRAPS_TERM, timeout: '2s' }] },
    { result: 'timed-out', reason: 'StepTimeout', step: 'slow' },
  ],
  'gated-too-long': [
    {
      steps: [
        { name: 'quick', run: 'true' },
        { name: 'slow', run: TRAPS_TERM },
      ],
      timeouts: { run: '2s', grace: '5s' },
    },
    { result: 'timed-out', reason: 'DeadlineExceeded', step: 'slow' },
  ],
  'no-secret': [
    { run: 'true', env: { TOKEN: { secret: { name: 'nowhere', key: 'token' } } } },
    { result: 'error', reason: 'SecretMissing', message: /secret "nowhere" not found/ },
  ],
  'no-secret-file': [
    {
      run: 'true',
      files: [{ path: 'id', secret: { name: 'nowhere', key: 'id' } }],
      timeouts: { start: '45s', grace: '5s' },
    },
    { result: 'error', reason: 'SecretMissing', message: /secret "nowhere" not found/ },
  ],
  'no-volume': [
    {
      run: 'true',
      pod: {
        volumes: [{ name: 'data', configMap: { name: 'nowhere' } }],
        containers: [{ name: 'run', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      },
      timeouts: { start: '45s', grace: '5s' },
    },
    { result: 'error', reason: 'StartTimeout', message: /within 45s: FailedMount: .*"nowhere" not found/ },
  ],
  'no-pod': [
    { run: 'true', pod: { containers: [{ name: 'run', ports: [{ containerPort: 99_999 }] }] } },
    { result: 'error', reason: 'InvalidPod', message: /containerPort/ },
  ],
  'no-field': [
    { run: 'true', pod: { nodeSelektor: {} } },
    { result: 'error', reason: 'InvalidPod', message: /nodeSelektor/ },
  ],
  'no-quota': [
    { run: 'true', pod: widgets(NO_WIDGETS) },
    { result: 'error', reason: 'Refused', message: /exceeded quota/ },
  ],
};

/** Jobs that something happens to. All of them would end with 0. */
const TRAPS: Spec = { run: TRAPS_TERM };
const HAPPENS: Readonly<Record<string, readonly [Spec, Expected]>> = {
  deleted: [TRAPS, { result: 'error', reason: 'PodDeleted', exitCode: null, step: 'run' }],
  'deleted-by-owner': [TRAPS, { result: 'error', reason: 'PodDeleted' }],
  'deleted-for-good': [TRAPS, { result: 'error', reason: 'PodDeleted', message: /finalizer was removed/ }],
  evicted: [TRAPS, { result: 'error', reason: 'Evicted', exitCode: null, message: /EvictionByEvictionAPI/ }],
  preempted: [
    { ...TRAPS, pod: widgets(WIDGET) },
    { result: 'error', reason: 'Preempted', message: /PreemptionByScheduler/ },
  ],
  removed: [TRAPS, { result: 'cancelled', reason: 'JobRemoved' }],
};

function addTests(it: TestCluster): void {
  const { cluster, namespace, signal } = it;

  test('one pass, and each run is told as what it was', async () => {
    const node = await aNode(it);
    const remove = await withWidget(it, node);
    const metadata = { name: 'none', namespace };
    await createObject(cluster, quotas, { metadata, spec: { hard: { [`requests.${NO_WIDGETS}`]: '0' } } }, { signal });
    const all = { ...ALONE, ...HAPPENS };
    const jobs = await createJobs('reasons');
    const specs = Object.entries(all).map(([name, [spec]]) => [name, onNode(spec, node)] as const);
    await jobs.commit(Object.fromEntries(specs));
    const controller = await openController(it, { target: jobs.folder, namespace, source: 'reasons' });
    try {
      const settled = controller.settle();
      await Promise.all([
        happen(it, async () => {
          await jobs.commit({ removed: null });
          controller.reconciler.sourceChanged();
        }),
        settled,
      ]);
      const outcomes = await outcomesOf(controller, Object.keys(all));
      const wrong = Object.entries(all).flatMap(([job, [, expected]]) => {
        try {
          expectOutcome(job, outcomes[job], expected);
          return [];
        } catch (error) {
          return [error instanceof Error ? error.message : String(error)];
        }
      });
      assert.equal(wrong, []);
      const lines = await eventually('only claims are left', async () => {
        const left = await leftIn(it, namespace);
        return left.every((line) => line.startsWith('claim ')) && left;
      });
      assert.equal(
        lines,
        Object.keys(all)
          .map((job) => `claim ${job}`)
          .sort(),
      );
    } finally {
      await controller.close();
      await remove();
      await jobs.remove();
    }
  });

  test('what happened while no controller looked', async () => {
    const other = await it.createNamespace();
    const jobs = await createJobs('unseen');
    const open = () => openController(it, { target: jobs.folder, namespace: other, source: 'unseen' });
    const names = ['deleted', 'ended-deleted', 'ended-evicted', 'ended'];
    await jobs.commit({ deleted: TRAPS, 'ended-deleted': ENDS_SOON, 'ended-evicted': ENDS_SOON, ended: ENDS_SOON });
    const first = await open();
    const settled = first.settle();
    const [deleted] = await Promise.all(names.map((name) => podAtWork(it, other, name)));
    first.stop();
    await settled;
    await first.close();

    await deleteObject(cluster, pods, refOf(deleted), { signal });
    // As the kubelet leaves it: the time of the deletion has moved behind the end.
    await podWhen(it, other, 'deleted', 'is over', ({ metadata }) => metadata?.deletionGracePeriodSeconds === 0);
    const over = await Promise.all(
      names
        .slice(1)
        .map((name) => podWhen(it, other, name, 'has ended', ({ status }) => status?.phase === 'Succeeded')),
    );
    // Times are in whole seconds: what is within one of the end could as well have come before.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await deleteObject(cluster, pods, refOf(over[0]), { signal });
    await evict(it, over[1] as Pod);

    const second = await open();
    try {
      await second.settle();
      const outcomes = await outcomesOf(second, names);
      expectOutcome('deleted', outcomes['deleted'], { result: 'error', reason: 'PodDeleted', exitCode: null });
      for (const name of names.slice(1))
        expectOutcome(name, outcomes[name], { result: 'succeeded', reason: 'Completed', exitCode: 0 });
      assert.equal(second.troubles, []);
    } finally {
      await second.close();
      await jobs.remove();
    }
  });

  test('what the API server or the policy does not allow', async () => {
    const jobs = await createJobs('refused');
    const read = { verbs: ['get', 'list', 'watch'] };
    const account = await createAccount(it, [
      {
        apiGroups: [''],
        resources: ['configmaps'],
        verbs: [...read.verbs, 'create', 'patch', 'delete', 'deletecollection'],
      },
      {
        apiGroups: [''],
        resources: ['pods', 'pods/log'],
        verbs: [...read.verbs, 'patch', 'delete', 'deletecollection'],
      },
      { apiGroups: ['policy'], resources: ['poddisruptionbudgets'], verbs: ['create'] },
    ]);
    const restricted = await connectAs(it, jobs.folder, account.token);
    const policy = { images: ['busybox:*'] };
    await jobs.commit({ forbidden: { run: 'true' }, policed: { image: 'other:1', run: 'true' } });
    const options = { target: jobs.folder, namespace, source: 'refused', cluster: restricted, policy };
    const controller = await openController(it, options);
    try {
      await controller.settle();
      const { forbidden, policed } = await outcomesOf(controller, ['forbidden', 'policed']);
      const refused = { result: 'error', reason: 'Refused' } as const;
      expectOutcome('forbidden', forbidden, { ...refused, message: /cannot create resource "pods".*/ });
      expectOutcome('policed', policed, { ...refused, message: /policy of the source refuses.*other:1/ });
      const labelSelector = `${LABELS.source}=refused`;
      const { items } = await listObjects(cluster, pods, { namespace, labelSelector }, { signal });
      assert.equal(items, []);
      assert.equal(
        (await leftIn(it, namespace)).filter((line) => /payload (forbidden|policed)/.test(line)),
        [],
      );
    } finally {
      await controller.close();
      await restricted.close();
      await jobs.remove();
    }
  });

  test('a node whose kubelet is not heard of', async () => {
    const pid = await pidOfKubelet();
    if (pid === undefined) {
      console.log('# skipped: NodeLost needs a file with the pid of the kubelet in RUNLEDGER_TEST_KUBELET_PID');
      return;
    }
    const { items } = await listObjects(cluster, nodes, {}, { signal });
    // Where no node at all is heard of, the cluster takes the trouble for its own, and evicts nothing.
    const isReady = ({ status }: Node): boolean =>
      (status?.conditions ?? []).some((condition) => condition.type === 'Ready' && condition.status === 'True');
    if (items.filter(isReady).length < 2) {
      console.log('# skipped: NodeLost needs a second node that is well, a simulated one for example');
      return;
    }
    const node = await aNode(it);
    const jobs = await createJobs('lost');
    const toleration = { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 1 };
    const tolerations = [
      { key: 'node.kubernetes.io/unreachable', ...toleration },
      { key: 'node.kubernetes.io/not-ready', ...toleration },
    ];
    const spec = { ...TRAPS, timeouts: { grace: '1s' }, pod: { tolerations } };
    await jobs.commit({ lost: onNode(spec, node) });
    const options = { target: jobs.folder, namespace, source: 'lost', nodeLostAfterMs: 2_000 };
    const controller = await openController(it, options);
    try {
      const settled = controller.settle();
      await podAtWork(it, namespace, 'lost');
      kill(pid, 'SIGSTOP');
      await settled;
      const { lost } = await outcomesOf(controller, ['lost']);
      expectOutcome('lost', lost, {
        result: 'error',
        reason: 'NodeLost',
        exitCode: null,
        message: /may still be running/,
      });
      assert.type(lost?.times.started, 'string');
      assert.is(lost?.log?.complete, false);
      assert.match(lost?.log?.reason ?? '', /could not be read to its end/);
    } finally {
      kill(pid, 'SIGCONT');
      await controller.close();
      await jobs.remove();
    }
    await eventually(
      'the kubelet ends what it had run',
      async () => (await leftIn(it, namespace)).every((line) => !line.startsWith('pod ')),
      60_000,
    );
  });
}

/** Of the kubelet that the test may stop for a moment; undefined where it may not. */
async function pidOfKubelet(): Promise<number | undefined> {
  const file = process.env['RUNLEDGER_TEST_KUBELET_PID'];
  if (!file) return undefined;
  const pid = Number((await readFile(file, 'utf8')).trim());
  assert.ok(Number.isSafeInteger(pid) && pid > 1, `${file} holds no pid`);
  return pid;
}

const ENDS_SOON: Spec = { run: 'echo up\nsleep 3' };

const refOf = (object: Pod | undefined) => ({
  namespace: object?.metadata?.namespace ?? '',
  name: object?.metadata?.name ?? '',
});

/** A node that runs programs; simulated ones have a taint. */
async function aNode({ cluster, signal }: TestCluster): Promise<Node> {
  const { items } = await listObjects(cluster, nodes, {}, { signal });
  const node = items.find(({ spec }) => (spec?.taints ?? []).length === 0);
  assert.ok(node, 'there is no node without taints');
  return node;
}

/** Keeps a job on one node; `NODE` in its `pod.nodeName` becomes that node. */
function onNode(spec: Spec, node: Node): Spec {
  const hostname = node.metadata?.labels?.['kubernetes.io/hostname'] ?? '';
  const pod = (spec.pod ?? {}) as Record<string, unknown>;
  if ('nodeName' in pod) return { ...spec, pod: { ...pod, nodeName: node.metadata?.name } };
  return { ...spec, pod: { nodeSelector: { 'kubernetes.io/hostname': hostname }, ...spec.pod } };
}

/** Gives a node one widget and the cluster a class of pods that push others away; returns how to take both back. */
async function withWidget({ cluster, signal }: TestCluster, node: Node): Promise<() => Promise<void>> {
  const path = `/api/v1/nodes/${node.metadata?.name}/status`;
  const key = `/status/capacity/${WIDGET.replace('/', '~1')}`;
  const patch = (body: readonly object[]): Promise<unknown> => {
    const contentType = 'application/json-patch+json';
    return cluster.request({ method: 'PATCH', path, contentType, body, doing: 'widgets', repeat: 'safe', signal });
  };
  await patch([{ op: 'add', path: key, value: '1' }]);
  const name = WIDGET.replace('/', '-');
  await createObject(cluster, priorityClasses, { metadata: { name }, value: 1_000_000 }, { signal });
  return async () => {
    await patch([{ op: 'remove', path: key }]);
    await deleteObject(cluster, priorityClasses, { name }, { signal });
  };
}

/** What befalls the jobs of HAPPENS. */
async function happen(it: TestCluster, removeJob: () => Promise<void>): Promise<void> {
  const { cluster, namespace, signal } = it;
  const atWork = (job: string): Promise<Pod> => podAtWork(it, namespace, job);
  const deletion = async (): Promise<void> => {
    await deleteObject(cluster, pods, refOf(await atWork('deleted')), { signal });
  };
  const ownersDeletion = async (): Promise<void> => {
    const pod = await atWork('deleted-by-owner');
    const name = pod.metadata?.ownerReferences?.[0]?.name ?? '';
    await deleteObject(cluster, configMaps, { namespace, name }, { signal });
  };
  const deletionForGood = async (): Promise<void> => {
    const pod = await atWork('deleted-for-good');
    const options = { signal, repeatable: true };
    const index = pod.metadata?.finalizers?.indexOf(OUTCOME_FINALIZER) ?? -1;
    await jsonPatch(cluster, pods, refOf(pod), [{ op: 'remove', path: `/metadata/finalizers/${index}` }], options);
    const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata?.name}`;
    const body = { gracePeriodSeconds: 0 };
    await cluster.request({ method: 'DELETE', path, body, doing: 'deleting by force', repeat: 'safe', signal });
  };
  const eviction = async (): Promise<void> => {
    const pod = await atWork('evicted');
    await assertProtected(it, pod);
    const metadata = { labels: { [LABELS.protect]: null } };
    await mergePatch(cluster, pods, refOf(pod), { metadata }, { signal, repeatable: true });
    await eventually('the budget lets it go', () =>
      evict(it, pod).then(
        () => true,
        () => false,
      ),
    );
  };
  const preemption = async (): Promise<void> => {
    const pod = await atWork('preempted');
    const name = 'pushes';
    const resources = { requests: { [WIDGET]: '1' }, limits: { [WIDGET]: '1' } };
    const containers = [{ name: 'run', image: IMAGE, command: ['true'], resources }];
    const spec = { containers, restartPolicy: 'Never', priorityClassName: WIDGET.replace('/', '-') };
    const metadata = { name, namespace };
    await createObject(cluster, pods, { metadata, spec }, { signal });
    await podWhen(
      it,
      namespace,
      'preempted',
      'is being pushed away',
      (now) => now.metadata?.deletionTimestamp !== undefined,
    );
    await eventually(
      'the other pod has its place',
      async () => {
        const { items } = await listObjects(
          cluster,
          pods,
          { namespace, fieldSelector: `metadata.name=${name}` },
          { signal },
        );
        return items[0]?.status?.phase === 'Succeeded';
      },
      90_000,
    );
    await deleteObject(cluster, pods, metadata, { signal });
    assert.ok(pod);
  };
  const removal = async (): Promise<void> => {
    await atWork('removed');
    await removeJob();
  };
  await Promise.all([deletion, ownersDeletion, deletionForGood, eviction, preemption, removal].map((act) => act()));
}

/** A budget forbids the eviction of a pod that is at work. */
async function assertProtected(it: TestCluster, pod: Pod): Promise<void> {
  const message = await evict(it, pod).then(
    () => 'it was evicted',
    (error: unknown) => String(error),
  );
  assert.match(message, /disruption budget/, message);
}

const world = await openTestCluster('reasons');
if (world !== undefined) {
  test.after(() => world.remove());
  addTests(world);
}
test.run();
