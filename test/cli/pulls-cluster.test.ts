// test-timeout: 300s
/** A controller that follows pull requests: a real forge, a real cluster, real pods. */
import { dump } from 'js-yaml';
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { approvalLine } from '../../src/forge/trust.ts';
import { bucketOf } from '../../src/ledger/layout.ts';
import { listObjects } from '../../src/runner/kubernetes/objects.ts';
import { configMaps, nodes, pods, secrets } from '../../src/runner/kubernetes/wire.ts';
import { job, openPullWorld } from '../action/world.ts';
import { eventually, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { startCli, type CliResult } from '../support/cli.ts';
import { findForge, type Forge } from '../support/forge.ts';
import { git } from '../support/git.ts';

const image = process.env['RUNLEDGER_TEST_IMAGE'];
if (!image) console.log('# skipped: no image for checkouts (set RUNLEDGER_TEST_IMAGE to an image of the Dockerfile)');
/** Without runledger's image no pod gets files; all the rest is the same. */
const [CHECKOUT, SHOW] = image ? ['true', 'cat src/a.txt'] : ['false', 'echo no files'];

const on = (paths: string): string => `on: { pullRequest: { paths: ["${paths}"] } }`;
const SLOW = job(
  'slow',
  `${on('slow/**')}\ncheckout: false\ntimeouts: { grace: 1s }\nimage: busybox:1.36\nrun: sleep 300`,
);
const check = (said: string): string =>
  job(
    'check',
    `${on('src/**')}\ncheckout: ${CHECKOUT}\ntimeouts: { grace: 1s }\nimage: busybox:1.36\nrun: |\n  ${SHOW}\n  ${said}`,
  );
const FILES = {
  'jobs/check.yaml': check('echo by the base'),
  'jobs/slow.yaml': SLOW,
  'jobs/publish.yaml': job(
    'publish',
    `${on('publish/**')}\ncheckout: false\nimage: busybox:1.36\nenv: { T: { secret: { name: chat, key: token } } }\nrun: echo published`,
  ),
  'src/a.txt': 'from the base\n',
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** An address of this machine that pods reach. */
async function ownHost({ cluster, signal }: TestCluster): Promise<string> {
  const own = Object.values(networkInterfaces()).flatMap((all = []) => all.filter(({ internal }) => !internal));
  const { items } = await listObjects(cluster, nodes, {}, { signal });
  const ofNodes = new Set(items.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)));
  return (own.find(({ address }) => ofNodes.has(address)) ?? own[0])?.address ?? '127.0.0.1';
}

