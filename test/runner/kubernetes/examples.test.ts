// test-timeout: 600s
import type { V1Secret } from '@kubernetes/client-node';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createObject } from '../../../src/runner/kubernetes/objects.ts';
import { resource, type Wire } from '../../../src/runner/kubernetes/wire.ts';
import { eventually, openTestCluster } from '../../support/cluster.ts';
import { checkExamples, copyExamples, LATER_MS, REQUESTS, SECRETS, withLogs } from '../../support/examples.ts';
import { commitFiles } from '../../support/git.ts';
import { type Controller, type ControllerOptions, createJobs, IMAGE, leftIn, openController } from './world.ts';

const secrets = resource<Wire<V1Secret>>('v1', 'Secret', 'secrets');

const world = await openTestCluster('examples');
if (world) {
  /** What takes an image of runledger, and an address of its server: workspace.test.ts runs such jobs. */
  const REFUSED: readonly string[] = ['check-scripts', 'site'];

  const test = suite('the examples on a cluster');
  const { cluster, signal } = world;
  const open: { close(): Promise<void> }[] = [];
  const controllerOf = async (options: ControllerOptions): Promise<Controller> => {
    const controller = await openController(world, options);
    open.push(controller);
    return controller;
  };
  test.after.each(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  test('each does what it says', async () => {
    const namespace = await world.createNamespace({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    for (const [name, stringData] of Object.entries(SECRETS))
      await createObject(cluster, secrets, { metadata: { name, namespace }, stringData }, { signal });
    const jobs = await createJobs('examples');
    copyExamples(jobs.folder, IMAGE);
    await commitFiles(jobs.folder, {});
    // Not all at once: the node is small.
    const options = { target: jobs.folder, namespace, source: 'examples', attempts: 12 };
    const first = await controllerOf(options);
    const one = await first.settle({ requests: REQUESTS });
    assert.equal([one.failures, one.observation.catalog.problems], [[], []]);
    assert.equal(
      one.plan.filter(({ action }) => action === 'invalid').map(({ job, reason }) => [job, reason]),
      REFUSED.map((job) => [job, 'Refused']),
    );
    await open.pop()?.close();
    appendFileSync(join(jobs.folder, 'jobs/data/orders.csv'), '3,7.50\n');
    await commitFiles(jobs.folder, {});
    const later = await controllerOf({ ...options, now: () => new Date(Date.now() + LATER_MS) });
    const two = await later.settle();
    assert.equal(two.failures, []);
    const view = await later.repository.ledger.read(signal);
    checkExamples(await withLogs(view, [...one.outcomes, ...two.outcomes]), 'kubernetes', REFUSED);
    // A service that does not listen to TERM has its grace.
    await eventually(
      'nothing but claims is left',
      async () => (await leftIn(world, namespace)).every((line) => /^(claim|budget) /.test(line)),
      90_000,
    );
    await jobs.remove();
  });

  test('timeouts.queue ends a run that waits for capacity, and says so', async () => {
    const namespace = await world.createNamespace();
    const jobs = await createJobs('queue');
    await jobs.commit({
      busy: { priority: 1, run: 'sleep 8' },
      late: { timeouts: { queue: '2s', grace: '1s' }, run: 'echo never' },
    });
    const controller = await controllerOf({ target: jobs.folder, namespace, source: 'queue', attempts: 1 });
    const { outcomes } = await controller.settle();
    assert.equal(outcomes.map(({ job, result, reason }) => `${job} ${result} ${reason}`).sort(), [
      'busy succeeded Completed',
      'late timed-out QueueTimeout',
    ]);
    const late = outcomes.find(({ job }) => job === 'late');
    assert.match(late?.message ?? '', /^waited \S+ in the queue, last for capacity of the source$/);
    assert.equal(late?.tasks[0]?.attempts, []);
    await jobs.remove();
  });

  test("the configuration's defaults are under what each job says, and the policy is above both", async () => {
    const namespace = await world.createNamespace();
    const jobs = await createJobs('defaults');
    await jobs.commit({
      plain: { run: 'echo "$WHO $LEVEL"', timeouts: {} },
      own: { run: 'echo "$WHO $LEVEL"', env: { WHO: 'job' }, hooks: { before: 'echo own' }, timeouts: {} },
      slow: { run: 'sleep 300', timeouts: {} },
      greedy: { run: 'true', resources: { limits: { memory: '1Gi' } } },
    });
    const controller = await controllerOf({
      target: jobs.folder,
      namespace,
      source: 'defaults',
      policy: { maxResources: { memory: '64Mi' } },
      defaults: {
        env: { WHO: 'default', LEVEL: 'info' },
        timeouts: { run: '5s', grace: '1s' },
        resources: { limits: { memory: '48Mi' } },
        hooks: { before: 'echo first', after: 'echo last', shutdown: 'echo gone; exit 5' },
        pod: { nodeSelector: { 'kubernetes.io/os': 'linux' } },
      },
    });
    const { outcomes } = await controller.settle();
    const view = await controller.repository.ledger.read(signal);
    const ended = new Map((await withLogs(view, outcomes)).map((one) => [one.outcome.job, one]));
    const said = (job: string): readonly string[] =>
      ended
        .get(job)
        ?.log.trimEnd()
        .split('\n')
        .map((line) => line.replace(/^\S+ (\S+) stdout /, '$1: ')) ?? [];
    const [before, after] = [
      'defaults.hooks.before: first',
      ['defaults.hooks.after: last', 'defaults.hooks.shutdown: gone'],
    ];
    assert.equal(said('plain'), [before, 'run: default info', ...after]);
    assert.equal(said('own'), [before, 'hooks.before: own', 'run: job info', ...after]);
    assert.equal(said('slow'), [before, ...after], 'after a time-out too');
    assert.equal(
      ['plain', 'own', 'slow', 'greedy'].map(
        (job) => `${ended.get(job)?.outcome.result} ${ended.get(job)?.outcome.reason}`,
      ),
      ['succeeded Completed', 'succeeded Completed', 'timed-out DeadlineExceeded', 'error Refused'],
    );
    await jobs.remove();
  });

  test.after(() => world.remove());
  test.run();
}
