// test-timeout: 600s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../../src/errors.ts';
import type { Outcome, RunnerSet, RunnerSetStatus } from '../../../src/schemas/index.ts';
import { runBurst } from './burst.ts';
import { PLAYED, playNode } from './played-node.ts';
import { createQuota, createSecret, recordPeaks } from './sets.ts';
import { LABELS, OUTCOME_FINALIZER } from '../../../src/render/labels.ts';
import { deleteObject, listObjects } from '../../../src/runner/kubernetes/objects.ts';
import { configMaps, type Pod, pods } from '../../../src/runner/kubernetes/wire.ts';
import { commitFiles } from '../../support/git.ts';
import { eventually, openTestCluster } from '../../support/cluster.ts';
import {
  type Controller,
  type ControllerOptions,
  createJobs,
  evict,
  type Jobs,
  manifestOf,
  openController,
  outcomesOf,
  podAtWork,
  setManifest,
} from './world.ts';

type Files = Readonly<Record<string, string | null>>;

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

  /** A controller on a set and jobs of its own; `work` ends with everything done. */
  const withSet = async (
    name: string,
    set: Partial<RunnerSet['spec']>,
    work: (world: {
      readonly jobs: Jobs;
      readonly controller: Controller;
      readonly put: (files: Files) => Promise<void>;
    }) => Promise<void>,
    options: Partial<ControllerOptions> = {},
  ): Promise<void> => {
    const jobs = await createJobs(name);
    await commitFiles(jobs.folder, { 'set.yaml': setManifest(name, set) });
    const controller = await openController(test, {
      target: jobs.folder,
      namespace,
      source: name,
      keepsPools: true,
      ...options,
    });
    const settled = controller.settle({ goOn: true });
    const put = async (files: Files): Promise<void> => {
      await commitFiles(jobs.folder, files);
      controller.reconciler.sourceChanged();
    };
    try {
      await work({ jobs, controller, put });
      await put({ 'set.yaml': null });
      await eventually(`nothing idle is left of ${name}`, async () => !(await runnersOf(name)).some(isIdle), 60_000);
    } finally {
      controller.stop();
      await settled;
      await controller.close();
      await jobs.remove();
    }
  };
  const outcomeOf = (controller: Controller, job: string): Promise<Outcome> =>
    eventually(`the outcome of ${job}`, async () => (await outcomesOf(controller, [job]))[job], 120_000);
  const statusOf = (controller: Controller, set: string, what: string, look: (status: RunnerSetStatus) => boolean) =>
    eventually(`${set} ${what}`, async () => {
      const status = (await controller.repository.ledger.read(signal)).runnerSets.get(set);
      return status && look(status) ? status : undefined;
    });
  const readyOf = ({ conditions }: RunnerSetStatus) => conditions.find(({ type }) => type === 'Ready');

  sets('whose image is missing say so, in their status and in what waits for them', async () => {
    await withSet('missing', { image: 'nowhere.invalid/none:1' }, async ({ controller, put }) => {
      await put({
        'waits.yaml': manifestOf('waits', { image: 'nowhere.invalid/none:1', runsOn: 'missing', run: 'true' }),
      });
      const outcome = await outcomeOf(controller, 'waits');
      assert.is(outcome.result, 'error');
      assert.is(outcome.reason, 'ImagePullFailed');
      assert.match(outcome.message ?? '', /^runner set missing can't start a runner: nowhere\.invalid\/none:1: /);
      assert.is(outcome.tasks[0]?.attempts.length, 1, 'a missing image is not tried again');
      const status = await statusOf(controller, 'missing', 'is not ready', (one) => readyOf(one)?.status === 'False');
      assert.is(readyOf(status)?.reason, 'ImagePullFailed');
    });
  });

  sets('that have used up the quota say so, and go on when there is room', async () => {
    const own = await test.createNamespace();
    await createQuota(test, own, 1);
    await withSet(
      'quota',
      { minRunners: 2 },
      async ({ controller, put }) => {
        const status = await statusOf(controller, 'quota', 'is not ready', (one) => readyOf(one)?.status === 'False');
        assert.is(readyOf(status)?.reason, 'Refused');
        assert.match(readyOf(status)?.message ?? '', /exceeded quota/);
        // The one runner that there is works all the same.
        await put({ 'one.yaml': manifestOf('one', { runsOn: 'quota', run: 'true' }) });
        assert.is((await outcomeOf(controller, 'one')).result, 'succeeded');
      },
      { namespace: own },
    );
  });

  sets('are drained idle without a word, and busy not at all', async () => {
    await withSet('drained', { minRunners: 1, maxRunners: 2 }, async ({ controller, put }) => {
      const [idle] = await idleIn('drained', 1);
      assert.ok(idle);
      await evict(test, idle); // nothing protects it
      await eventually('another one is there', async () =>
        (await runnersOf('drained')).some((pod) => isIdle(pod) && pod.metadata?.uid !== idle.metadata?.uid),
      );
      await put({ 'busy.yaml': manifestOf('busy', { runsOn: 'drained', run: 'echo up; sleep 8' }) });
      const pod = await podAtWork(test, namespace, 'busy');
      const refused = await evict(test, pod).then(
        () => null,
        (error: unknown) => error,
      );
      assert.ok(isCoded(refused, 'TooManyRequests'), String(refused));
      assert.is((await outcomeOf(controller, 'busy')).result, 'succeeded');
    });
  });

  sets('never give out more than their slots, and every job runs once', async () => {
    const states: number[] = [];
    await withSet(
      'slots',
      { maxRunners: 4, slots: 3 },
      async ({ controller, put }) => {
        const names = Array.from({ length: 12 }, (_, index) => `job-${index}`);
        const jobs = names.map((job, index) => {
          const tasks = index % 3 === 0 ? { tasks: [{ name: 'wide', slots: 2 }] } : {};
          return [`${job}.yaml`, manifestOf(job, { runsOn: 'slots', run: 'sleep 0.2', ...tasks })] as const;
        });
        const peak = recordPeaks(test, namespace, 'slots');
        await put(Object.fromEntries(jobs));
        for (const job of names) assert.is((await outcomeOf(controller, job)).result, 'succeeded', job);
        const { slots, attempts } = await peak.stop();
        assert.ok(slots <= 3, `${slots} slots were taken at once`);
        assert.equal(attempts, names.length, 'each attempt had one runner');
      },
      { onPool: (event) => void (event.kind === 'state' && states.push(event.state.busy)) },
    );
    assert.ok(Math.max(...states) >= 2, 'they ran beside each other');
  });

  sets('lose runners with their node, and say so', async () => {
    const value = `rl-${Date.now().toString(36)}`;
    const played = [await playNode(test, value), await playNode(test, value)];
    const goAway = async (name: string | undefined): Promise<void> => {
      const node = played.find((one) => one.name === name);
      assert.ok(node, `${name} is one of ours`);
      played.splice(played.indexOf(node), 1);
      await node.remove();
    };
    const losses: string[] = [];
    const pod = { nodeSelector: { [PLAYED]: value }, tolerations: [{ key: PLAYED, operator: 'Exists' as const }] };
    const options: Partial<ControllerOptions> = {
      nodeLostAfterMs: 1_000,
      onPool: (event) => void (event.kind === 'failed' && losses.push(event.reason)),
    };
    try {
      await withSet(
        'lost',
        { minRunners: 1, maxRunners: 1, pod },
        async ({ controller, put }) => {
          const [idle] = await idleIn('lost', 1);
          await goAway(idle?.spec?.nodeName);
          const isOther = (one: Pod): boolean => isIdle(one) && one.metadata?.uid !== idle?.metadata?.uid;
          const other = await eventually(
            'another one is idle, on the node that is left',
            async () => (await runnersOf('lost')).find(isOther),
            150_000,
          );
          assert.equal(losses, ['NodeLost']);
          await put({ 'gone.yaml': manifestOf('gone', { runsOn: 'lost', run: 'true' }) });
          await eventually('it has the attempt', async () =>
            (await runnersOf('lost')).some(({ metadata }) => metadata?.labels?.[LABELS.job] === 'gone'),
          );
          await goAway(other.spec?.nodeName);
          const gone = await outcomeOf(controller, 'gone');
          assert.is(`${gone.result} ${gone.reason}`, 'error NodeLost');
          assert.is(gone.tasks[0]?.attempts.length, 1, 'it may have run: it is not begun again');
          const status = await statusOf(controller, 'lost', 'is not ready', (one) => readyOf(one)?.status === 'False');
          assert.is(readyOf(status)?.reason, 'Unschedulable');
        },
        options,
      );
    } finally {
      for (const node of played) await node.remove();
    }
  });

  sets('take a burst of jobs, each once and never more than they hold', async () => {
    const { problems, mostBusy } = await runBurst(test, { jobs: 24, runners: 4, limitMs: 200_000 });
    assert.equal(problems, []);
    assert.ok(mostBusy >= 2, 'they ran beside each other');
  });

  sets('time out, are cancelled and lose a runner as pods do', async () => {
    await withSet('ends', { minRunners: 3 }, async ({ controller, put }) => {
      await idleIn('ends', 3);
      await put({
        'late.yaml': manifestOf('late', { runsOn: 'ends', run: 'sleep 60', timeouts: { run: '2s', grace: '1s' } }),
        'gone.yaml': manifestOf('gone', { runsOn: 'ends', run: 'echo up; sleep 60' }),
      });
      const pod = await podAtWork(test, namespace, 'gone');
      await deleteObject(
        cluster,
        pods,
        { namespace, name: pod.metadata?.name ?? '' },
        { signal, gracePeriodSeconds: 0 },
      );
      const late = await outcomeOf(controller, 'late');
      assert.is(late.result, 'timed-out');
      assert.is(late.reason, 'DeadlineExceeded');
      const gone = await outcomeOf(controller, 'gone');
      assert.is(`${gone.result} ${gone.reason}`, 'error PodDeleted');
    });
  });

  sets.after(() => test.remove());
  sets.run();
}
