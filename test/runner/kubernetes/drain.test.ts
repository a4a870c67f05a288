// test-timeout: 180s
/** A node is drained while a run is at work on it and the git remote is down. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LABELS, OUTCOME_FINALIZER } from '../../../src/render/labels.ts';
import { getObject, listObjects, mergePatch } from '../../../src/runner/kubernetes/objects.ts';
import { configMaps, nodes, type Pod } from '../../../src/runner/kubernetes/wire.ts';
import type { Job } from '../../../src/schemas/index.ts';
import { eventually, openTestCluster, type TestCluster } from '../../support/cluster.ts';
import { startGitServer } from '../../support/git-server.ts';
import { temporaryDirectory } from '../../support/git.ts';
import { evict, leftIn, manifestOf, openController, outcomesOf, podAtWork, podOf, podWhen } from './world.ts';

const run = promisify(execFile);

const JOBS: Readonly<Record<string, Partial<Job['spec']>>> = {
  finished: { run: 'echo over' },
  three: {
    steps: [
      { name: 'one', run: 'echo up\nsleep 12' },
      { name: 'two', run: 'sleep 1' },
      { name: 'three', run: 'echo third' },
    ],
  },
};

/**
 * Drains a node of the pods of one source alone. Others may want the node: it takes new pods again at once, and the drain
 * goes on all the same.
 */
async function drain({ cluster, kubeconfig, signal }: TestCluster, node: string, source: string): Promise<string> {
  const args = ['drain', node, `--pod-selector=${LABELS.source}=${source}`, '--delete-emptydir-data', '--timeout=120s'];
  const drained = run('kubectl', args, { env: { ...process.env, KUBECONFIG: kubeconfig } });
  const isCordoned = async (): Promise<boolean> =>
    (await getObject(cluster, nodes, { name: node }, { signal })).spec?.unschedulable === true;
  try {
    await Promise.race([eventually('the node is cordoned', isCordoned), drained]);
    const uncordoned = { spec: { unschedulable: null } };
    await mergePatch(cluster, nodes, { name: node }, uncordoned, { signal, repeatable: true });
  } catch (error) {
    await drained.catch(() => undefined);
    throw error;
  }
  return (await drained).stdout;
}

const codesOf = (pod: Pod): readonly (number | undefined)[] =>
  (pod.status?.containerStatuses ?? []).map(({ state }) => state?.terminated?.exitCode);

function addTest(it: TestCluster): void {
  const { namespace, signal } = it;

  test('what runs stays, what has ended goes, and nothing waits for git for ever', async () => {
    const source = namespace;
    const folder = await temporaryDirectory();
    const server = await startGitServer({ root: folder.path });
    const repository = await server.createRepository('jobs.git');
    await repository.commit(
      Object.fromEntries(Object.entries(JOBS).map(([name, spec]) => [`${name}.yaml`, manifestOf(name, spec)])),
    );
    const options = { target: repository.url, namespace, source, holdPodsForMs: 3_000 };
    const controller = await openController(it, options);
    try {
      const remoteIsBack = server.fault({ kind: 'status', status: 503 }, { matching: /receive-pack/ });
      const settled = controller.settle();
      const three = await podAtWork(it, namespace, 'three');
      const node = three.spec?.nodeName ?? '';
      const drained = drain(it, node, source);

      // Ended, recorded nowhere, and gone all the same, with its outcome on the claim.
      await eventually(
        'the pod that has ended is gone',
        async () => (await podOf(it, namespace, 'finished')) === undefined,
      );
      const onClaims = await annotationsOfClaims(it);
      assert.ok(onClaims['finished']?.includes('runledger.dev/parked'), JSON.stringify(onClaims));

      // At work, and nobody may take it.
      const still = await podOf(it, namespace, 'three');
      assert.is(still?.status?.phase, 'Running');
      assert.is(still?.metadata?.deletionTimestamp, undefined);
      assert.match(String(await evict(it, three).catch((error: unknown) => error)), /disruption budget/);

      const over = await podWhen(it, namespace, 'three', 'has ended', ({ status }) => status?.phase === 'Succeeded');
      assert.equal(codesOf(over), [0, 0, 0]);
      assert.ok(over.metadata?.finalizers?.includes(OUTCOME_FINALIZER));
      assert.match(await drained, /drained/);
      assert.is(await podOf(it, namespace, 'three'), undefined);

      remoteIsBack();
      await settled;
      const outcomes = await outcomesOf(controller, Object.keys(JOBS));
      for (const job of Object.keys(JOBS)) assert.is(outcomes[job]?.result, 'succeeded', outcomes[job]?.message);
      const view = await controller.repository.ledger.read(signal);
      const log = await view.read(outcomes['three']?.tasks[0]?.attempts[0]?.log?.path ?? '');
      assert.match(Buffer.from(log ?? []).toString(), /up[^]*third/);
      assert.equal(await leftIn(it, namespace), ['claim finished', 'claim three']);
    } finally {
      await controller.close();
      await server.close();
      await folder.remove();
    }
  });

  async function annotationsOfClaims({ cluster }: TestCluster): Promise<Readonly<Record<string, readonly string[]>>> {
    const labelSelector = `${LABELS.component}=claim`;
    const { items } = await listObjects(cluster, configMaps, { namespace, labelSelector }, { signal });
    return Object.fromEntries(
      items.map(({ metadata }) => [metadata?.labels?.[LABELS.job] ?? '', Object.keys(metadata?.annotations ?? {})]),
    );
  }
}

const test = suite('drain');
const world = await openTestCluster('drain');
if (world !== undefined) {
  test.after(() => world.remove());
  addTest(world);
}
test.run();
