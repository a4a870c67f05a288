// test-timeout: 420s
/** Checkout and artifacts of pods, with runledger's own image, served as a command on a machine of one's own serves them. */
import { networkInterfaces } from 'node:os';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createDirectoryStore } from '../../../src/artifacts/directory-store.ts';
import { extractArchive } from '../../../src/artifacts/extract.ts';
import { openStore as openStoreOf } from '../../../src/artifacts/open.ts';
import type { Store } from '../../../src/artifacts/port.ts';
import type { TreeEntry } from '../../../src/artifacts/tree.ts';
import { collectorOf, createDesk } from '../../../src/cli/attempt-desk.ts';
import { judgeAttempt } from '../../../src/outcome/judge.ts';
import { systemClock } from '../../../src/runner/kubernetes/clock.ts';
import { deleteObject, findObject, listObjects } from '../../../src/runner/kubernetes/objects.ts';
import { createKubernetesRunner } from '../../../src/runner/kubernetes/runner.ts';
import { unopposed } from '../../../src/runner/kubernetes/scope.ts';
import { nodes, pods, secrets } from '../../../src/runner/kubernetes/wire.ts';
import type { AttemptState, Runner, RunRecord } from '../../../src/runner/port.ts';
import type { Job } from '../../../src/schemas/index.ts';
import { startServer } from '../../../src/server/server.ts';
import { filesOf, jobWith, recordOf, taskOf } from '../../render/world.ts';
import { tree } from '../../support/artifacts.ts';
import { eventually, openTestCluster, type TestCluster } from '../../support/cluster.ts';
import { temporaryDirectory } from '../../support/git.ts';
import { findS3Program, type S3Server, startS3Server } from '../../support/s3-server.ts';
import { IMAGE } from './world.ts';

const test = suite('checkout and artifacts of pods');
const image = process.env['RUNLEDGER_TEST_IMAGE'];
if (!image) console.log('# skipped: no image (set RUNLEDGER_TEST_IMAGE to an image of the Dockerfile)');
const world = image ? await openTestCluster('workspace') : undefined;

/** An address of this machine that pods reach: that of a node where it is one, else the first that others see. */
async function ownHost({ cluster, signal }: TestCluster): Promise<string> {
  const own = Object.values(networkInterfaces()).flatMap((all = []) => all.filter(({ internal }) => !internal));
  const { items } = await listObjects(cluster, nodes, {}, { signal });
  const ofNodes = new Set(items.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)));
  return (own.find(({ address }) => ofNodes.has(address)) ?? own[0])?.address ?? '127.0.0.1';
}

const file = (path: string, content: string, executable = false): TreeEntry => ({
  kind: 'file',
  path,
  executable,
  content: Buffer.from(content),
});
const link = (path: string, target: string): TreeEntry => ({ kind: 'link', path, target });

