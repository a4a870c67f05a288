// test-timeout: 600s
/** The image and the manifests as they are shipped, on a real cluster, with a repository on a real forge. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load, loadAll } from 'js-yaml';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readConfig } from '../../src/cli/config.ts';
import { eventually } from '../support/cluster.ts';
import { auditedCreations, auditedRefusals } from './audit.ts';
import { examples, findWorld, isReady, kubectl, MANIFESTS, openWorld, type Parts, type World } from './world.ts';

interface Outcome {
  readonly job: string;
  readonly run: number;
  readonly result: string;
  readonly by: { readonly epoch?: number };
}

const found = await findWorld();
if (found) await tests(found);

/** A job of one step, or of three behind gates, that takes some seconds. */
const slowJob = (name: string, text: string, seconds: number, steps: number): string => `
apiVersion: runledger.dev/v1
kind: Job
metadata: { name: ${name} }
spec:
  image: busybox:1.36
  steps:
${Array.from({ length: steps }, (_, at) => `    - { name: step-${at}, run: "echo ${text}; sleep ${seconds / steps}" }`).join('\n')}
`;

/** Files with jobs of the given name; every second one has three steps. */
const slowJobs = (prefix: string, count: number, seconds: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [
      `${prefix}-${at}.yaml`,
      slowJob(`${prefix}-${at}`, prefix, seconds, at % 2 === 0 ? 1 : 3),
    ]),
  );

/** Waits until the ledger holds an outcome of run 1 of every job, and returns the outcomes. */
async function recorded(world: World, jobs: readonly string[], limitMs: number): Promise<readonly Outcome[]> {
  const isOf = (file: string): boolean => jobs.some((job) => file.endsWith(`/${job}/1.yaml`));
  const files = await eventually(
    `outcomes of ${jobs.join(', ')}`,
    async () => {
      const there = (await world.outcomes()).filter(isOf);
      return there.length === jobs.length && there;
    },
    limitMs,
  ).catch(async (error: unknown) => {
    throw new Error(`${String(error)}; there are: ${(await world.outcomes()).join(', ')}\n${await world.logs()}`);
  });
  return Promise.all(files.map(async (file) => load(await world.readLedger(file)) as Outcome));
}

/** Exactly once: one outcome a run, written by one commit and never again; one pod a run, ever. */
async function assertExactlyOnce(world: World, runs: number): Promise<void> {
  const files = await world.outcomes();
  assert.is(files.length, runs, `outcomes: ${files.join(', ')}`);
  const history = await world.ledgerGit('log', '--format=', '--name-status', 'ledger');
  const writes = history.split('\n').filter((line) => /\/\d+\.yaml$/.test(line));
  assert.equal(
    writes.filter((line) => !line.startsWith('A\t')),
    [],
    'outcomes that were written again',
  );
  assert.is(writes.length, runs);
  const pods = [...world.creations.byName()];
  assert.equal(
    pods.filter(([, uids]) => uids.size !== 1).map(([name]) => name),
    [],
    'pods that were created twice',
  );
  assert.is(pods.length, runs, `pods: ${pods.map(([name]) => name).join(', ')}`);
  const audit = process.env['RUNLEDGER_TEST_AUDIT_LOG'];
  if (!audit) return;
  const created = await auditedCreations(audit, world.jobsNamespace);
  assert.is(created.length, runs, 'pods that the API server created, by its audit log');
  assert.is(new Set(created).size, runs);
}

