// test-timeout: 240s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deleteObject, findObject } from '../../../src/runner/kubernetes/objects.ts';
import { namespaces } from '../../../src/runner/kubernetes/wire.ts';
import { commitFiles } from '../../support/git.ts';
import { eventually, openTestCluster } from '../../support/cluster.ts';
import {
  createJobs,
  leftIn,
  manifestOf,
  openController,
  outcomesOf,
  podAtWork,
  setManifest,
  TRAPS_TERM,
} from './world.ts';

const it = await openTestCluster('removed');
if (it) {
  const test = suite('a namespace that is deleted');
  const { cluster, signal } = it;
  test.after(() => it.remove());

  test('goes, though a set is kept there and pods are at work; elsewhere, nothing that is recorded runs again', async () => {
    const namespace = await it.createNamespace();
    const jobs = await createJobs('removed');
    await commitFiles(jobs.folder, {
      'set.yaml': setManifest('removed', { minRunners: 2 }),
      'ended.yaml': manifestOf('ended', { run: 'true' }),
      'plain.yaml': manifestOf('plain', { run: TRAPS_TERM, timeouts: { grace: '1s' } }),
      'works.yaml': manifestOf('works', { runsOn: 'removed', run: 'echo up; sleep 100', timeouts: { grace: '1s' } }),
    });
    const controller = await openController(it, {
      target: jobs.folder,
      namespace,
      source: 'removed',
      keepsPools: true,
    });
    const settled = controller.settle({ goOn: true });
    try {
      await Promise.all([podAtWork(it, namespace, 'works'), podAtWork(it, namespace, 'plain')]);
      await eventually('one has ended', async () => (await outcomesOf(controller, ['ended'])).ended);
      await deleteObject(cluster, namespaces, { name: namespace }, { signal });
      const isGone = async (): Promise<boolean> =>
        (await findObject(cluster, namespaces, { name: namespace }, { signal })) === null;
      await eventually('the namespace is gone', isGone, 120_000);
      const { works, plain } = await outcomesOf(controller, ['works', 'plain']);
      assert.is(`${works?.result} ${works?.reason}`, 'error PodDeleted', works?.message);
      // It ends with 0 when it is told to end.
      assert.is(`${plain?.result} ${plain?.reason}`, 'error PodDeleted', plain?.message);
    } finally {
      controller.stop();
      await settled;
      await controller.close();
    }
    const elsewhere = { target: jobs.folder, namespace: it.namespace, source: 'removed', keepsPools: false };
    const next = await openController(it, elsewhere);
    try {
      const { plan } = await next.settle();
      assert.equal(
        plan.map(({ job, action, run }) => `${job} ${action} ${run}`),
        ['ended none 1', 'plain none 1', 'works none 1'],
      );
      assert.equal(await leftIn(it, it.namespace), []);
    } finally {
      await next.close();
      await jobs.remove();
    }
  });

  test.run();
}
