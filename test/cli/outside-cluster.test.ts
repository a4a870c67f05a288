// test-timeout: 300s
/** What the controller tells others, as a process: statuses on a real forge, notifications to servers that hang and fail. */
import { dump } from 'js-yaml';
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bucketOf } from '../../src/ledger/layout.ts';
import { startCli, type CliResult } from '../support/cli.ts';
import { startApiServer } from '../support/api-server.ts';
import { eventually, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { findForge, type Forge } from '../support/forge.ts';
import { temporaryDirectory } from '../support/git.ts';

interface Status {
  readonly id: number;
  readonly context: string;
  readonly status: string;
  readonly description: string;
  readonly target_url: string;
}

const manifest = (name: string, run: string, needs: readonly string[] = []): string =>
  dump({
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    metadata: { name },
    spec: { image: 'busybox:1.36', run, ...(needs.length > 0 ? { needs } : {}) },
  });

async function tests(world: TestCluster, forge: Forge): Promise<void> {
  const { namespace, kubeconfig } = world;
  const test = suite('telling others');
  const directory = await temporaryDirectory();
  const [good, hanging, broken] = [await startApiServer(), await startApiServer(), await startApiServer()];
  const { name, url } = await forge.createRepository('runledger-statuses');
  const repository = `/repos/${forge.user}/${name}`;
  test.after(async () => {
    for (const server of [good, hanging, broken]) await server.close();
    await forge.deleteRepository(name).catch(() => undefined);
    await world.remove();
    await directory.remove();
  });

  const running = new Set<ChildProcess>();
  test.after.each(() => {
    for (const child of running) child.kill('SIGKILL');
  });

  const commit = async (files: Readonly<Record<string, string>>): Promise<string> => {
    const changes = Object.entries(files).map(([file, content]) => ({
      operation: 'create',
      path: file,
      content: Buffer.from(content).toString('base64'),
    }));
    const made = await forge.api('POST', `${repository}/contents`, { branch: 'main', message: 'jobs', files: changes });
    return (made as { commit: { sha: string } }).commit.sha;
  };
  /** All that were ever set, newest first. */
  const statuses = async (sha: string): Promise<readonly Status[]> =>
    (await forge.api('GET', `${repository}/commits/${sha}/statuses?limit=50`)) as readonly Status[];
  const newest = async (sha: string): Promise<ReadonlyMap<string, Status>> =>
    new Map((await statuses(sha)).toSorted((a, b) => a.id - b.id).map((one) => [one.context, one]));

  const SECRET_PATH = 'a-secret-of-the-address';
  const env = { TOKEN: forge.token, GOOD: `${good.url}/${SECRET_PATH}`, HANGING: hanging.url, BROKEN: broken.url };
  const start = async (source: object, more: object = {}) => {
    const file = path.join(directory.path, 'config.yaml');
    const auth = { tokenFrom: { env: 'TOKEN' } };
    const sources = [{ name: 'platform', url, namespace, auth, forge: { kind: 'gitea' }, interval: '1s', ...source }];
    await writeFile(file, dump({ apiVersion: 'runledger.dev/v1', kind: 'Config', sources, ...more }));
    const args = ['--kubeconfig', kubeconfig, '--lease-namespace', namespace, '--listen', '127.0.0.1:0'];
    const { child, ended } = startCli(['controller', '--config', file, ...args], { cwd: directory.path, env });
    let said = '';
    running.add(child);
    void ended.then(() => running.delete(child));
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    return {
      says: (pattern: RegExp) => eventually(`it to say ${pattern}`, () => pattern.exec(said), 90_000),
      stop: (): Promise<CliResult> => (child.kill('SIGTERM'), ended),
    };
  };

  test('a job that nobody has told of yet is told of by the next controller, once', async () => {
    const sha = await commit({ 'early.yaml': manifest('early', 'exit 3') });
    const silent = await start({});
    await silent.says(/"job":"early","run":1,.*"msg":"recorded"/);
    assert.is((await silent.stop()).code, 0);
    assert.equal(await statuses(sha), []);

    const second = await start({ statuses: true });
    const told = await eventually(
      'the status',
      async () => (await newest(sha)).get('runledger/platform/early'),
      60_000,
    );
    assert.is(told.status, 'failure');
    assert.match(told.description, /^failed in .*: .*exit code 3/);
    const page = `${forge.url}/${forge.user}/${name}/src/branch/runledger/status/jobs/${bucketOf('early')}/early/1.yaml`;
    assert.is(told.target_url, page);
    const file = `jobs/${bucketOf('early')}/early/1.yaml`;
    await forge.api('GET', `${repository}/contents/${file}?ref=runledger/status`); // throws where it is not there
    await second.stop();

    const third = await start({ statuses: true });
    // What it does is over when a run that came after it is told of.
    const later = await commit({ 'later.yaml': manifest('later', 'true') });
    await eventually(
      'the later one',
      async () => (await newest(later)).get('runledger/platform/later')?.status === 'success' || undefined,
      90_000,
    );
    await third.stop();
    assert.is((await statuses(sha)).length, 1);
  });

  test('statuses and notifications of a commit; receivers that hang or fail keep nobody up', async () => {
    good.answer(() => ({ status: 200, body: 'ok' }));
    hanging.answer(() => 'hang');
    let failures = 2;
    broken.answer(() =>
      failures-- > 1
        ? { status: 500 }
        : failures === 0
          ? { status: 429, headers: { 'retry-after': '1' } }
          : { status: 200 },
    );
    const on = ['changed', 'succeeded'];
    const controller = await start(
      { statuses: true },
      {
        notifications: [
          { urlFrom: { env: 'HANGING' }, on },
          { urlFrom: { env: 'GOOD' }, format: 'slack', on },
          { urlFrom: { env: 'BROKEN' }, on, body: { job: '${{ job.name }}', now: '${{ outcome.result }}' } },
        ],
      },
    );
    const sha = await commit({
      'one.yaml': manifest('one', 'sleep 8; exit 4'),
      'two.yaml': manifest('two', 'true'),
      'three.yaml': manifest('three', 'true', ['two']),
    });
    const seen = new Set<string>();
    await eventually(
      'all of them to be told of',
      async () => {
        const found = await newest(sha);
        for (const { context, status } of found.values()) seen.add(`${context} ${status}`);
        return (
          ['one failure', 'two success', 'three success'].every((one) => seen.has(`runledger/platform/${one}`)) ||
          undefined
        );
      },
      120_000,
    );
    assert.ok(seen.has('runledger/platform/one pending'), 'a run that takes its time is seen on its way');
    await eventually('the messages', () => good.requests.length === 3 || undefined, 30_000);
    await eventually('the messages that were refused', () => broken.requests.length === 5 || undefined, 30_000);
    const { code, stderr } = await controller.stop();
    assert.is(code, 0, stderr);

    const texts = good.requests.map(({ json }) => (json as { text: string }).text);
    assert.ok(
      texts.some((text) => /^:x: \*one\* #1 of platform failed in \d+s: .*exit code 4/.test(text)),
      texts.join(),
    );
    assert.ok(
      texts.every((text) => text.includes(`${forge.url}/${forge.user}/${name}/src/branch/runledger/status/jobs/`)),
    );
    const took = broken.requests.slice(-3).map(({ json }) => JSON.stringify(json));
    for (const job of ['two', 'three']) assert.ok(took.includes(`{"job":"${job}","now":"succeeded"}`), took.join());
    assert.ok(hanging.requests.length >= 1);
    assert.not.match(stderr, new RegExp(`${SECRET_PATH}|${forge.token}`));
    assert.match(stderr, /"delivery":"notification 1 of platform: [^"]+","msg":"(tried again|not sent): /);
  });

  test('a token that is not there is said, and stops nothing', async () => {
    const controller = await start({ statuses: true, forge: { kind: 'gitea', tokenFrom: { env: 'NONE' } } });
    await commit({ 'four.yaml': manifest('four', 'true') });
    await controller.says(/"job":"four","run":1,.*"msg":"recorded"/);
    await controller.says(
      /"delivery":"status runledger\/platform\/four [^"]+","msg":"not sent: the variable NONE is not set"/,
    );
    assert.is((await controller.stop()).code, 0);
  });

  test.run();
}

const forge = findForge();
const it = forge ? await openTestCluster('outside') : undefined;
if (forge && it) await tests(it, forge);
