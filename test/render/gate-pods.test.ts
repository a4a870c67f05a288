// test-timeout: 300s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { renderBudget } from '../../src/render/budget.ts';
import { createObject } from '../../src/runner/kubernetes/objects.ts';
import { toWire, pathOf, podDisruptionBudgets, pods, secrets } from '../../src/runner/kubernetes/wire.ts';
import type { Job } from '../../src/schemas/index.ts';
import { eventually, openTestCluster } from '../support/cluster.ts';
import { codesOf, createPod, type RunningPod } from './pods.ts';
import { CONTEXT, jobWith, recordOf, renderRun } from './world.ts';

const test = suite('rendered pods on a cluster');
const world = await openTestCluster('gate');

if (world) {
  const { cluster, signal } = world;
  const namespace = await world.createNamespace({ 'pod-security.kubernetes.io/enforce': 'restricted' });
  await eventually('the default account', async () => {
    const { pod } = renderRun(recordOf(jobWith({ run: 'x' })), { namespace });
    return createObject(cluster, pods, toWire(pod), { signal, dryRun: true }).catch((error: unknown) => {
      if (isCoded(error)) return undefined;
      throw error;
    });
  });
  const start = (name: string, spec: Job['spec']): Promise<RunningPod> =>
    createPod(world, namespace, jobWith(spec, name));
  const timeouts = { run: '2m', grace: '3s', finally: '10s' };

  test('a single step finds what its job says', async () => {
    const metadata = { name: 'deploy', namespace };
    await createObject(cluster, secrets, { metadata, stringData: { ca: 'secret\n' } }, { signal });
    const pod = await start('single', {
      env: { PRICE: '$(5) $$ $HOME', TOKEN: { secret: { name: 'deploy', key: 'ca' } } },
      files: [
        { path: 'conf/app.yaml', content: 'level: info\n' },
        { path: 'bin/run.sh', content: '#!/bin/sh\necho ran\n', mode: '0755' },
        { path: '/etc/app/ca.pem', secret: { name: 'deploy', key: 'ca' }, mode: '0400' },
      ],
      steps: [
        {
          name: 'look',
          workingDirectory: 'data/in',
          run: [
            'echo "$PRICE|$TOKEN"; pwd; id -u; cat $RUNLEDGER_FILES/conf/app.yaml; $RUNLEDGER_FILES/bin/run.sh',
            'cat /etc/app/ca.pem; touch here $HOME/x $RUNLEDGER_OUTPUT/x $RUNLEDGER_SHARED/x $RUNLEDGER_WORKSPACE/x',
            'cat /runledger/payload/run; [ -e /var/run/secrets ] && echo token; exit 3',
          ].join('\n'),
        },
      ],
    });
    assert.equal(codesOf(await pod.ended()), { look: 3 });
    assert.is(
      await pod.log('look'),
      '$(5) $$ $HOME|secret\n\n/runledger/workspace/data/in\n65532\nlevel: info\nran\nsecret\nsingle #12\n',
    );
  });

  test('steps of several users run in order, and share what they make', async () => {
    const pod = await start('order', {
      timeouts,
      steps: [
        {
          name: 'one',
          run: 'id -u; mkdir sub; echo 1 >sub/rows; date +%s%N >>$RUNLEDGER_SHARED/times; sleep 1',
          user: 1001,
        },
        { name: 'two', run: 'id -u; pwd; echo 2 >>rows; exit 0', user: 1002, workingDirectory: 'sub' },
        { name: 'three', command: ['cat'], args: ['sub/rows'] },
      ],
      finally: [{ name: 'last', run: 'echo done' }],
    });
    const ends = await pod.ended();
    assert.equal(codesOf(ends), { one: 0, two: 0, three: 0, last: 0 });
    const lines = await Promise.all(['one', 'two', 'three', 'last'].map((name) => pod.log(name, true)));
    const all = lines.flatMap((text) => text.trim().split('\n'));
    assert.equal(
      all.map((line) => line.replace(/^\S+ /, '')),
      ['1001', '1002', '/runledger/workspace/sub', '1', '2', 'done'],
    );
    assert.equal([...all].sort(), all, 'the times of the lines follow the order of the steps');
    assert.is(ends['one']?.report?.result, 'exited');
  });

  test('a failure skips what follows, and finally sees it', async () => {
    const pod = await start('failure', {
      timeouts,
      steps: [
        { name: 'one', run: 'exit 7' },
        { name: 'two', run: 'echo never' },
      ],
      finally: [
        { name: 'good', run: 'echo never', when: 'onSuccess' },
        { name: 'bad', run: 'echo told', when: 'onFailure' },
      ],
    });
    assert.equal(codesOf(await pod.ended()), { one: 7, two: 0, good: 0, bad: 0 });
    assert.is((await pod.log('two')) + (await pod.log('good')) + (await pod.log('bad')), 'told\n');
    await eventually('the pod has Failed', async () => (await pod.read()).status?.phase === 'Failed');
  });

  test('a step that takes too much memory ends the run, though it hides its exit code', async () => {
    const pod = await start('memory', {
      timeouts,
      resources: { limits: { memory: '24Mi' } },
      steps: [
        { name: 'hog', run: 'trap "exit 0" EXIT TERM; tail /dev/zero || true; exit 0' },
        { name: 'two', run: 'echo never' },
      ],
      finally: [{ name: 'bad', run: 'echo told', when: 'onFailure' }],
    });
    const ends = await pod.ended();
    assert.is(ends['hog']?.reason, 'OOMKilled');
    assert.is.not(ends['hog']?.code, 0);
    // The kernel kills the whole container (cgroup v2), and the next gate finds no word; or the one process, which hides it.
    assert.ok(ends['hog']?.report === null || ends['hog']?.report.result === 'oom-killed');
    assert.is(ends['two']?.code, ends['hog']?.report === null ? 125 : 0);
    assert.is(await pod.log('two').then((text) => text.includes('never')), false);
    assert.is(ends['bad']?.code, 0);
    assert.is(await pod.log('bad'), 'told\n');
  });

  test('time-outs of a step and of the run are kept', async () => {
    const one = await start('step-timeout', {
      timeouts,
      steps: [
        { name: 'slow', run: 'trap "echo asked" TERM; sleep 60 & wait || true; sleep 60', timeout: '2s' },
        { name: 'two', run: 'echo never' },
      ],
      finally: [{ name: 'bad', run: 'echo told', when: 'onFailure' }],
    });
    const whole = await start('run-timeout', {
      timeouts: { ...timeouts, run: '3s' },
      steps: [
        { name: 'quick', run: 'sleep 1' },
        { name: 'slow', run: 'sleep 60' },
      ],
    });
    const ends = await one.ended();
    assert.equal(codesOf(ends), { slow: 137, two: 0, bad: 0 });
    assert.is(ends['slow']?.report?.result, 'timeout-step');
    assert.is((await one.log('slow')) + (await one.log('bad')), 'asked\ntold\n');
    const { slow, quick } = await whole.ended();
    assert.is(quick?.code, 0);
    assert.is(slow?.code, 143);
    assert.is(slow?.report?.result, 'timeout-run');
  });

  test('a deleted pod passes TERM to its step, and runs finally within its grace', async () => {
    const pod = await start('deleted', {
      timeouts,
      steps: [
        { name: 'one', run: 'exit 0' },
        { name: 'two', run: 'trap "exit 7" TERM; echo up; sleep 60 & wait' },
        { name: 'three', run: 'exit 0' },
      ],
      // What the exit code shows needs no log, which is gone soon after.
      finally: [
        { name: 'clean', run: 'sleep 1; exit 9' },
        { name: 'bad', run: 'exit 9', when: 'onFailure' },
      ],
    });
    await pod.says('two', 'up');
    await pod.delete();
    const ends = await pod.ended();
    assert.equal(codesOf(ends), { one: 0, two: 7, three: 143, clean: 9, bad: 0 });
    assert.is(ends['two']?.report?.result, 'cancelled');
  });

  test('a pod is protected from eviction from its first step on', async () => {
    await createObject(cluster, podDisruptionBudgets, toWire(renderBudget({ ...CONTEXT, namespace })), { signal });
    const pod = await start('protected', {
      timeouts,
      steps: [
        { name: 'one', run: 'echo up; sleep 60' },
        { name: 'two', run: 'true' },
      ],
    });
    await pod.says('one', 'up');
    await eventually('the pod is Running', async () => (await pod.read()).status?.phase === 'Running', 5000);
    const eviction = cluster.request({
      method: 'POST',
      path: `${pathOf(pods, { namespace, name: pod.name })}/eviction`,
      body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name: pod.name } },
      doing: 'evicting',
      repeat: 'unsafe',
      attempts: 1,
      signal,
    });
    const refused = await eviction.then(
      () => 'evicted',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    );
    assert.match(refused, 'disruption budget');
    await pod.delete();
  });

  test('no step runs while an image of a later one can not be had', async () => {
    const pod = await start('no-image', {
      timeouts,
      steps: [
        { name: 'one', run: 'echo ran' },
        { name: 'two', run: 'true', image: 'localhost/no-such-image:1' },
      ],
    });
    await eventually('the image is missing', async () => {
      const { status } = await pod.read();
      return status?.containerStatuses?.some(({ state }) => /Pull/.test(state?.waiting?.reason ?? ''));
    });
    assert.is(await pod.log('one'), '');
    assert.is((await pod.read()).status?.phase, 'Pending');
    await pod.delete();
  });

  test('what a step leaves behind is gone before the next one starts', async () => {
    const pod = await start('daemon', {
      timeouts,
      steps: [
        {
          name: 'one',
          run: '(trap "" TERM; while :; do echo alive >$RUNLEDGER_SHARED/alive; sleep 0.1; done) & sleep 1',
        },
        { name: 'two', run: 'rm $RUNLEDGER_SHARED/alive; sleep 1; ! [ -e $RUNLEDGER_SHARED/alive ]' },
      ],
    });
    assert.equal(codesOf(await pod.ended()), { one: 0, two: 0 });
  });

  /** Nothing where the programs of an image lie: what is left has no shell. */
  const withoutPrograms = (steps: readonly string[]): NonNullable<Job['spec']['pod']> => ({
    volumes: [{ name: 'nothing', emptyDir: {} }],
    containers: steps.map((name) => ({ name, volumeMounts: [{ name: 'nothing', mountPath: '/bin' }] })),
  });

  test('an image without a shell needs none', async () => {
    // An image that holds only a static /echo, where there is one.
    const image = process.env['RUNLEDGER_TEST_SHELLLESS_IMAGE'];
    const echo = image === undefined ? ['/runledger/gate/busybox', 'echo'] : ['/echo'];
    const pod = await start('shellless', {
      timeouts,
      image: image ?? 'busybox:1.36',
      steps: [
        { name: 'one', command: [...echo, 'one'] },
        { name: 'two', command: echo, args: ['two'] },
        { name: 'three', command: ['/bin/sh', '-c', 'true'] },
      ],
      ...(image === undefined ? { pod: withoutPrograms(['one', 'two', 'three']) } : {}),
    });
    assert.equal(codesOf(await pod.ended()), { one: 0, two: 0, three: 127 });
    assert.is((await pod.log('one')) + (await pod.log('two')), 'one\ntwo\n');
    assert.match(await pod.log('three'), 'there is no /bin/sh');
  });

  test.after(() => world.remove());
}

test.run();
