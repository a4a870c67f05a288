// test-timeout: 240s
/** `watch`, `top` and `artifacts --live` of what runs in a cluster, while something else reconciles. */
import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execInPod } from '../../src/runner/kubernetes/exec.ts';
import { listObjects } from '../../src/runner/kubernetes/objects.ts';
import { pods } from '../../src/runner/kubernetes/wire.ts';
import type { Why } from '../../src/cli/why.ts';
import { validators, type WatchEvent } from '../../src/schemas/index.ts';
import { createJobs, openController } from '../runner/kubernetes/world.ts';
import { cli, startCli } from '../support/cli.ts';
import { eventually, openTestCluster, type TestCluster } from '../support/cluster.ts';

const it = await openTestCluster('live');
if (it) tests(it);

/** Leaves a file, and goes on until somebody puts another one beside it. */
const SCRIPT = 'echo one >"$RUNLEDGER_OUTPUT/1.txt"\nwhile [ ! -e "$RUNLEDGER_OUTPUT/stop" ]; do sleep 0.1; done';

function tests(world: TestCluster): void {
  const test = suite('what runs in a cluster');
  const { namespace, kubeconfig, cluster, signal } = world;
  test.after(() => world.remove());

  test('watch, top, and the output folders of a plain and of a gated pod', async () => {
    const jobs = await createJobs('live');
    await jobs.commit({
      plain: { run: SCRIPT },
      gated: {
        steps: [
          { name: 'first', run: SCRIPT },
          { name: 'second', run: 'true' },
        ],
      },
    });
    const controller = await openController(world, { target: jobs.folder, namespace, source: 'live' });
    const where = ['--runner', 'kubernetes', '--kubeconfig', kubeconfig, '-n', namespace];
    const run = (...args: readonly string[]) => cli([...args, ...where], { cwd: jobs.folder });
    const watch = startCli(['watch', '-o', 'json', ...where], { cwd: jobs.folder });
    let seen = '';
    watch.child.stdout?.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    const events = (): readonly WatchEvent[] =>
      seen
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as WatchEvent);
    const find = (type: string, job: string) => events().find((event) => event.type === type && event.job === job);
    try {
      const settled = controller.settle();
      for (const job of ['plain', 'gated'])
        await eventually(`${job} to have started`, () => find('started', job), 60_000);
      const top = await run('top');
      assert.match(top.stdout, /^2 runs active, 2 tasks, 0 queued/, top.stderr);
      assert.match(top.stdout, /^plain +#1 +default +1 +running +\S+ +node$/m);
      const machine = JSON.parse((await run('top', '-o', 'json')).stdout) as {
        runs: { job: string; tasks: object[] }[];
      };
      assert.equal(machine.runs.map(({ job, tasks }) => `${job} ${tasks.length}`).toSorted(), ['gated 1', 'plain 1']);
      const why = JSON.parse((await run('why', 'plain', '-o', 'json')).stdout) as Why;
      assert.is(why.now?.message, 'nothing: run 1 is running');
      assert.equal(
        why.going.map(({ run: number, state }) => `${number} ${state}`),
        ['1 running'],
      );
      const release = ['release', '--kubeconfig', kubeconfig, '-n', namespace, '-o', 'json'];
      const held = await cli(release, { cwd: jobs.folder });
      assert.is(held.code, 2, 'it wants --yes');
      const { released, runs } = JSON.parse(held.stdout) as { released: boolean; runs: { job: string }[] };
      assert.is(released, false);
      assert.equal(runs.map(({ job }) => job).toSorted(), ['gated', 'plain']);
      for (const job of ['plain', 'gated']) {
        const { code, stdout, stderr } = await run('artifacts', job, '--live');
        assert.is(code, 0, stderr);
        const one = spawnSync('tar', ['-xOf', '-', './1.txt'], { input: stdout, encoding: 'utf8' });
        assert.is(one.stdout, 'one\n', one.stderr);
      }
      const { items } = await listObjects(cluster, pods, { namespace }, { signal });
      for (const { metadata, spec } of items) {
        const command = ['touch', '/runledger/output/stop'];
        const target = { namespace, pod: metadata?.name ?? '', container: spec?.containers[0]?.name ?? '', command };
        await (
          await execInPod(target, { kubeconfig, env: {} }, signal)
        ).ended;
      }
      const { outcomes } = await settled;
      assert.equal(
        outcomes.map(({ result }) => result),
        ['succeeded', 'succeeded'],
      );
      for (const job of ['plain', 'gated'])
        await eventually(`${job} to have finished`, () => find('finished', job), 60_000);
      for (const event of events())
        assert.ok(validators.watchevent(event), JSON.stringify([event, validators.watchevent.errors]));
      const { pod, node, attempt } = find('started', 'plain')!;
      assert.equal([pod?.startsWith('plain-1-'), node, attempt], [true, 'node', 1]);
      for (const job of ['plain', 'gated']) {
        const types = events().flatMap((event) => (event.job === job && event.type !== 'ended' ? [event.type] : []));
        assert.equal(types, ['queued', 'started', 'finished']);
      }
      // Claims are there for another hour, and yet nothing runs.
      assert.match((await run('top')).stdout, /^0 runs active, 0 tasks, 0 queued, 2 ended within an hour/);
    } finally {
      watch.child.kill('SIGINT');
      assert.is((await watch.ended).code, 130);
      await controller.close();
      await jobs.remove();
    }
  });

  test('a command that fails says why; a container that there is not, too', async () => {
    const at = (pod: string, command: readonly string[]) =>
      execInPod({ namespace, pod, container: 'run', command }, { kubeconfig, env: {} }, signal);
    const missing = await at('no-such-pod', ['true']).then(
      () => undefined,
      (error: Error) => error,
    );
    assert.match(missing?.message ?? '', /running true in pod "no-such-pod" of namespace "[^"]+"/);
  });

  test.run();
}
