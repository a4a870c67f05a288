// test-timeout: 300s
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gunzipSync } from 'node:zlib';
import { createDirectoryStore } from '../../../src/artifacts/directory-store.ts';
import { execInPod } from '../../../src/runner/kubernetes/exec.ts';
import { createObject, deleteObject } from '../../../src/runner/kubernetes/objects.ts';
import { pods, secrets } from '../../../src/runner/kubernetes/wire.ts';
import type { Job, Outcome } from '../../../src/schemas/index.ts';
import { cli, startCli } from '../../support/cli.ts';
import { eventually, openTestCluster } from '../../support/cluster.ts';
import { temporaryDirectory } from '../../support/git.ts';
import {
  type Controller,
  type ControllerOptions,
  createJobs,
  type Jobs,
  openController,
  outcomesOf,
  podAtWork,
  podWhen,
} from './world.ts';

const test = suite('logs of runs in a cluster');
const world = await openTestCluster('run-logs');
let count = 0;
/** A step of a pod waits for it, so that it lasts as long as the test looks at it. */
const GO = '/runledger/output/go';

interface Parts {
  readonly jobs: Jobs;
  readonly namespace: string;
  readonly options: ControllerOptions;
  readonly controller: Controller;
  /** `runledger logs …` on the repository, with this cluster. */
  readonly logs: (...args: readonly string[]) => ReturnType<typeof startCli>;
}

async function withJobs(more: Partial<ControllerOptions>, work: (parts: Parts) => Promise<void>): Promise<void> {
  if (!world) return;
  count += 1;
  const namespace = await world.createNamespace();
  const jobs = await createJobs('jobs');
  const options = { target: jobs.folder, namespace, source: `logs-${count}`, ...more };
  const controller = await openController(world, options);
  try {
    const env = { KUBECONFIG: world.kubeconfig };
    const logs = (...args: readonly string[]) =>
      startCli(['logs', ...args, '-n', namespace], { cwd: jobs.folder, env });
    await work({ jobs, namespace, options, controller, logs });
  } finally {
    controller.stop();
    await controller.close();
    await jobs.remove();
  }
}

const run = async ({ jobs, controller }: Parts, job: string, spec: Partial<Job['spec']>): Promise<Outcome> => {
  await jobs.commit({ [job]: spec });
  await controller.settle();
  const { [job]: outcome } = await outcomesOf(controller, [job]);
  assert.ok(outcome, `${job} is recorded: ${controller.troubles.join()}`);
  return outcome;
};
const logOf = async ({ controller }: Parts, { log }: Outcome): Promise<string> => {
  const view = await controller.repository.ledger.read(new AbortController().signal);
  return Buffer.from((await view.read(log?.path ?? '')) ?? '').toString();
};
const textsOf = (log: string): string[] =>
  log
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\S+ (\S+) stdout ?/, '$1|'));

