// test-timeout: 300s
/** What the cluster does not let us do: one clear outcome or error, in few calls, and nothing that runs. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CodedError } from '../../../src/errors.ts';
import { LABELS } from '../../../src/render/labels.ts';
import { createObject, deleteObject, listObjects } from '../../../src/runner/kubernetes/objects.ts';
import { type ApiObject, namespaces, pods, resource, secrets } from '../../../src/runner/kubernetes/wire.ts';
import type { Job, Outcome } from '../../../src/schemas/index.ts';
import { connect, createAccount, eventually, openTestCluster, type TestCluster } from '../../support/cluster.ts';
import { failNext, startProxy, type Proxy } from './proxy.ts';
import {
  connectAs,
  createJobs,
  openController,
  outcomesOf,
  podAtWork,
  shippedRules,
  type Controller,
} from './world.ts';

type Spec = Partial<Job['spec']>;
type Config = ApiObject & { readonly spec?: object; readonly webhooks?: readonly object[] };
const ADMISSION = 'admissionregistration.k8s.io/v1';
const policies = resource<Config>(ADMISSION, 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies');
const bindings = resource<Config>(ADMISSION, 'ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings');
const webhooks = resource<Config>(ADMISSION, 'ValidatingWebhookConfiguration', 'validatingwebhookconfigurations');

const PODS = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] };
const tokenFrom = (name: string, key: string): Spec => ({ env: { TOKEN: { secret: { name, key } } } });
const SAYS = 'echo "up $TOKEN"';

const told = (outcome: Outcome | undefined): string =>
  outcome ? `${outcome.result} ${outcome.reason}: ${outcome.message}` : 'no outcome';

const test = suite('what a cluster refuses');

function addTests(it: TestCluster): void {
  const { cluster, signal } = it;

  /** A controller in a namespace of its own, whose requests are counted. */
  async function through(
    name: string,
    jobs: Readonly<Record<string, Spec>>,
    work: (world: { readonly controller: Controller; readonly proxy: Proxy }) => Promise<void>,
  ): Promise<void> {
    const { namespace } = it;
    const repository = await createJobs(name);
    await repository.commit(jobs);
    const proxy = await startProxy(it.kubeconfig);
    const connection = await connect({ kubeconfig: proxy.kubeconfig });
    const options = { target: repository.folder, namespace, source: name, cluster: connection };
    const controller = await openController(it, options);
    try {
      await work({ controller, proxy });
    } finally {
      await controller.close();
      await connection.close();
      await proxy.close();
      await repository.remove();
    }
  }

  const podsOf = async (source: string): Promise<number> => {
    const { namespace } = it;
    const labelSelector = `${LABELS.source}=${source}`;
    return (await listObjects(cluster, pods, { namespace, labelSelector }, { signal })).items.length;
  };
  const creates = (proxy: Proxy, plural: string): number =>
    proxy.requests.filter((line) => line.startsWith('POST ') && line.includes(`/${plural}?`)).length;

  test('a Secret that is not there, or lacks the key: told before any pod is made', async () => {
    const { namespace } = it;
    const data = { token: Buffer.from('s3cret-value').toString('base64') };
    await createObject(cluster, secrets, { metadata: { name: 'half', namespace }, data }, { signal });
    const jobs = {
      'no-secret': { run: SAYS, ...tokenFrom('nowhere', 'token') },
      'no-key': { run: SAYS, ...tokenFrom('half', 'other') },
      'no-file': { run: 'true', files: [{ path: 'id', secret: { name: 'nowhere', key: 'id' } }] },
      'no-all': { run: 'true', pod: { containers: [{ name: 'run', envFrom: [{ secretRef: { name: 'nowhere' } }] }] } },
    };
    await through('missing', jobs, async ({ controller, proxy }) => {
      await controller.settle();
      const outcomes = await outcomesOf(controller, Object.keys(jobs));
      const nowhere = `error SecretMissing: secret "nowhere" not found in namespace "${namespace}"; `;
      const lines = Object.fromEntries(Object.entries(outcomes).map(([job, outcome]) => [job, told(outcome)]));
      assert.equal(lines, {
        'no-secret': `${nowhere}pod.spec.containers[run].env[TOKEN] needs it`,
        'no-key': `error SecretMissing: secret "half" has no key "other" in namespace "${namespace}"; pod.spec.containers[run].env[TOKEN] needs it`,
        'no-file': `${nowhere}pod.spec.volumes[runledger-files] needs it`,
        'no-all': `${nowhere}pod.spec.containers[run].envFrom needs it`,
      });
      assert.is(creates(proxy, 'pods'), 0);
      assert.is(await podsOf('missing'), 0);
    });
  });

  test('Secrets of the overlay are redacted, and those that may be missing keep nothing from running', async () => {
    const data = { WORD: Buffer.from('all-of-it-is-secret').toString('base64') };
    await createObject(cluster, secrets, { metadata: { name: 'all', namespace: it.namespace }, data }, { signal });
    const envFrom = [{ secretRef: { name: 'all' } }, { secretRef: { name: 'nowhere', optional: true } }];
    const jobs = { overlay: { run: 'echo "it is $WORD"', pod: { containers: [{ name: 'run', envFrom }] } } };
    await through('overlay', jobs, async ({ controller }) => {
      await controller.settle();
      const { overlay } = await outcomesOf(controller, ['overlay']);
      assert.match(told(overlay), /^succeeded/);
      assert.match(await logOf(controller, overlay), /it is \*\*\*/);
    });
  });

  test('a Secret that we may not read refuses the run, and says what to allow', async () => {
    const { name, token } = await createAccount(it, await shippedRules('secrets'));
    const jobs = await createJobs('unreadable');
    await jobs.commit({ unreadable: { run: SAYS, ...tokenFrom('half', 'token') } });
    const restricted = await connectAs(it, jobs.folder, token);
    const options = { target: jobs.folder, namespace: it.namespace, source: 'unreadable', cluster: restricted };
    const controller = await openController(it, options);
    try {
      await controller.settle();
      const { unreadable } = await outcomesOf(controller, ['unreadable']);
      const message = told(unreadable);
      assert.match(message, /^error Refused: secret "half" can not be read, so its values could not be redacted/);
      assert.match(message, `User "system:serviceaccount:${it.namespace}:${name}" cannot get resource "secrets"`);
      assert.match(message, `allow get on it in namespace "${it.namespace}"`);
      assert.is(await podsOf('unreadable'), 0);
    } finally {
      await controller.close();
      await restricted.close();
      await jobs.remove();
    }
  });

  test('a log whose Secret can be read no more is withheld, not shown', async () => {
    const { namespace } = it;
    const data = { token: Buffer.from('gone-but-secret').toString('base64') };
    await createObject(cluster, secrets, { metadata: { name: 'short', namespace }, data }, { signal });
    const jobs = await createJobs('withheld');
    await jobs.commit({ withheld: { run: `${SAYS}\nsleep 6`, ...tokenFrom('short', 'token') } });
    const open = () => openController(it, { target: jobs.folder, namespace, source: 'withheld' });
    const first = await open();
    const started = first.settle();
    await podAtWork(it, namespace, 'withheld');
    first.stop();
    await started;
    await first.close();
    await deleteObject(cluster, secrets, { name: 'short', namespace }, { signal });
    const second = await open();
    try {
      await second.settle();
      const { withheld } = await outcomesOf(second, ['withheld']);
      assert.match(told(withheld), /^succeeded/);
      assert.is(await logOf(second, withheld), '');
      assert.is(withheld?.log?.complete, false);
      const why = 'the log of step "run" is withheld, since nobody could redact it: secret "short" not found';
      assert.match(withheld?.log?.reason ?? '', why);
      assert.match(withheld?.warnings?.join() ?? '', why);
      assert.not.match(JSON.stringify(withheld), 'gone-but-secret');
    } finally {
      await second.close();
      await jobs.remove();
    }
  });

  test('an admission policy refuses a pod: an outcome in its own words, after one request', async () => {
    const name = `${it.namespace}-policy`;
    const matchConstraints = { resourceRules: [PODS], namespaceSelector: inNamespace(it.namespace) };
    const validations = [
      {
        expression:
          "!object.metadata.labels.exists(k, k == 'runledger.dev/job' && object.metadata.labels[k] == 'denied')",
        message: 'this job is not welcome',
      },
    ];
    await createObject(
      cluster,
      policies,
      { metadata: { name }, spec: { failurePolicy: 'Fail', matchConstraints, validations } },
      { signal },
    );
    const binding = { policyName: name, validationActions: ['Deny'] };
    await createObject(cluster, bindings, { metadata: { name }, spec: binding }, { signal });
    try {
      await eventually('the policy is in force', () => isDenied(it, 'denied'));
      await through('policed', { denied: { run: 'true' }, welcome: { run: 'true' } }, async ({ controller, proxy }) => {
        await controller.settle();
        const { denied, welcome } = await outcomesOf(controller, ['denied', 'welcome']);
        assert.match(
          told(denied),
          /^error Refused: creating Pod "denied-1-\w+" in namespace .*this job is not welcome/,
        );
        assert.match(told(welcome), /^succeeded/);
        assert.is(creates(proxy, 'pods'), 2);
      });
    } finally {
      await deleteObject(cluster, bindings, { name }, { signal });
      await deleteObject(cluster, policies, { name }, { signal });
    }
  });

  test('a webhook that is down: the run waits for it, is asked for seldom, and starts under its number', async () => {
    const name = `${it.namespace}-webhook`;
    const webhook = {
      name: 'down.runledger.test',
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      failurePolicy: 'Fail',
      timeoutSeconds: 1,
      namespaceSelector: inNamespace(it.namespace),
      rules: [PODS],
      clientConfig: { url: 'https://127.0.0.1:1/' },
    };
    await createObject(cluster, webhooks, { metadata: { name }, webhooks: [webhook] }, { signal });
    const isDown = /creating Pod "waits-1-\w+" in namespace .*failed calling webhook "down\.runledger\.test"/;
    try {
      await eventually('the webhook is asked', () => isDenied(it, 'any'));
      await through('webhook', { waits: { run: 'echo here' } }, async ({ controller, proxy }) => {
        const { failures } = await controller.settle();
        assert.is(failures.length, 1);
        assert.match(String(failures[0]), isDown);
        assert.is(creates(proxy, 'pods'), 5);
        assert.equal(await outcomesOf(controller, ['waits']), { waits: undefined });

        // A controller goes on by itself once the webhook is back.
        const settled = controller.settle({ goOn: true });
        await eventually('it is tried again', () => creates(proxy, 'pods') > 10);
        const before = controller.troubles.length;
        assert.ok(before <= 4, controller.troubles.join('\n'));
        await deleteObject(cluster, webhooks, { name }, { signal });
        await eventually(
          'it has run',
          async () => told((await outcomesOf(controller, ['waits']))['waits']) !== 'no outcome',
        );
        controller.stop();
        await settled;
        assert.match(told((await outcomesOf(controller, ['waits']))['waits']), /^succeeded Completed/);
      });
    } finally {
      await deleteObject(cluster, webhooks, { name }, { signal });
    }
  });

  test('an overlay that is no part of a pod is refused by name, with and without a policy', async () => {
    const jobs = {
      number: { run: 'true', pod: { containers: [{ name: 'run', env: 3 }] } },
      text: { run: 'true', pod: { containers: [{ name: 'run', securityContext: 'none' }] } },
      unknown: { run: 'true', pod: { containers: [{ name: 'run', imagePullPolizy: 'Always' }] } },
    } as unknown as Readonly<Record<string, Spec>>;
    for (const policy of [undefined, { images: ['*'] }]) {
      const repository = await createJobs('overlays');
      await repository.commit(jobs);
      const source = policy ? 'overlays-policed' : 'overlays';
      const options = { target: repository.folder, namespace: it.namespace, source, ...(policy ? { policy } : {}) };
      const controller = await openController(it, options);
      try {
        const { failures } = await controller.settle();
        assert.equal(failures, []);
        const outcomes = await outcomesOf(controller, Object.keys(jobs));
        const lines = Object.values(outcomes).map(told);
        assert.ok(
          lines.every((line) => /^error (InvalidPod|Refused): /.test(line)),
          lines.join('\n'),
        );
        assert.match(told(outcomes['number']), /env/);
        assert.match(told(outcomes['text']), /securityContext|SecurityContext/);
        assert.match(told(outcomes['unknown']), /imagePullPolizy/);
      } finally {
        await controller.close();
        await repository.remove();
      }
    }
  });

  test('an API server that is busy is given the time that it asks for, so often and no more', async () => {
    await through('busy', { busy: { run: 'true' } }, async ({ controller, proxy }) => {
      const isPod = (method: string, url: string): boolean => method === 'POST' && url.includes('/pods?');
      failNext(proxy, 3, isPod, { kind: 'status', status: 429, retryAfter: '1' });
      await controller.settle();
      assert.match(told((await outcomesOf(controller, ['busy']))['busy']), /^succeeded/);
      assert.is(creates(proxy, 'pods'), 4);
    });
    await through('too-busy', { 'too-busy': { run: 'true' } }, async ({ controller, proxy }) => {
      proxy.fault = (method) => (method === 'POST' ? { kind: 'status', status: 429, retryAfter: '600' } : undefined);
      const { failures } = await controller.settle();
      assert.match(String(failures[0]), /too-busy #1 was not started: creating ConfigMap .*status 429/);
      assert.is(creates(proxy, 'configmaps'), 1);
      assert.equal(await outcomesOf(controller, ['too-busy']), { 'too-busy': undefined });
    });
  });

  test('a namespace that is not there, or is going, and one that belongs to somebody else', async () => {
    const jobs = await createJobs('nowhere');
    await jobs.commit({ any: { run: 'true' } });
    const open = (namespace: string): Promise<CodedError> =>
      openController(it, { target: jobs.folder, namespace, source: 'nowhere' }).then(
        async (controller) => {
          const { failures } = await controller.settle();
          await controller.close();
          return failures[0] as CodedError;
        },
        (error: unknown) => error as CodedError,
      );
    const missing = await open('rl-there-is-none');
    assert.is(missing.code, 'NamespaceMissing');
    assert.match(missing.message, /namespaces "rl-there-is-none" not found/);
    const going = await it.createNamespace();
    const held = { metadata: { name: 'held', namespace: going, finalizers: ['runledger.test/held'] } };
    await createObject(cluster, resource<ApiObject>('v1', 'ConfigMap', 'configmaps'), held, { signal });
    await deleteObject(cluster, namespaces, { name: going }, { signal });
    const terminating = await open(going);
    assert.match(terminating.message, /is being terminated/);
    assert.is(terminating.code, 'NamespaceTerminating');
    await jobs.remove();
    const path = `/api/v1/namespaces/${going}/configmaps/held`;
    const body = { metadata: { finalizers: null } };
    const contentType = 'application/merge-patch+json';
    await cluster.request({ method: 'PATCH', path, body, contentType, doing: 'freeing', repeat: 'safe', signal });
  });
}

const inNamespace = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });

/** Whether a pod of a job is refused now, asked by a dry run. */
async function isDenied({ cluster, namespace, signal }: TestCluster, job: string): Promise<boolean> {
  const metadata = { name: 'asks', namespace, labels: { [LABELS.job]: job } };
  const spec = { containers: [{ name: 'run', image: 'any' }] };
  try {
    await createObject(cluster, pods, { metadata, spec }, { signal, dryRun: true, attempts: 1 });
    return false;
  } catch {
    return true;
  }
}

async function logOf({ repository }: Controller, outcome: Outcome | undefined): Promise<string> {
  const view = await repository.ledger.read(new AbortController().signal);
  const bytes = await view.read(outcome?.tasks[0]?.attempts[0]?.log?.path ?? '');
  return Buffer.from(bytes ?? []).toString();
}

const world = await openTestCluster('refused');
if (world !== undefined) {
  test.after(() => world.remove());
  addTests(world);
}
test.run();