async function tests(parts: Parts): Promise<void> {
  const test = suite<{ world: World; runs: number }>('e2e', { world: await openWorld(parts), runs: 0 });
  test.after(({ world }) => world.remove());

  test('the manifests and the example overlay are valid, and what they name is shipped', async ({ world }) => {
    const { version } = JSON.parse(await readFile(path.join(MANIFESTS, '../package.json'), 'utf8')) as {
      version: string;
    };
    assert.match(await kubectl(['kustomize', MANIFESTS]), `image: ghcr.io/runledger/runledger:${version}\n`);
    await readConfig(path.join(MANIFESTS, 'examples/overlay/config.yaml'));
    const names: Readonly<Record<string, string>> = {
      runledger: world.controllerNamespace,
      'runledger-jobs': world.jobsNamespace,
    };
    for (const folder of [MANIFESTS, path.join(MANIFESTS, 'examples/overlay')]) {
      const items = (loadAll(await kubectl(['kustomize', folder])) as ManifestObject[]).map((object) => {
        const { metadata } = object;
        if (object.kind === 'Namespace') metadata.name = names[metadata.name] ?? '';
        else if (metadata.namespace !== undefined) metadata.namespace = names[metadata.namespace] ?? '';
        return object;
      });
      const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
      const said = await kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], list);
      assert.is(said.trim().split('\n').length, items.length);
    }
  });

  test('a push brings the outcomes of the examples, by the webhook alone', async (context) => {
    const { world } = context;
    const files = await examples();
    await world.push(files);
    const jobs = ['config-lint', 'hello', 'nightly-report', 'smoke-test'];
    context.runs += jobs.length;
    const outcomes = await recorded(world, jobs, 90_000);
    const results = Object.fromEntries(outcomes.map(({ job, result }) => [job, result]));
    assert.equal(results, {
      'config-lint': 'warning',
      hello: 'succeeded',
      'nightly-report': 'succeeded',
      'smoke-test': 'failed',
    });
    await assertExactlyOnce(world, context.runs);
    await eventually('the webhook of the push to the ledger to be ignored', async () =>
      (await world.logs()).includes('"verdict":"otherBranch"'),
    );
  });

  test('every replica takes webhooks', async (context) => {
    const { world } = context;
    const took: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      const pushed = performance.now();
      await world.push({ 'small.yaml': slowJob(`small-${round}`, 'small', 0, 1) });
      context.runs += 1;
      await recorded(world, [`small-${round}`], 60_000);
      took.push(Math.round(performance.now() - pushed));
    }
    console.log(`# from a push to its outcome on the ledger: ${took.join(', ')} ms`);
  });

  test('pods check out their revision, whichever replica they ask', async (context) => {
    const { world } = context;
    const names = Array.from({ length: 6 }, (_, at) => `checkout-${at}`);
    const manifest = (name: string): string => `
apiVersion: runledger.dev/v1
kind: Job
metadata: { name: ${name} }
spec: { image: busybox:1.36, checkout: [data], run: "grep -r of-the-revision data && test ! -e checkout-0.yaml" }
`;
    const jobs = Object.fromEntries(names.map((name) => [`${name}.yaml`, manifest(name)]));
    await world.push({ ...jobs, 'data/a.txt': 'of-the-revision' });
    context.runs += names.length;
    const outcomes = await recorded(world, names, 120_000);
    assert.equal(
      outcomes.map(({ result }) => result),
      names.map(() => 'succeeded'),
    );
  });

  const takeOver = async (
    context: { world: World; runs: number },
    prefix: string,
    seconds: number,
    end: (world: World, leader: Awaited<ReturnType<World['leader']>>) => Promise<unknown>,
  ): Promise<number> => {
    const { world } = context;
    await eventually(
      'two controllers',
      async () => (await world.pods(world.controllerNamespace)).filter(isReady).length === 2,
      60_000,
    );
    const leader = await world.leader();
    const before = await world.holder();
    const files = slowJobs(prefix, 6, seconds);
    const jobs = Object.keys(files).map((file) => file.replace('.yaml', ''));
    context.runs += jobs.length;
    await world.push(files);
    const isOurs = (name: string): boolean => name.startsWith(prefix);
    await eventually(
      'the middle of the runs',
      async () => {
        const running = (await world.pods(world.jobsNamespace)).filter(
          ({ metadata, status }) => isOurs(metadata.name) && status.phase === 'Running',
        );
        const made = [...world.creations.byName().keys()].filter(isOurs);
        return made.length === jobs.length && running.length >= 2;
      },
      60_000,
    );
    const killed = performance.now();
    await end(world, leader);
    await eventually(
      'another leader',
      async () => {
        const holder = await world.holder();
        return holder !== '' && holder !== before;
      },
      60_000,
    );
    const took = performance.now() - killed;
    const outcomes = await recorded(world, jobs, 120_000);
    assert.equal(new Set(outcomes.map(({ result }) => result)), new Set(['succeeded']));
    await assertExactlyOnce(world, context.runs);
    return took;
  };

  test('the leader is killed: the other takes over, every run is recorded once', async (context) => {
    const took = await takeOver(context, 'killed', 12, (world, leader) => world.kill(leader));
    console.log(`# taken over ${Math.round(took)} ms after SIGKILL`);
  });

  test('the pod of the leader is removed by force', async (context) => {
    const took = await takeOver(context, 'forced', 12, (world, { metadata }) =>
      kubectl(['-n', world.controllerNamespace, 'delete', 'pod', metadata.name, '--grace-period=0', '--force']),
    );
    console.log(`# taken over ${Math.round(took)} ms after a forced deletion`);
  });

  test('the leader is stopped in good order', async (context) => {
    const took = await takeOver(context, 'stopped', 12, (world, { metadata }) =>
      kubectl(['-n', world.controllerNamespace, 'delete', 'pod', metadata.name, '--wait=false']),
    );
    console.log(`# taken over ${Math.round(took)} ms after a graceful stop`);
  });

  test('nothing but claims is left in the namespace of the jobs', async ({ world }) => {
    const { jobsNamespace } = world;
    await eventually('pods and payloads to go', async () => {
      const selector = 'app.kubernetes.io/managed-by=runledger,app.kubernetes.io/component!=claim';
      const left = await kubectl(['-n', jobsNamespace, 'get', 'pods,configmaps', '-l', selector, '-o', 'name']);
      return left.trim() === '';
    });
  });

  test('the page of the ledger lists all jobs', async ({ world }) => {
    const listed = ['nightly-report', 'killed-0', 'stopped-5'];
    await eventually(
      'the page to be written',
      async () => {
        const page = await world.readLedger('README.md');
        return listed.every((job) => page.includes(job));
      },
      90_000,
    );
  });

  test('the shipped Role suffices', async ({ world }) => {
    assert.not.match(await world.logs(), /forbidden/i);
    const audit = process.env['RUNLEDGER_TEST_AUDIT_LOG'];
    if (!audit) return;
    assert.equal(await auditedRefusals(audit, world.account), []);
  });

  test.run();
}

interface ManifestObject {
  readonly kind: string;
  readonly metadata: { name: string; namespace?: string };
}
