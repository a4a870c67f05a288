// test-timeout: 300s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSecret } from './sets.ts';
import { LABELS, OUTCOME_FINALIZER } from '../../../src/render/labels.ts';
import { listObjects } from '../../../src/runner/kubernetes/objects.ts';
import { configMaps, type Pod, pods } from '../../../src/runner/kubernetes/wire.ts';
import { commitFiles } from '../../support/git.ts';
import { eventually, openTestCluster } from '../../support/cluster.ts';
import { createJobs, manifestOf, openController, outcomesOf, setManifest } from './world.ts';

const test = await openTestCluster('sets');
if (test) {
  const { cluster, namespace, signal } = test;
  const runnersOf = async (set: string): Promise<readonly Pod[]> => {
    const labelSelector = `${LABELS.runnerSet}=${set}`;
    return (await listObjects(cluster, pods, { namespace, labelSelector }, { signal })).items;
  };
  const isIdle = ({ metadata, status }: Pod): boolean =>
    metadata?.labels?.[LABELS.component] === 'runner' && status?.phase === 'Running';
  const idleIn = async (set: string, count: number): Promise<readonly Pod[]> =>
    eventually(`${count} idle runners of ${set}`, async () => {
      const idle = (await runnersOf(set)).filter(isIdle);
      return idle.length === count ? idle : undefined;
    });

  const sets = suite('runner sets');

  sets('run what is handed to a runner, and replace it', async () => {
    const jobs = await createJobs('warm');
    await createSecret(test, 'token', { value: 'correct-horse-battery' });
    await commitFiles(jobs.folder, { 'small.yaml': setManifest('small', { minRunners: 2 }) });
    const controller = await openController(test, {
      target: jobs.folder,
      namespace,
      source: 'warm',
      keepsPools: true,
    });
    const settled = controller.settle({ goOn: true });
    const before = await idleIn('small', 2);
    await commitFiles(jobs.folder, {
      'warm.yaml': manifestOf('warm', {
        runsOn: 'small',
        env: { GREETING: 'it\'s\na \\n "quoted" $(thing)  ', TOKEN: { secret: { name: 'token', key: 'value' } } },
        files: [{ path: 'conf/a.txt', content: 'of the file\n', mode: '0640' }],
        run: 'cat $RUNLEDGER_FILES/conf/a.txt; printf "[%s]" "$GREETING"; echo; echo "$TOKEN" | wc -c; echo "$TOKEN"; pwd; env | grep RUNLEDGER__ || true; exit 3',
      }),
    });
    controller.reconciler.sourceChanged();
    const outcome = await eventually('the outcome', async () => (await outcomesOf(controller, ['warm']))['warm']);
    assert.is(outcome.result, 'failed', outcome.message);
    assert.is(outcome.exitCode, 3);
    assert.is(outcome.step, 'run');
    const attempt = outcome.tasks[0]?.attempts[0];
    assert.ok(
      before.some(({ metadata }) => metadata?.name === attempt?.pod),
      'it was one of the idle runners',
    );
    const view = await controller.repository.ledger.read(signal);
    const log = Buffer.from((await view.read(attempt?.log?.path ?? '')) ?? '').toString();
    assert.match(log, 'of the file');
    assert.match(log, "[it's");
    assert.match(log, 'a \\n "quoted" $(thing)  ]');
    assert.match(log, '22');
    assert.match(log, '/runledger/workspace');
    assert.not.match(log, 'correct-horse');
    assert.not.match(log, 'RUNLEDGER__');
    await idleIn('small', 2);
    // Removed from the source: idle ones go, and nothing of the set stays.
    await commitFiles(jobs.folder, { 'small.yaml': null, 'warm.yaml': null });
    controller.reconciler.sourceChanged();
    await eventually('nothing is left of the set', async () => {
      const labelSelector = `${LABELS.component}=runner-set`;
      const maps = await listObjects(cluster, configMaps, { namespace, labelSelector }, { signal });
      return maps.items.length === 0 && (await runnersOf('small')).filter(isIdle).length === 0;
    });
    controller.stop();
    await settled;
    await controller.close();
    const held = (await runnersOf('small')).filter(({ metadata }) => metadata?.finalizers?.includes(OUTCOME_FINALIZER));
    assert.equal(held.length, 0);
    assert.equal(controller.troubles, []);
    await jobs.remove();
  });

  sets.after(() => test.remove());
  sets.run();
}