async function define(cluster: TestCluster, forge: Forge): Promise<void> {
  const test = suite('a controller and pull requests');
  const { namespace, kubeconfig, signal } = cluster;
  const world = await openPullWorld(forge, FILES);
  const host = await ownHost(cluster);
  const running = new Set<ChildProcess>();
  test.after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await world.close();
    await cluster.remove();
  });

  const start = async () => {
    const port = await freePort();
    const file = join(world.folder, `config-${port}.yaml`);
    const source = {
      name: 'platform',
      url: `${forge.url}/${forge.user}/${world.name}.git`,
      path: 'jobs',
      namespace,
      interval: '1s',
      auth: { tokenFrom: { env: 'TOKEN' } },
      forge: { kind: 'gitea' },
      statuses: true,
      pullRequests: true,
    };
    await writeFile(file, dump({ apiVersion: 'runledger.dev/v1', kind: 'Config', sources: [source] }));
    const args = ['--kubeconfig', kubeconfig, '--lease-namespace', namespace, '--listen', `0.0.0.0:${port}`];
    if (image) args.push('--image', image, '--address', `http://${host}:${port}`);
    const { child, ended } = startCli(['controller', '--config', file, ...args], {
      cwd: world.folder,
      env: { TOKEN: forge.token },
    });
    let said = '';
    running.add(child);
    void ended.then(() => running.delete(child));
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    return {
      address: `http://127.0.0.1:${port}`,
      said: () => said,
      stop: (): Promise<CliResult> => (child.kill('SIGTERM'), ended),
    };
  };
  type Controller = Awaited<ReturnType<typeof start>>;
  let controller: Controller = await start();
  const seen = <T>(what: string, look: () => Promise<T> | T) =>
    eventually(what, look, 60_000).catch((error: Error) => {
      throw new Error(`${error.message}\n${controller.said().split('\n').slice(-40).join('\n')}`);
    });

  const branch = (name: string) => git(world.clone, 'checkout', '--quiet', '-B', name, 'main');
  const content = async (path: string, ref: string): Promise<string> => {
    const found = (await forge.api('GET', `${world.path}/contents/${path}?ref=${encodeURIComponent(ref)}`)) as {
      content: string;
    };
    return Buffer.from(found.content, 'base64').toString();
  };
  const onLedger = (number: number, name: string, file: string): Promise<string> =>
    content(`jobs/${bucketOf(name)}/${name}/${file}`, `runledger/pr/${number}`);
  const statusOf = async (sha: string, name: string): Promise<string | undefined> =>
    (await world.statuses(sha)).find((status) => status.startsWith(`runledger/platform/${name} `))?.split(' ')[1];
  const comment = async (number: number, ...texts: readonly string[]) =>
    seen(`a comment on ${number} that says ${texts.join(', ')}`, async () => {
      const ours = (await world.comments(number)).filter(({ body }) => body.startsWith('<!-- runledger:source '));
      assert.ok(ours.length <= 1, 'one comment');
      return ours.find(({ body }) => texts.every((text) => body.replaceAll('\\', '').includes(text)));
    });
  /** Pods, payloads and tokens of a pull request; a claim stays for an hour, as that of any run. */
  const left = async (number: number) => {
    const labelSelector = `runledger.dev/source=platform.pr-${number}`;
    const of = async (kind: typeof pods | typeof configMaps | typeof secrets) =>
      (await listObjects(cluster.cluster, kind as typeof pods, { namespace, labelSelector }, { signal })).items;
    const maps = await of(configMaps);
    return {
      pods: await of(pods),
      payloads: maps.filter(({ metadata }) => metadata?.labels?.['app.kubernetes.io/component'] === 'payload'),
      tokens: await of(secrets),
    };
  };
  const podOf = (number: number) =>
    seen(`a running pod of ${number}`, async () =>
      (await left(number)).pods.find(({ status }) => status?.phase === 'Running'),
    );
  const allGone = (number: number) =>
    seen(`nothing of ${number} to be left`, async () => {
      const { pods: running, payloads, tokens } = await left(number);
      return running.length + payloads.length + tokens.length === 0;
    });

  test('the head of a branch runs by its own jobs, and a newer push takes its place', async () => {
    await branch('change');
    const first = await world.push({ 'src/a.txt': 'of the head\n', 'jobs/check.yaml': check('sleep 300') }, 'change');
    const number = await world.pull('change');
    const pod = await podOf(number);
    await seen('the status of what runs', async () => (await statusOf(first, 'check')) === 'pending');

    const second = await world.push({ 'jobs/check.yaml': check('echo by the head') }, 'change');
    await seen('the status of the second head', async () => (await statusOf(second, 'check')) === 'success');
    const told = await comment(number, second, 'check run 2', 'succeeded');
    assert.match(await onLedger(number, 'check', '1.yaml'), /result: cancelled\nreason: Superseded/);
    assert.match(await onLedger(number, 'check', '2.1.log'), image ? /of the head[^]*by the head/ : /by the head/);
    assert.is(await statusOf(first, 'check'), 'error');
    assert.equal(await world.branches(), ['change', 'main', `runledger/pr/${number}`], 'and no ledger of main');
    const { pods: after } = await left(number);
    assert.ok(after.every(({ metadata }) => metadata?.uid !== pod.metadata?.uid));

    const third = await world.push({ 'jobs/check.yaml': check('exit 3') }, 'change');
    const again = await comment(number, third, 'check run 3', 'failed');
    assert.is(again.id, told.id);
    assert.is(await statusOf(third, 'check'), 'failure');
    await allGone(number);
    const metrics = await (await fetch(`${controller.address}/metrics`)).text();
    assert.match(metrics, 'runledger_runs_started_total{source="platform",trigger="pullRequest"} 3');
    assert.not.match(metrics, 'pr-');
  });

  test('of a fork nobody has approved, the jobs of the base run with its files, once it is approved its own', async () => {
    await branch('evil');
    const fork = await world.fork();
    const head = await world.push(
      { 'src/a.txt': 'of the fork\n', 'publish/1': '1', 'jobs/check.yaml': check('echo by the fork') },
      'evil',
      fork,
    );
    const number = await world.pull(`${fork.split('/')[0]}:evil`);
    const told = await comment(
      number,
      'nobody has approved',
      approvalLine(head),
      'spec.env.T',
      'jobs/check.yaml',
      'check run 1',
    );
    const log = await onLedger(number, 'check', '1.1.log');
    assert.match(log, image ? /of the fork[^]*by the base/ : /by the base/);
    assert.not.match(log, 'by the fork');
    assert.match(await onLedger(number, 'check', '1.yaml'), 'definitions: base');
    assert.is(await statusOf(head, 'publish'), 'failure');
    assert.is(await statusOf(head, 'check'), 'success');

    await world.comment(number, approvalLine(head));
    const approved = await comment(number, `${forge.user} has approved`, 'check run 2');
    assert.is(approved.id, told.id);
    assert.match(await onLedger(number, 'check', '2.1.log'), 'by the fork');
  });

  test('what runs is adopted by the next leader; what runs for a pull request that is closed ends', async () => {
    await branch('one');
    await world.push({ 'slow/1': '1' }, 'one');
    await branch('two');
    await world.push({ 'slow/2': '2' }, 'two');
    const [one, two] = [await world.pull('one'), await world.pull('two')];
    const [ofOne, ofTwo] = [await podOf(one), await podOf(two)];
    assert.is((await controller.stop()).code, 0);
    await forge.api('PATCH', `${world.path}/pulls/${two}`, { state: 'closed' });
    controller = await start();
    await seen('the outcome of the closed one', () => onLedger(two, 'slow', '1.yaml').catch(() => undefined)).then(
      (text) => assert.match(text, /result: cancelled\nreason: PullRequestClosed/),
    );
    await allGone(two);
    const still = await podOf(one);
    assert.is(still.metadata?.uid, ofOne.metadata?.uid);
    assert.is.not(ofTwo.metadata?.uid, undefined);

    await forge.api('PATCH', `${world.path}/pulls/${one}`, { state: 'closed' });
    await seen('its outcome', () => onLedger(one, 'slow', '1.yaml').catch(() => undefined)).then((text) =>
      assert.match(text, /result: cancelled\nreason: PullRequestClosed/),
    );
    await allGone(one);
    const { code, stderr } = await controller.stop();
    assert.is(code, 0, stderr);
    assert.not.match(stderr, new RegExp(forge.token));
  });

  test.run();
}

const forge = findForge();
const cluster = forge ? await openTestCluster('pulls') : undefined;
if (forge && cluster) await define(cluster, forge);