if (world && image) {
  const { cluster, namespace, signal } = world;
  const folder = await temporaryDirectory();
  const storeFolder = join(folder.path, 'store');
  await mkdir(storeFolder);
  let revision: readonly TreeEntry[] = [];
  let isStoreThere = true;
  let bucket: S3Server | undefined;
  const openStore = async (): Promise<Store> => {
    if (!bucket) return createDirectoryStore(isStoreThere ? storeFolder : join(folder.path, 'nowhere'), Date.now);
    const auth = { accessKeyIdFrom: { env: 'ID' }, secretAccessKeyFrom: { env: 'KEY' } };
    const { endpoint, credentials } = bucket;
    return openStoreOf(
      { s3: { endpoint, bucket: bucket.bucket, auth } },
      {
        cwd: folder.path,
        now: Date.now,
        resolveValue: async (from) =>
          'env' in from && from.env === 'ID' ? credentials.accessKeyId : credentials.secretAccessKey,
      },
    );
  };
  const asked: string[] = [];
  const printed = new Set<string>();
  const files = {
    async *checkout(of: string, paths: true | readonly string[]) {
      asked.push(`${of} ${JSON.stringify(paths)}`);
      yield* revision;
    },
  };
  const closing = new AbortController();
  const desk = createDesk({
    cluster,
    installation: 'test',
    sourceOf: (name) =>
      name === 'workspace' ? { namespace, files: () => files, leader: async () => null } : undefined,
    openStore,
  });
  const server = await startServer({
    host: '0.0.0.0',
    port: 0,
    healthy: () => true,
    notReady: () => null,
    metrics: async () => ({ contentType: '', text: '' }),
    queue: () => [],
    hooks: new Map(),
    attempts: desk,
    onHook: () => undefined,
  });
  const address = `http://${await ownHost(world)}:${new URL(server.address).port}`;
  const runner: Runner = await createKubernetesRunner({
    scope: {
      cluster,
      namespace,
      installation: 'test',
      source: 'workspace',
      authority: unopposed,
      clock: systemClock,
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    },
    podContext: { image, imagePullSecrets: [], podDefaults: {}, address },
    collect: collectorOf('workspace', openStore),
    events: { changed: () => undefined, output: ({ key, text }) => printed.add(`${key.job} ${text}`) },
    nodeLostAfterMs: 300_000,
    policy: { images: ['busybox'], secrets: [], maxResources: { cpu: '2', memory: '1Gi' } },
    signal: closing.signal,
  });
  const timeouts = { run: '3m', start: '2m', grace: '3s', finally: '10s' };
  const resources = { limits: { cpu: '1', memory: '64Mi' } };

  const begin = async (name: string, spec: Job['spec']): Promise<RunRecord> => {
    const record = recordOf(jobWith({ image: IMAGE, timeouts, resources, ...spec }, name));
    assert.is(await runner.claim(record, signal), 'claimed');
    await runner.start(record, filesOf(record), [{ task: taskOf(record), number: 1 }], signal, async () => false);
    return record;
  };
  const attemptOf = async ({ job }: RunRecord): Promise<AttemptState | undefined> =>
    (await runner.list(signal)).find(({ record }) => record.job === job)?.attempts[0];
  const ended = (record: RunRecord): Promise<AttemptState> =>
    eventually(
      `${record.job} has ended`,
      async () => {
        const attempt = await attemptOf(record);
        return attempt?.ending ? attempt : undefined;
      },
      150_000,
    );
  const logOf = ({ output }: AttemptState): string => Buffer.from(output?.log ?? '').toString();
  const unpacked = async ({ artifacts }: AttemptState, name: string): Promise<Readonly<Record<string, string>>> => {
    const { key = '', bytes = 0, sha256 = '' } = artifacts?.archive ?? {};
    const store = await openStore();
    const target = join(folder.path, name);
    await extractArchive(await store.get(key, { bytes, sha256 }, signal), target, { signal });
    return tree(target);
  };

  test('the files of the revision lie in the workspace, executable and linked as they were', async () => {
    revision = [file('bin/tool', '#!/bin/sh\necho "tool $(cat src/b.txt)"\n', true), file('src/a.txt', 'of a\n')];
    revision = [...revision, link('src/b.txt', 'a.txt')];
    const record = await begin('checkout', {
      checkout: ['bin', 'src/**'],
      run: './bin/tool; echo x >>src/a.txt; rm bin/tool',
    });
    const attempt = await ended(record);
    assert.equal(attempt.ending, { kind: 'exited', step: 'run', exitCode: 0 }, logOf(attempt));
    assert.match(logOf(attempt), 'tool of a');
    assert.equal(asked, [`${record.revision} ["bin","src/**"]`]);
  });

  test('what steps leave is sent by the last gate, whatever their memory is', async () => {
    const record = await begin('kept', {
      steps: [
        { name: 'one', run: 'mkdir -p out; echo one >out/1; echo made >$RUNLEDGER_OUTPUT/made' },
        { name: 'two', run: 'echo two >out/2; ln -s /etc/passwd out/leak', user: 1000 },
      ],
      artifacts: { paths: ['out/**'] },
    });
    const attempt = await ended(record);
    assert.equal(attempt.ending, { kind: 'exited', step: 'two', exitCode: 0 }, logOf(attempt));
    assert.is(attempt.artifacts?.archive?.complete, true, JSON.stringify(attempt.artifacts));
    assert.equal(
      attempt.artifacts?.files.map(({ path }) => path),
      ['made', 'out/1', 'out/2'],
    );
    assert.match(attempt.artifacts?.warnings.join() ?? '', 'out/leak');
    assert.equal(await unpacked(attempt, 'kept'), { made: 'made\n', 'out/1': 'one\n', 'out/2': 'two\n' });
  });

  const program = findS3Program();
  if (program !== undefined)
    test('what steps leave goes into a real bucket', async () => {
      bucket = await startS3Server(program);
      try {
        const record = await begin('bucket', { run: 'mkdir out; echo one >out/1', artifacts: { paths: ['out'] } });
        const attempt = await ended(record);
        assert.is(attempt.artifacts?.archive?.complete, true, JSON.stringify(attempt.artifacts));
        assert.equal(await unpacked(attempt, 'bucket'), { 'out/1': 'one\n' });
        const key = attempt.artifacts?.archive?.key ?? '';
        assert.is((await stat(join(bucket.folder, key))).size, attempt.artifacts?.archive?.bytes);
      } finally {
        await bucket.stop();
        bucket = undefined;
      }
    });

  test('after a failure, a time-out and a cancellation; the exit code stays that of the step', async () => {
    const write = 'mkdir out; echo here >out/1;';
    const artifacts = { paths: ['out'] };
    const failed = await begin('failed', { run: `${write} exit 7`, artifacts });
    const late = await begin('late', { run: `${write} sleep 100`, artifacts, timeouts: { ...timeouts, run: '5s' } });
    const stopped = await begin('stopped', {
      run: `${write} echo up; trap 'echo bye >out/2; exit 5' TERM; while :; do sleep 0.1; done`,
      artifacts,
    });
    await eventually('it is up', () => printed.has('stopped up'), 60_000);
    await runner.cancel(stopped, 'CancelRequested');
    const [one, two, three] = await Promise.all([ended(failed), ended(late), ended(stopped)]);
    assert.equal(one.ending, { kind: 'exited', step: 'run', exitCode: 7 });
    assert.is(two.ending?.kind, 'timeout');
    assert.is(three.ending?.kind, 'cancelled');
    assert.equal(await unpacked(one, 'failed'), { 'out/1': 'here\n' });
    assert.equal(await unpacked(two, 'late'), { 'out/1': 'here\n' });
    assert.equal(await unpacked(three, 'stopped'), { 'out/1': 'here\n', 'out/2': 'bye\n' });
  });

  test('a store that is gone is said, and the result stays', async () => {
    isStoreThere = false;
    const attempt = await ended(await begin('gone', { run: 'echo x >$RUNLEDGER_OUTPUT/x', artifacts: {} }));
    isStoreThere = true;
    assert.equal(attempt.ending, { kind: 'exited', step: 'run', exitCode: 0 });
    assert.is(attempt.artifacts?.archive?.complete, false);
    assert.match(attempt.artifacts?.archive?.reason ?? '', 'the artifact store is not there');
  });

  test('of a pod that is removed by force nothing is told that is not there', async () => {
    const record = await begin('forced', {
      run: 'mkdir out; echo x >out/x; echo up; sleep 100',
      artifacts: { paths: ['out'] },
    });
    const running = await eventually(
      'it runs',
      async () => {
        const attempt = await attemptOf(record);
        return attempt?.started ? attempt : undefined;
      },
      60_000,
    );
    const ref = { namespace, name: running.pod ?? '' };
    await deleteObject(cluster, pods, ref, { signal, gracePeriodSeconds: 0 });
    const attempt = await ended(record);
    const { reason } = judgeAttempt(attempt.ending ?? { kind: 'lost', message: '' }, { warning: [], skipped: [] });
    assert.is(reason, 'PodDeleted');
    // Two seconds are left, which may be enough.
    const { complete, reason: why } = attempt.artifacts?.archive ?? {};
    if (complete === true) assert.equal(await unpacked(attempt, 'forced'), { 'out/x': 'x\n' });
    else assert.ok(complete === false && why !== undefined && why !== '');
  });

  test('a revision with a link that leads out is refused by name, before any step', async () => {
    revision = [file('fine', ''), link('passwd', '/etc/passwd')];
    const attempt = await ended(await begin('refused', { checkout: true, run: 'echo ran' }));
    const judged = judgeAttempt(attempt.ending ?? { kind: 'lost', message: '' }, { warning: [], skipped: [] });
    assert.equal([judged.result, judged.reason, attempt.started], ['error', 'StartError', null]);
    assert.match(judged.message, '"passwd" is a link to an absolute path');
  });

  test('a token opens its own attempt alone, and nothing once its run is over', async () => {
    revision = [file('secret', 'of the revision')];
    const record = await begin('token', { checkout: true, run: 'sleep 100' });
    const running = await eventually(
      'it runs',
      async () => {
        const attempt = await attemptOf(record);
        return attempt?.started ? attempt : undefined;
      },
      90_000,
    );
    const name = running.pod ?? '';
    const secret = await findObject(cluster, secrets, { namespace, name }, { signal });
    const token = Buffer.from(secret?.data?.['token'] ?? '', 'base64').toString();
    const get = async (pod: string, given: string, what = 'workspace', method = 'GET'): Promise<number> => {
      const headers = { authorization: `Bearer ${given}` };
      const answer = await fetch(`${server.address}/attempts/workspace/${pod}/${what}`, { method, headers });
      await answer.arrayBuffer();
      return answer.status;
    };
    assert.is(await get(name, token), 200);
    assert.is(await get(name, `${token.slice(0, -1)}_`), 401);
    assert.is(await get('kept-12-aaaaaaaaaa', token), 401);
    assert.is(await get(name, token, 'artifacts', 'PUT'), 403); // the job has none
    assert.is(await get(name, token, 'workspace', 'PUT'), 405);
    await runner.cancel(record, 'CancelRequested');
    await ended(record);
    await runner.release([record], signal);
    await runner.flush?.();
    await eventually('the token to be worth nothing', async () => (await get(name, token)) === 401, 60_000);
  });

  test.after(async () => {
    await runner.close('CancelRequested');
    closing.abort();
    await server.close();
    await world.remove();
    await folder.remove();
  });
}

test.run();
