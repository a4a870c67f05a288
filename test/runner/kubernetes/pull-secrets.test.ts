// test-timeout: 240s
/** Images of a registry with a password, by Secrets of the job, of the source, wrong ones and none. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GATE_BUSYBOX } from '../../../src/render/layout.ts';
import { createObject, listObjects } from '../../../src/runner/kubernetes/objects.ts';
import { nodes, type Secret, secrets } from '../../../src/runner/kubernetes/wire.ts';
import type { Job, Outcome } from '../../../src/schemas/index.ts';
import { openTestCluster, type TestCluster } from '../../support/cluster.ts';
import { dockerConfig, type Registry, startRegistry } from '../../support/registry.ts';
import { createJobs, openController, outcomesOf } from './world.ts';

const USER = 'puller';
const PASSWORD = 'p4ssword-of-the-registry';

/** The image holds nothing at all: the gate brings the program. */
const job = (image: string, pod: NonNullable<Job['spec']['pod']> = {}): Partial<Job['spec']> => ({
  image,
  steps: ['one', 'two'].map((name) => ({ name, command: [GATE_BUSYBOX, 'echo', 'from the registry'] })),
  timeouts: { start: '60s', grace: '1s' },
  pod,
});

const told = (outcome: Outcome | undefined): string =>
  outcome ? `${outcome.result} ${outcome.reason}: ${outcome.message}` : 'no outcome';

const test = suite('images behind a password');

function addTests(it: TestCluster): void {
  const { cluster, namespace, signal } = it;

  async function outcomes(
    source: string,
    jobs: Readonly<Record<string, Partial<Job['spec']>>>,
    imagePullSecrets: readonly string[] = [],
  ): Promise<Readonly<Record<string, Outcome | undefined>>> {
    const repository = await createJobs(source);
    await repository.commit(jobs);
    const controller = await openController(it, { target: repository.folder, namespace, source, imagePullSecrets });
    try {
      await controller.settle();
      return await outcomesOf(controller, Object.keys(jobs));
    } finally {
      await controller.close();
      await repository.remove();
    }
  }

  async function withRegistry(work: (registry: Registry) => Promise<void>): Promise<void> {
    const { items } = await listObjects(cluster, nodes, {}, { signal });
    const node = items.find(({ spec }) => (spec?.taints ?? []).length === 0);
    const architecture = node?.status?.nodeInfo?.architecture ?? 'amd64';
    const registry = await startRegistry({ user: USER, password: PASSWORD, architecture });
    const make = (name: string, password: string): Promise<Secret> =>
      createObject(
        cluster,
        secrets,
        {
          metadata: { name, namespace },
          type: 'kubernetes.io/dockerconfigjson',
          data: dockerConfig(registry.host, USER, password),
        },
        { signal },
      );
    try {
      await make('right', PASSWORD);
      await make('wrong', 'guessed');
      await work(registry);
    } finally {
      await registry.close();
    }
  }

  test('run with the right Secret; without it, the outcome has the registry’s words', () =>
    withRegistry(async ({ host, requests }) => {
      // A name each: what the node has pulled once, it has.
      const image = (name: string): string => `${host}/private/${name}:1`;
      const pulling = (name: string) => ({ imagePullSecrets: [{ name }] });
      const own = await outcomes('own', {
        right: job(image('right'), pulling('right')),
        wrong: job(image('wrong'), pulling('wrong')),
        missing: job(image('missing'), pulling('nowhere')),
        without: job(image('without')),
      });
      if (requests.length === 0) {
        console.log(`# skipped: the nodes do not reach a registry on ${host}, where this test runs`);
        return;
      }
      assert.match(told(own['right']), /^succeeded Completed/);
      for (const name of ['wrong', 'missing', 'without']) {
        assert.match(
          told(own[name]),
          /^error ImagePullFailed: .*\/private\/\w+:1.*(401|[Uu]nauthorized|authorization failed)/,
        );
        assert.not.match(JSON.stringify(own[name]), new RegExp(`${PASSWORD}|guessed`));
      }
      const { shared } = await outcomes('shared', { shared: job(image('shared')) }, ['right']);
      assert.match(told(shared), /^succeeded Completed/);
      assert.ok(
        requests.some((line) => / \/v2\/private\/shared\/manifests\/\S+ 200/.test(line)),
        requests.join('\n'),
      );
    }));
}

const world = await openTestCluster('pull');
if (world !== undefined) {
  test.after(() => world.remove());
  addTests(world);
}
test.run();
