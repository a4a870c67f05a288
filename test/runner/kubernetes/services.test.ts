// test-timeout: 300s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeAttempt } from '../../../src/outcome/judge.ts';
import { systemClock } from '../../../src/runner/kubernetes/clock.ts';
import { createObject } from '../../../src/runner/kubernetes/objects.ts';
import { createKubernetesRunner } from '../../../src/runner/kubernetes/runner.ts';
import { unopposed } from '../../../src/runner/kubernetes/scope.ts';
import { secrets } from '../../../src/runner/kubernetes/wire.ts';
import type { AttemptState, Runner, RunRecord } from '../../../src/runner/port.ts';
import type { Job } from '../../../src/schemas/index.ts';
import { filesOf, jobWith, recordOf, taskOf } from '../../render/world.ts';
import { eventually, openTestCluster } from '../../support/cluster.ts';
import { IMAGE } from './world.ts';

const test = suite('runs with services and hooks, by the runner');
const world = await openTestCluster('with-services');

if (world) {
  const { cluster, namespace, signal } = world;
  const closing = new AbortController();
  const runner: Runner = await createKubernetesRunner({
    scope: {
      cluster,
      namespace,
      installation: 'test',
      source: 'services',
      authority: unopposed,
      clock: systemClock,
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    },
    podContext: {
      image: IMAGE,
      imagePullSecrets: [],
      podDefaults: {},
      gate: { image: IMAGE, busybox: '/bin/busybox' },
    },
    events: { changed: () => undefined, output: () => undefined },
    nodeLostAfterMs: 300_000,
    signal: closing.signal,
  });
  const timeouts = { run: '2m', grace: '3s', finally: '10s' };

  const begin = async (name: string, spec: Job['spec'], changes: Partial<RunRecord> = {}): Promise<RunRecord> => {
    const record = recordOf(jobWith({ timeouts, ...spec }, name), changes);
    assert.is(await runner.claim(record, signal), 'claimed');
    await runner.start(record, filesOf(record), [{ task: taskOf(record), number: 1 }], signal, async () => false);
    return record;
  };
  const attemptOf = async ({ job }: RunRecord): Promise<AttemptState | undefined> => {
    const run = (await runner.list(signal)).find(({ record }) => record.job === job);
    return run?.attempts[0];
  };
  /** Waits for the end of the run's only attempt. */
  const ended = (record: RunRecord): Promise<AttemptState> =>
    eventually(
      `${record.job} has ended`,
      async () => {
        const attempt = await attemptOf(record);
        return attempt?.ending ? attempt : undefined;
      },
      90_000,
    );
  const logOf = ({ output }: AttemptState): string => Buffer.from(output?.log ?? '').toString();
  const shell = (script: string): { image: string; command: string[] } => ({
    image: IMAGE,
    command: ['sh', '-c', script],
  });

  test('steps use a service by its name, whose output is not theirs', async () => {
    const record = await begin('uses', {
      services: {
        web: {
          ...shell(
            'echo "::set-outcome-var from=service"; echo hello >$HOME/index.html; exec httpd -f -p 8080 -h $HOME',
          ),
          health: { http: { port: 8080 }, interval: '1s', retries: 30 },
        },
      },
      run: 'wget -q -O - http://web:8080/; echo "::set-outcome-var from=step"',
    });
    const attempt = await ended(record);
    assert.equal(attempt.ending, { kind: 'exited', step: 'run', exitCode: 0 });
    assert.match(logOf(attempt), 'hello');
    assert.equal(attempt.output?.vars, { from: 'step' });
  });

  test('a service that never gets healthy ends the attempt, named and with its last lines', async () => {
    await createObject(
      cluster,
      secrets,
      { metadata: { name: 'db', namespace }, stringData: { password: 'opensesame' } },
      { signal },
    );
    const record = await begin('unhealthy', {
      services: {
        db: {
          ...shell('echo "no disk for $PASSWORD" >&2; sleep 3600'),
          env: { PASSWORD: { secret: { name: 'db', key: 'password' } } },
          health: { command: ['false'], interval: '1s', retries: 2 },
        },
      },
      run: 'echo never',
    });
    const attempt = await ended(record);
    const judged = attempt.ending && judgeAttempt(attempt.ending, { warning: [], skipped: [] });
    assert.equal([judged?.result, judged?.reason, judged?.step], ['error', 'ServiceUnhealthy', null]);
    assert.match(
      judged?.message ?? '',
      /^service "db" did not become healthy: 2 tries failed; its last lines: no disk for /,
    );
    assert.not.match(JSON.stringify(attempt), 'opensesame');
    assert.is(attempt.started, null);
  });

  test('a service that dies under the steps ends the attempt, although they go on', async () => {
    const record = await begin('dying', {
      services: { db: shell('echo "out of space"; sleep 3; exit 4') },
      steps: [{ name: 'test', run: 'sleep 60' }],
      finally: [{ name: 'tell', run: 'echo told' }],
    });
    const attempt = await ended(record);
    const message = 'service "db" ended with exit code 4 while step "test" was running; its last lines: out of space';
    assert.equal(attempt.ending, { kind: 'infrastructure', reason: 'ServiceUnhealthy', message, step: 'test' });
  });

  test('a service that ignores TERM does not delay the outcome', async () => {
    const record = await begin('deaf', {
      timeouts: { ...timeouts, grace: '100s' },
      services: { deaf: shell('trap "" TERM; while :; do sleep 1; done') },
      run: 'exit 3',
    });
    assert.equal((await ended(record)).ending, { kind: 'exited', step: 'run', exitCode: 3 });
  });

  test('a hook after the steps runs when the run is cancelled', async () => {
    const record = await begin('cancelled', {
      hooks: { before: 'echo first', after: 'echo last' },
      run: 'echo up; sleep 60',
    });
    await eventually('it is up', async () => (await attemptOf(record))?.started);
    await runner.cancel(record, 'CancelRequested');
    const attempt = await ended(record);
    assert.equal(attempt.ending?.kind, 'cancelled');
    assert.match(logOf(attempt), /first[\s\S]*last/);
  });

  test('a hook after the steps that fails is what the attempt fails with', async () => {
    const record = await begin('after', { hooks: { after: 'echo bad; exit 9' }, run: 'true' });
    const attempt = await ended(record);
    assert.equal(attempt.ending, { kind: 'exited', step: 'hooks.after', exitCode: 9 });
    assert.match(logOf(attempt), 'bad');
  });

  test('a task with no step left is skipped, and makes no pod', async () => {
    const record = await begin('nothing', { steps: [{ name: 'a', run: 'x', if: 'run.number > 99' }] });
    const attempt = await ended(record);
    assert.equal([attempt.ending?.kind, attempt.pod, attempt.started], ['nothingToDo', undefined, null]);
  });

  test.after(async () => {
    const runs = await runner.list(signal);
    await runner.release(
      runs.map(({ record }) => record),
      signal,
    );
    await runner.close('CancelRequested');
    closing.abort();
    await world.remove();
  });
}

test.run();
