// test-timeout: 240s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deleteObject, findObject } from '../../../src/runner/kubernetes/objects.ts';
import { namespaces } from '../../../src/runner/kubernetes/wire.ts';
import { commitFiles } from '../../support/git.ts';
import { eventually, openTestCluster } from '../../support/cluster.ts';
import { createJobs, manifestOf, openController, outcomesOf, podAtWork, setManifest } from './world.ts';

const it = await openTestCluster('removed');
if (it) {
  const test = suite('a namespace that is deleted');
  const { cluster, signal } = it;
  test.after(() => it.remove());

  test('goes, though a set is kept there and a runner is at work', async () => {
    const namespace = await it.createNamespace();
    const jobs = await createJobs('removed');
    await commitFiles(jobs.folder, {
      'set.yaml': setManifest('removed', { minRunners: 2 }),
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
      await podAtWork(it, namespace, 'works');
      await deleteObject(cluster, namespaces, { name: namespace }, { signal });
      const isGone = async (): Promise<boolean> =>
        (await findObject(cluster, namespaces, { name: namespace }, { signal })) === null;
      await eventually('the namespace is gone', isGone, 120_000);
      const { works } = await outcomesOf(controller, ['works']);
      assert.is(`${works?.result} ${works?.reason}`, 'error PodDeleted', works?.message);
    } finally {
      controller.stop();
      await settled;
      await controller.close();
      await jobs.remove();
    }
  });

  test.run();
}