if (world) {
  const { cluster, signal } = world;
  test.after(() => world.remove());

  const secretIn = async (namespace: string, data: Record<string, string>): Promise<void> => {
    await createObject(
      cluster,
      secrets,
      { metadata: { name: 'report', namespace }, stringData: data },
      {
        signal,
      },
    );
  };

  test('secrets, masks and patterns are redacted in the log, in variables and in annotations, over all steps', async () => {
    await withJobs({ masks: ['AKIA[A-Z0-9]{16}'] }, async (parts) => {
      await secretIn(parts.namespace, { token: 'hunter22-hunter22', pin: '1234' });
      const outcome = await run(parts, 'secretive', {
        env: { TOKEN: { secret: { name: 'report', key: 'token' } }, PIN: { secret: { name: 'report', key: 'pin' } } },
        steps: [
          {
            name: 'one',
            run: 'echo "::add-mask of-the-day-77"\necho "$TOKEN of-the-day-77" | tee /dev/stderr | base64 >/dev/null\nprintf %s "$TOKEN" | base64',
          },
          {
            name: 'two',
            run: 'echo "::set-outcome-var v=$TOKEN"\necho "::error file=$TOKEN,line=3::of-the-day-77"\necho AKIAABCDEFGHIJKLMNOP of-the-day-77\nprintf "nul \\0 and \\033[31mred\\033[0m 10%%\\r20%%"\nexit 3',
          },
        ],
      });
      const log = await logOf(parts, outcome);
      assert.equal(
        textsOf(log).filter((line) => !line.startsWith('one|***')),
        [
          'one|::add-mask ***',
          'two|::set-outcome-var v=***',
          'two|::error file=***,line=3::***',
          'two|*** ***',
          'two|20%',
        ],
      );
      assert.not.match(JSON.stringify(outcome) + log, /hunter22|of-the-day|AKIA|aHVudGVy/);
      assert.equal(outcome.vars, { v: '***' });
      const [annotation] = outcome.annotations ?? [];
      assert.equal([annotation?.file, annotation?.line, annotation?.message], ['***', 3, '***']);
      assert.match(outcome.warnings?.join() ?? '', 'secret report/pin has fewer than 6 characters');
      assert.is(outcome.log?.complete, true);
    });
  });

  test('a message that quotes what a service printed is redacted', async () => {
    await withJobs({}, async (parts) => {
      await secretIn(parts.namespace, { token: 'hunter22-hunter22' });
      const TOKEN = { secret: { name: 'report', key: 'token' } };
      const outcome = await run(parts, 'quoted', {
        services: {
          db: { image: 'busybox:1.36', env: { TOKEN }, command: ['sh', '-c', 'echo "cannot use $TOKEN"; exit 1'] },
        },
        run: 'sleep 60',
      });
      assert.is(outcome.reason, 'ServiceUnhealthy');
      assert.match(outcome.message, 'cannot use ***');
      assert.not.match(JSON.stringify(outcome), 'hunter22');
    });
  });

  test('the whole log goes to the store, with its digest in the outcome, and is read from there', async () => {
    const { path, remove } = await temporaryDirectory();
    const { path: folder, remove: removeFolder } = await temporaryDirectory();
    try {
      const keeper = { source: 'acme', folder, openStore: async () => createDirectoryStore(path, Date.now) };
      await withJobs({ keeper }, async (parts) => {
        const outcome = await run(parts, 'noisy', {
          logs: { maxBytes: '16Ki' },
          run: 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i"; done',
        });
        const { log } = outcome;
        assert.is(log?.complete, false);
        assert.match(log?.reason ?? '', 'to keep the log within logs.maxBytes');
        assert.match(await logOf(parts, outcome), /\n… [\d,]+ lines \([\d.]+ (?:KiB|MiB)\) left out …\n/);
        const stored = await readFile(join(path, log?.upload?.key ?? ''));
        assert.is(log?.upload?.key, 'acme/noisy/1/default/1.log.gz');
        assert.is(log?.upload?.sha256, createHash('sha256').update(stored).digest('hex'));
        assert.is(log?.upload?.bytes, stored.length);
        const texts = textsOf(gunzipSync(stored).toString());
        const all = Array.from({ length: 20_000 }, (_, index) => `run|line ${index + 1}`).join('\n');
        const wrong = texts.findIndex((line, index) => line !== `run|line ${index + 1}`);
        const found = `${texts.length} lines, the last: ${texts.at(-1)}, the first wrong one: ${texts[wrong]}; ${log?.reason}`;
        assert.ok(texts.join('\n') === all, found);

        const whole = await parts.logs('noisy', '--store', path).ended;
        assert.ok(whole.stdout === `${all.replaceAll('run|', '')}\n`, whole.stderr);
        const part = await parts.logs('noisy').ended;
        assert.match(part.stdout, 'left out');
        assert.match(part.stderr, 'the whole log is in the artifact store');

        const small = await run(parts, 'small', { run: 'echo little' });
        assert.is(small.log?.upload, undefined, 'nothing of it is missing on the ledger');
      });
      const lost = { ...keeper, openStore: async () => createDirectoryStore(join(path, 'nowhere'), Date.now) };
      await withJobs({ keeper: lost }, async (parts) => {
        const outcome = await run(parts, 'unstored', { logs: { upload: 'always' }, run: 'echo x' });
        assert.is(outcome.result, 'succeeded');
        assert.is(outcome.log?.upload?.complete, false);
        assert.match(outcome.log?.upload?.reason ?? '', 'the artifact store is not there');
      });
    } finally {
      await remove();
      await removeFolder();
    }
  });

  test('logs -f shows a run live: waits while it is queued and says for what, and ends with it', async () => {
    await withJobs({}, async (parts) => {
      const { jobs, controller, namespace, logs } = parts;
      await secretIn(namespace, { token: 'hunter22-hunter22' });
      await jobs.commit({
        live: {
          env: { TOKEN: { secret: { name: 'report', key: 'token' } } },
          resources: { requests: { memory: '9000Gi' } },
          run: 'echo never',
        },
        shown: {
          services: { web: { image: 'busybox:1.36', command: ['sh', '-c', 'echo serving $((6*7)); sleep 600'] } },
          env: { TOKEN: { secret: { name: 'report', key: 'token' } } },
          steps: [
            { name: 'first', run: `echo "begun $TOKEN"; while ! test -e ${GO}; do sleep 0.2; done; echo middle` },
            { name: 'second', run: 'echo "at the end"; sleep 1; echo bye' },
          ],
        },
      });
      const settling = controller.settle();
      await podWhen(world, namespace, 'live', 'is there', () => true);
      const queued = logs('live', '-f');
      let told = '';
      queued.child.stderr?.on('data', (chunk: Buffer) => (told += chunk.toString()));
      await eventually(
        'what it waits for is said',
        () => /live #1 is queued: its pod waits for a node: .*Insufficient memory/.test(told),
        60_000,
      );
      queued.child.kill('SIGINT');
      assert.is((await queued.ended).code, 130);

      const pod = await podWhen(world, namespace, 'shown', 'is at work', ({ status }) => status?.phase === 'Running');
      const [whole, second] = [logs('shown', '-f'), logs('shown', '-f', '--step', 'second', '--timestamps')];
      /** What there is, without waiting for more, once there is something. */
      const now = async (...args: readonly string[]): Promise<string> => {
        let { stdout, stderr } = { stdout: '', stderr: '' };
        const look = async () => ({ stdout, stderr } = await logs(...args).ended).stdout !== '';
        await eventually('something of it can be read', look, 60_000).catch((error: unknown) => {
          throw new Error(stderr, { cause: error });
        });
        return stdout;
      };
      assert.is(await now('shown', '--service', 'web'), 'serving 42\n');
      assert.is(await now('shown'), 'begun ***\n');
      const first = { namespace, pod: pod.metadata?.name ?? '', container: 'first', command: ['touch', GO] };
      const { ended: touched } = await execInPod(first, { kubeconfig: world.kubeconfig, env: {} }, signal);
      await touched;
      assert.is((await whole.ended).stdout, 'begun ***\nmiddle\nat the end\nbye\n');
      assert.match((await second.ended).stdout, /^\S+Z second stdout at the end\n\S+Z second stdout bye\n$/);
      const { shown } = await outcomesOf(controller, ['shown']);
      assert.is(shown?.result, 'succeeded');

      const stored = await logs('shown', '--run', '1', '--step', 'first').ended;
      assert.is(stored.stdout, 'begun ***\nmiddle\n', 'from the ledger afterwards');
      assert.is((await logs('shown', '--since', '1h').ended).stdout, 'begun ***\nmiddle\nat the end\nbye\n');
      assert.is((await logs('shown', '--since', '2050-01-01T00:00:00Z').ended).stdout, '');
      assert.is((await logs('shown', '--task', 'nope').ended).code, 2);
      controller.stop();
      await settling;
    });
  });

  test('a new leader reads what the one before has read, and nothing is there twice', async () => {
    await withJobs({}, async (parts) => {
      const { jobs, controller, namespace, options } = parts;
      await jobs.commit({
        handed: { run: 'i=0; echo up; while [ $i -lt 60 ]; do i=$((i+1)); echo "line $i"; sleep 0.2; done' },
      });
      const settling = controller.settle();
      await podAtWork(world, namespace, 'handed');
      controller.stop();
      await settling;
      await controller.close();
      const next = await openController(world, options);
      try {
        await next.settle();
        const { handed } = await outcomesOf(next, ['handed']);
        const texts = textsOf(await logOf({ ...parts, controller: next }, handed!));
        assert.equal(texts, ['run|up', ...Array.from({ length: 60 }, (_, index) => `run|line ${index + 1}`)]);
        assert.is(handed?.log?.complete, true);
      } finally {
        await next.close();
      }
    });
  });

  test('a pod whose log is gone leaves an outcome that says so', async () => {
    await withJobs({}, async (parts) => {
      const { jobs, controller, namespace } = parts;
      await jobs.commit({ gone: { run: 'echo up; sleep 600' } });
      const settling = controller.settle();
      const pod = await podAtWork(world, namespace, 'gone');
      controller.stop(); // nobody reads while the pod goes
      await settling;
      await controller.close();
      const { name = '' } = pod.metadata ?? {};
      await deleteObject(cluster, pods, { name, namespace }, { signal, gracePeriodSeconds: 1 });
      await podWhen(
        world,
        namespace,
        'gone',
        'has ended',
        ({ status }) => status?.phase === 'Failed' || status?.phase === 'Succeeded',
      );
      // The kubelet drops the log of a deleted pod a moment after its containers have ended.
      await eventually(
        'its log is gone',
        async () => {
          const path = `/api/v1/namespaces/${namespace}/pods/${name}/log`;
          const text = await cluster.stream({ method: 'GET', path, doing: 'reading', repeat: 'safe', signal }).then(
            async (stream) => {
              let all = '';
              for await (const chunk of stream) all += String(chunk);
              return all;
            },
            () => '',
          );
          return !/^up$/m.test(text);
        },
        60_000,
      );
      const next = await openController(world, parts.options);
      try {
        await next.settle();
        const { gone } = await outcomesOf(next, ['gone']);
        assert.is(gone?.reason, 'PodDeleted');
        assert.is(gone?.log?.complete, false);
        assert.match(gone?.log?.reason ?? '', 'the log of step "run" could not be read to its end');
      } finally {
        await next.close();
      }
    });
  });
}

test('a service, a time and a task that can not be shown are refused with words', async () => {
  const { path, remove } = await temporaryDirectory();
  try {
    const since = await cli(['logs', 'x', '--since', 'yesterday'], { cwd: path });
    assert.is(since.code, 2);
    assert.match(since.stderr, '--since yesterday: that is neither a duration nor a time');
  } finally {
    await remove();
  }
});

test.run();
