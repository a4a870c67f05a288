// test-timeout: 300s
/** What docs/how-to/disaster-recovery.md says, played: the controller is lost with its Lease, then the ledger. */
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bucketOf } from '../../src/ledger/layout.ts';
import { LABELS } from '../../src/render/labels.ts';
import { deleteObject, listObjects } from '../../src/runner/kubernetes/objects.ts';
import { configMaps, leases } from '../../src/runner/kubernetes/wire.ts';
import { manifestOf, podAtWork, podOf } from '../runner/kubernetes/world.ts';
import { startCli } from '../support/cli.ts';
import { eventually, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { startGitServer } from '../support/git-server.ts';
import { git, temporaryDirectory } from '../support/git.ts';

const LEDGER = 'runledger/status';
const SOURCE = 'lost';
const it = await openTestCluster('disaster');
if (it) await tests(it);

async function tests(world: TestCluster): Promise<void> {
  const { namespace, kubeconfig, cluster, signal } = world;
  const LEASE = { namespace, name: `runledger-runledger-${SOURCE}` };
  const test = suite('disaster recovery');
  const directory = await temporaryDirectory();
  const server = await startGitServer({ root: path.join(directory.path, 'remote') });
  const repository = await server.createRepository('jobs.git');
  const started: ReturnType<typeof startCli>[] = [];
  test.after(async () => {
    for (const { child, ended } of started) {
      child.kill('SIGKILL');
      await ended;
    }
    await server.close();
    await world.remove();
    await directory.remove();
  });

  /** A controller that knows nothing of those before it: a process with a folder and a home of its own. */
  const controller = async () => {
    const folder = await temporaryDirectory();
    const flags = ['--kubeconfig', kubeconfig, '--lease-namespace', namespace, '--listen', '127.0.0.1:0'];
    const env = {
      RUNLEDGER_URL: repository.url,
      RUNLEDGER_NAMESPACE: namespace,
      RUNLEDGER_SOURCE: SOURCE,
      RUNLEDGER_INTERVAL: '1s',
    };
    const { child, ended } = startCli(['controller', ...flags], { cwd: folder.path, env });
    started.push({ child, ended });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    return {
      says: (pattern: RegExp) =>
        eventually(`it to say ${pattern}`, () => pattern.exec(said), 30_000).catch((error: unknown) => {
          throw new Error(`${String(error)}, but: ${said}`);
        }),
      end: async (how: NodeJS.Signals): Promise<void> => {
        child.kill(how);
        await ended;
        await folder.remove();
      },
    };
  };
  const recorded = (job: string): RegExp => new RegExp(`"job":"${job}","run":1,.*"msg":"recorded"`);
  const onLedger = (job: string, file: string): Promise<string> =>
    repository.git('show', `${LEDGER}:jobs/${bucketOf(job)}/${job}/${file}`);
  /** The numbers of all runs on the ledger, by job. */
  const runs = async (): Promise<readonly string[]> =>
    (await repository.git('ls-tree', '-r', '--name-only', LEDGER))
      .split('\n')
      .flatMap((file) => /^jobs\/..\/([^/]+\/\d+)\.yaml$/.exec(file)?.[1] ?? [])
      .sort();
  const claims = async (): Promise<readonly string[]> => {
    const { items } = await listObjects(
      cluster,
      configMaps,
      { namespace, labelSelector: `${LABELS.component}=claim` },
      { signal },
    );
    return items.map(({ metadata }) => `${metadata?.labels?.[LABELS.job]}/${metadata?.labels?.[LABELS.run]}`).sort();
  };

  test('a controller and its Lease are gone: the next one adopts what runs, and repeats nothing', async () => {
    const works = { run: 'echo up; sleep 4; echo done' };
    await repository.commit({
      'ended.yaml': manifestOf('ended', { run: 'true' }),
      'works.yaml': manifestOf('works', works),
    });
    const first = await controller();
    await first.says(recorded('ended'));
    const pod = await podAtWork(world, namespace, 'works');
    await first.end('SIGKILL');
    await deleteObject(cluster, leases, LEASE, { signal });
    const second = await controller();
    await second.says(/"msg":"leads"/);
    assert.is((await podOf(world, namespace, 'works'))?.metadata?.uid, pod.metadata?.uid);
    await second.says(recorded('works'));
    await second.end('SIGTERM');
    assert.match(await onLedger('works', '1.yaml'), /^result: succeeded$/m);
    assert.match(await onLedger('works', '1.1.log'), /^\S+ \S+ \S+ up\n.* done$/);
    assert.equal(await runs(), ['ended/1', 'works/1']);
  });

  test('the ledger is put back to an older commit, then deleted: nothing starts until a clone has put it right', async () => {
    const clone = path.join(directory.path, 'clone');
    const branch = `refs/heads/${LEDGER}`;
    const isGone = /the branch runledger\/status was there and is gone.*kubectl -n \S+ delete lease \S+/;
    const isOlder = /the branch runledger\/status is without commit \w{12}, which it had.* delete lease \S+/;
    const first = await controller();
    await first.says(/"msg":"leads"/);
    await repository.commit({ 'slow.yaml': manifestOf('slow', { run: 'echo up; sleep 2' }) });
    await podAtWork(world, namespace, 'slow');
    await git(directory.path, 'clone', '--quiet', repository.url, clone);
    const [newest, older] = [
      await repository.git('rev-parse', LEDGER),
      await repository.git('rev-parse', `${LEDGER}~1`),
    ];
    await repository.git('update-ref', branch, older);
    await repository.commit({ 'later.yaml': manifestOf('later', { run: 'true' }) });
    await first.says(isOlder);
    await repository.git('update-ref', '-d', branch);
    await first.says(isGone);
    const isOver = async () => (await podOf(world, namespace, 'slow'))?.status?.phase === 'Succeeded';
    await eventually('the slow one has ended', isOver);
    // It has an outcome that it can't record, and ends all the same.
    await first.end('SIGTERM');
    const second = await controller();
    await second.says(isGone);
    await repository.git('update-ref', branch, older);
    await second.says(isOlder);
    assert.equal(await claims(), ['ended/1', 'slow/1', 'works/1']);
    await git(clone, 'push', '--quiet', 'origin', `refs/remotes/origin/${LEDGER}:${branch}`);
    await second.says(recorded('slow'));
    await second.says(recorded('later'));
    await second.end('SIGTERM');
    assert.match(await onLedger('slow', '1.yaml'), /^result: succeeded$/m);
    assert.equal(await runs(), ['ended/1', 'later/1', 'slow/1', 'works/1']);
    await repository.git('merge-base', '--is-ancestor', newest, LEDGER);
    assert.equal(await claims(), ['ended/1', 'later/1', 'slow/1', 'works/1']);
  });

  test('a ledger that was deleted on purpose is begun anew by whoever deletes the Lease too', async () => {
    const only = await controller();
    await only.says(/"msg":"leads"/);
    const first = await repository.git('rev-list', '--max-parents=0', LEDGER);
    await repository.git('update-ref', '-d', `refs/heads/${LEDGER}`);
    await only.says(/the branch runledger\/status was there and is gone/);
    await deleteObject(cluster, leases, LEASE, { signal });
    await only.says(recorded('ended'));
    await only.end('SIGTERM');
    assert.is.not(await repository.git('rev-list', '--max-parents=0', LEDGER), first);
  });

  test.run();
}
