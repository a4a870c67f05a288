// test-timeout: 300s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { createObject } from '../../src/runner/kubernetes/objects.ts';
import { pods, toWire } from '../../src/runner/kubernetes/wire.ts';
import type { Job } from '../../src/schemas/index.ts';
import type { RunRecord } from '../../src/runner/port.ts';
import { eventually, openTestCluster } from '../support/cluster.ts';
import { codesOf, createPod, type RunningPod } from './pods.ts';
import { jobWith, recordOf, renderRun } from './world.ts';

const test = suite('rendered pods with services, hooks and tasks');
const world = await openTestCluster('services');

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
  const start = (
    name: string,
    spec: Job['spec'],
    changes: Partial<RunRecord> & { readonly task?: string } = {},
  ): Promise<RunningPod> => createPod(world, namespace, jobWith(spec, name), changes);
  const timeouts = { run: '2m', grace: '3s', finally: '10s' };
  const image = 'busybox:1.36';
  const shell = (script: string): { image: string; command: string[] } => ({ image, command: ['sh', '-c', script] });

  test('steps start once the services are healthy, and reach them by name and on localhost', async () => {
    const pod = await start('healthy', {
      timeouts,
      services: {
        // Healthy only after a while; what it says proves its user, its environment and its folders.
        web: {
          ...shell(
            'cd $HOME && chmod 0700 /data && touch /data/x && sleep 2 && ' +
              'echo "$(id -u) $WORD $(stat -c %a:%u /data) $(stat -f -c %T /data)" >index.html && exec httpd -f -p 8080',
          ),
          env: { WORD: '$(WORD) $$' },
          user: 1234,
          tmpfs: ['/data'],
          health: { http: { port: 8080, path: '/index.html' }, interval: '1s', retries: 30 },
        },
        other: {
          ...shell('mkdir -p /tmp/www && wget -q -O /tmp/www/seen web:8080/index.html && httpd -f -p 8081 -h /tmp/www'),
          health: { tcp: 8081, interval: '1s', retries: 30 },
        },
        checked: {
          ...shell('sleep 1; touch /tmp/up; sleep 3600'),
          health: { command: ['test', '-e', '/tmp/up'], interval: '1s' },
        },
      },
      run: 'wget -q -O - http://web:8080/index.html; wget -q -O - http://localhost:8081/seen; ls $HOME; id -u',
    });
    assert.equal(codesOf(await pod.ended()), { run: 0 });
    const line = '1234 $(WORD) $$ 700:1234 tmpfs\n';
    assert.is(await pod.log('run'), `${line}${line}65532\n`);
    const verdict = await pod.verdict();
    assert.equal(verdict.phase === 'ended' && verdict.ending, { kind: 'exited', step: 'run', exitCode: 0 });
  });

  test('a service that ignores TERM does not delay what is known of the steps', async () => {
    const pod = await start('deaf', {
      timeouts: { ...timeouts, grace: '60s' },
      services: { deaf: shell('trap "" TERM; echo up; while :; do sleep 1; done') },
      steps: [{ name: 'quick', run: 'exit 3' }],
    });
    const verdict = await eventually('it has ended', async () => {
      const seen = await pod.verdict();
      return seen.phase === 'ended' ? seen : undefined;
    });
    assert.equal(verdict.ending, { kind: 'exited', step: 'quick', exitCode: 3 });
    assert.is((await pod.read()).status?.phase, 'Running');
    await pod.delete();
  });

  test('a service that never gets healthy is seen, with its last lines, and no step runs', async () => {
    const pod = await start('unhealthy', {
      timeouts,
      services: {
        db: { ...shell('echo "no disk" >&2; sleep 3600'), health: { command: ['false'], interval: '1s', retries: 2 } },
      },
      run: 'echo never',
    });
    const { end, service, phase } = await eventually('it is given up', async () => {
      const seen = await pod.verdict();
      return seen.end ? seen : undefined;
    });
    assert.is(phase, 'starting');
    const message = 'service "db" did not become healthy: 2 tries failed';
    assert.equal(end, {
      reason: 'ServiceUnhealthy',
      ending: { kind: 'infrastructure', reason: 'ServiceUnhealthy', message, step: null },
    });
    assert.equal(service, { name: 'db', message, previous: true });
    assert.is(await pod.log('db', false, service?.previous), 'no disk\n');
    await pod.delete();
  });

  test('a service that dies under the steps is seen, although the kubelet restarts it', async () => {
    const pod = await start('dying', {
      timeouts,
      services: { db: shell('echo "out of space"; sleep 3; exit 4') },
      run: 'sleep 60',
    });
    const { end, service } = await eventually('its end is asked for', async () => {
      const seen = await pod.verdict();
      return seen.end ? seen : undefined;
    });
    const message = 'service "db" ended with exit code 4 while step "run" was running';
    assert.equal(end?.ending, { kind: 'infrastructure', reason: 'ServiceUnhealthy', message, step: 'run' });
    assert.is(await pod.log('db', false, service?.previous), 'out of space\n');
    await pod.delete();
  });

  test('hooks stand around the steps, those of the configuration around all', async () => {
    const say = 'echo $HOOK >>$RUNLEDGER_SHARED/said';
    const pod = await start(
      'hooks',
      {
        timeouts,
        hooks: { before: 'echo before >>$RUNLEDGER_SHARED/said', after: 'echo after >>$RUNLEDGER_SHARED/said' },
        steps: [
          { name: 'one', run: `HOOK=one; ${say}; exit 3`, user: 1001 },
          { name: 'two', run: `HOOK=two; ${say}` },
        ],
        finally: [{ name: 'last', run: `HOOK=last; ${say}` }],
      },
      {
        defaultHooks: {
          before: `HOOK=first; ${say}; id -u`,
          after: 'echo end >>$RUNLEDGER_SHARED/said; cat $RUNLEDGER_SHARED/said; exit 1',
        },
      },
    );
    assert.equal(codesOf(await pod.ended()), {
      'runledger-default-before': 0,
      'runledger-before': 0,
      one: 3,
      two: 0,
      last: 0,
      'runledger-after': 0,
      'runledger-default-after': 1,
    });
    assert.is(await pod.log('runledger-default-before'), '1001\n');
    assert.is(await pod.log('runledger-default-after'), 'first\nbefore\none\nlast\nafter\nend\n');
    const verdict = await pod.verdict();
    assert.equal(verdict.phase === 'ended' && verdict.ending, { kind: 'exited', step: 'one', exitCode: 3 });
  });

  test('the last hook of the configuration runs after a success and a failure, and changes no outcome', async () => {
    const defaultHooks = { shutdown: 'echo bye; exit 7' };
    const well = await start('shutdown', { timeouts, run: 'true' }, { defaultHooks });
    assert.equal(codesOf(await well.ended()), { run: 0, 'runledger-default-shutdown': 7 });
    const success = await well.verdict();
    assert.equal(success.phase === 'ended' && success.ending, { kind: 'exited', step: 'run', exitCode: 0 });
    const failed = await start('shutdown-failed', { timeouts, run: 'exit 3' }, { defaultHooks });
    assert.equal(codesOf(await failed.ended()), { run: 3, 'runledger-default-shutdown': 7 });
    assert.is(await failed.log('runledger-default-shutdown'), 'bye\n');
    const failure = await failed.verdict();
    assert.equal(failure.phase === 'ended' && failure.ending, { kind: 'exited', step: 'run', exitCode: 3 });
  });

  test('a hook after the steps that fails makes the run fail', async () => {
    const pod = await start('after', { timeouts, hooks: { after: 'exit 9' }, run: 'true' });
    assert.equal(codesOf(await pod.ended()), { run: 0, 'runledger-after': 9 });
    const verdict = await pod.verdict();
    assert.equal(verdict.phase === 'ended' && verdict.ending, { kind: 'exited', step: 'hooks.after', exitCode: 9 });
  });

  test('a hook before the steps that fails keeps them from running, and what is at the end runs', async () => {
    const pod = await start('before', {
      timeouts,
      hooks: { before: 'exit 9', after: 'echo ran' },
      run: 'echo never',
      finally: [{ name: 'bad', when: 'onFailure', run: 'echo told' }],
    });
    assert.equal(codesOf(await pod.ended()), { run: 0, bad: 0, 'runledger-before': 9, 'runledger-after': 0 });
    const said = await Promise.all(['run', 'bad', 'runledger-after'].map((name) => pod.log(name)));
    assert.equal(said, ['', 'told\n', 'ran\n']);
    const verdict = await pod.verdict();
    assert.equal(verdict.phase === 'ended' && verdict.ending, { kind: 'exited', step: 'hooks.before', exitCode: 9 });
  });

  test('a task finds its values in its environment, its files and its steps', async () => {
    const spec: Job['spec'] = {
      parameters: { REGION: { default: 'eu' } },
      matrix: { node: [22, 24], REGION: ['us', 'ch'] },
      env: { TAG: 'v${{ matrix.node }}-${{ params.REGION }}' },
      files: [{ path: 'conf/${{ matrix.node }}', content: 'for ${{ params.REGION }}\n' }],
      steps: [
        { name: 'old', run: 'echo old', if: 'matrix.node < 24' },
        {
          name: 'all',
          run: 'echo $TAG $RUNLEDGER_MATRIX_NODE $RUNLEDGER_PARAM_REGION $RUNLEDGER_TASK; cat $RUNLEDGER_FILES/conf/*',
        },
      ],
    };
    const pod = await start('tasks', spec, { params: {}, task: '24-ch' });
    assert.equal(codesOf(await pod.ended()), { all: 0 });
    assert.is(await pod.log('all'), 'v24-ch 24 ch 24-ch\nfor ch\n');
    assert.is((await pod.read()).spec?.initContainers, undefined);
  });

  test.after(() => world.remove());
}

test.run();
