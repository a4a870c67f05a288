// test-timeout: 300s
import { chmod, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createArchive } from '../../src/artifacts/archive.ts';
import { attemptKey } from '../../src/artifacts/key.ts';
import { openStore } from '../../src/artifacts/open.ts';
import type { ArchiveReference, Artifact, ArtifactStore, Outcome, TaskOutcome } from '../../src/schemas/index.ts';
import { outcomePath } from '../../src/ledger/layout.ts';
import { tree, writeTree } from '../support/artifacts.ts';
import { cli, type CliResult } from '../support/cli.ts';
import { commitFiles, git, initRepository, temporaryDirectory } from '../support/git.ts';
import { findS3Program, startS3Server } from '../support/s3-server.ts';

interface World {
  root: string;
  /** A repository with the job `report`, which ran once. */
  folder: string;
  store: string;
  remove: () => Promise<void>;
  run: (...args: string[]) => Promise<CliResult>;
}

interface Kept {
  readonly archive: ArchiveReference;
  readonly artifacts: readonly Artifact[];
}

const { signal } = new AbortController();
const FILES = { 'out/report.txt': 'the report', 'out/data/rows.csv': 'a,b\n' };
const test = suite<World>('artifacts on the command line');

test.before.each(async (context) => {
  const { path: root, remove } = await temporaryDirectory();
  const folder = await initRepository(path.join(root, 'jobs'));
  const store = path.join(root, 'store');
  await mkdir(store);
  const run = (...args: string[]): Promise<CliResult> => cli(args, { cwd: folder });
  const job = 'apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: report }\nspec: { run: echo hi }\n';
  await commitFiles(folder, { 'report.yaml': job });
  assert.is((await run('reconcile')).code, 0);
  Object.assign(context, { root, folder, store, remove, run });
});

test.after.each(({ remove }) => remove());

/** Keeps files in a store as a runner does. */
async function keep(
  world: World,
  task: string,
  store: ArtifactStore,
  secrets: Record<string, string> = {},
): Promise<Kept> {
  const workspace = path.join(world.root, `workspace-${task}`);
  await writeTree(workspace, FILES);
  await chmod(path.join(workspace, 'out/report.txt'), 0o755);
  const opened = await openStore(store, {
    cwd: world.root,
    now: Date.now,
    resolveValue: async (from) => secrets['env' in from ? from.env : from.file] ?? '',
  });
  const archive = await createArchive([{ folder: workspace, paths: ['out'] }], { signal });
  const key = attemptKey({ source: 'acme', job: 'report', run: 1, task, attempt: 1 });
  const digest = await opened.put(key, archive.stream, signal);
  opened.close();
  const { files, complete } = await archive.manifest;
  return { archive: { key, ...digest, complete }, artifacts: files };
}

/** The task with an archive, under another name. */
const taskWith = (task: TaskOutcome | undefined, archive: ArchiveReference, name = 'default'): object => {
  const attempts = task?.attempts.map((attempt) => Object.assign({}, attempt, { archive }));
  return { ...task, name, attempts };
};

/** Changes the outcome of the run on the ledger, as whoever records it could have written it. */
async function record({ root, folder }: World, change: (outcome: Outcome) => object): Promise<void> {
  const tree = path.join(root, 'ledger');
  await git(folder, 'worktree', 'add', '--quiet', tree, 'runledger/status');
  const file = path.join(tree, outcomePath('report', 1));
  const outcome = load(await readFile(file, 'utf8')) as Outcome;
  await writeFile(file, dump({ ...outcome, ...change(outcome) }, { noRefs: true }));
  await git(tree, 'commit', '--quiet', '--all', '--message', 'record artifacts');
  await git(folder, 'worktree', 'remove', '--force', tree);
}

const oneTask = async (world: World, { archive, artifacts }: Kept): Promise<void> =>
  record(world, ({ tasks: [task], by }) => ({
    artifacts,
    tasks: [taskWith(task, archive)],
    by: { ...by, runner: 'kubernetes' }, // what a process left would be looked for beside its state
  }));

test('a run without artifacts says so', async ({ run }) => {
  const listed = await run('artifacts', 'report');
  assert.is(listed.code, 0, listed.stderr);
  assert.is(listed.stdout, 'report #1 left no artifacts\n');
  const extracted = await run('artifacts', 'report', '--extract', 'x', '--store', '../store');
  assert.is(extracted.code, 2);
  assert.match(extracted.stderr, /error: report #1 has no artifacts that could be unpacked/);
});

test('what a run left is listed with sizes and SHA-256, and unpacked from a folder', async (world) => {
  const { run, root } = world;
  const kept = await keep(world, 'default', { directory: 'store' });
  await oneTask(world, kept);
  const listed = await run('artifacts', 'report', '--run', '#1');
  assert.is(listed.code, 0, listed.stderr);
  assert.match(listed.stdout, /^PATH +SIZE +SHA-256\n/);
  for (const { path, sha256 } of kept.artifacts)
    assert.ok(listed.stdout.includes(`${path} `) && listed.stdout.includes(sha256));
  assert.match(listed.stdout, /10 bytes/);
  const extracted = await run('artifacts', 'report', '--extract', '../new/folder', '--store', '../store', '-o', 'json');
  assert.is(extracted.code, 0, extracted.stderr);
  const target = path.join(root, 'new/folder');
  assert.equal(JSON.parse(extracted.stdout), {
    job: 'report',
    run: 1,
    artifacts: kept.artifacts,
    archives: [{ task: 'default', attempt: 1, ...kept.archive }],
    extracted: [{ task: 'default', folder: target, files: 2, bytes: 14 }],
  });
  assert.equal(await tree(target), { 'out/data/rows.csv': 'a,b\n', 'out/report.txt': 'the report (executable)' });
  const again = await run('artifacts', 'report', '--extract', '../new/folder', '--store', '../store');
  assert.is(again.code, 2);
  assert.match(again.stderr, /is not empty/);
});

test('the store comes from a flag, a configuration or the environment', async (world) => {
  const { root, folder } = world;
  await oneTask(world, await keep(world, 'default', { directory: 'store' }));
  const none = await world.run('artifacts', 'report', '--extract', 'x');
  assert.is(none.code, 2);
  assert.match(none.stderr, /hint: +give --store DIR, --store s3:\/\/BUCKET or --config FILE, or set RUNLEDGER_STORE/);
  const fromEnv = { cwd: folder, env: { RUNLEDGER_STORE: '../store' } };
  assert.match(
    (await cli(['artifacts', 'report', '--extract', '../env'], fromEnv)).stdout,
    /^2 files \(14 bytes\) in /m,
  );
  const config = `apiVersion: runledger.dev/v1\nkind: Config\nsources: [{ name: a, dir: . }]\nartifacts: { store: { directory: ${root}/store } }\n`;
  await writeFile(path.join(root, 'config.yaml'), config);
  const fromFile = await world.run('artifacts', 'report', '--extract', '../config', '--config', '../config.yaml');
  assert.is(fromFile.code, 0, fromFile.stderr);
  for (const wrong of ['s3://a/b', 's3://user:SECRET@host/bucket', 'ftp://x']) {
    const result = await world.run('artifacts', 'report', '--extract', '../wrong', '--store', wrong);
    assert.is(result.code, 2);
    assert.match(result.stderr, /error: the artifact store is neither a folder nor s3:\/\/BUCKET/);
    assert.not.match(result.stderr, /SECRET/);
  }
  assert.equal((await readdir(root)).sort(), ['config', 'config.yaml', 'env', 'jobs', 'store', 'workspace-default']);
});

test('what a job leaves on this machine is found without a store being named, and goes after keep.artifacts', async (world) => {
  const { folder, root, run } = world;
  const job = [
    'apiVersion: runledger.dev/v1',
    'kind: Job',
    'metadata: { name: left }',
    'spec:',
    '  checkout: [src]',
    '  run: mkdir out; cp src/* out; echo made >$RUNLEDGER_OUTPUT/made',
    '  artifacts: { paths: [out] }',
    '  keep: { artifacts: 1h }',
  ];
  await commitFiles(folder, { 'left.yaml': `${job.join('\n')}\n`, 'src/a.txt': 'a', 'other/b.txt': 'b' });
  const ran = await run('reconcile');
  assert.is(ran.code, 0, ran.stderr);
  const extracted = await run('artifacts', 'left', '--extract', '../left');
  assert.is(extracted.code, 0, extracted.stderr);
  assert.equal(await tree(path.join(root, 'left')), { made: 'made\n', 'out/a.txt': 'a' });
  for (const number of [2, 3]) {
    const again = await run('run', 'left', '--store', '../store');
    assert.is(again.code, 0, `${number}: ${again.stderr}`);
    const longAgo = new Date(Date.now() - 7_200_000);
    await utimes(path.join(world.store, `jobs/left/${number}/default/1.tar.zst`), longAgo, longAgo);
  }
  const store = await openStore({ directory: world.store }, { cwd: root, now: Date.now, resolveValue: async () => '' });
  const kept: string[] = [];
  for await (const { key } of store.list('jobs/left/', signal)) kept.push(key);
  assert.equal(kept, ['jobs/left/3/default/1.tar.zst']);
});

test('each task goes into a folder of its own, and one of them can be chosen', async (world) => {
  const kept = {
    linux: await keep(world, 'linux', { directory: 'store' }),
    'mac os': await keep(world, 'mac os', { directory: 'store' }),
  };
  await record(world, ({ tasks: [task] }) => ({
    artifacts: Object.entries(kept).flatMap(([name, { artifacts }]) =>
      artifacts.map((file) => Object.assign({ task: name }, file)),
    ),
    tasks: Object.entries(kept).map(([name, { archive }]) => taskWith(task, archive, name)),
  }));
  const listed = await world.run('artifacts', 'report', '--task', 'linux', '-o', 'yaml');
  assert.is(listed.code, 0, listed.stderr);
  const { artifacts, archives } = load(listed.stdout) as { artifacts: Artifact[]; archives: { task: string }[] };
  assert.equal(
    [...artifacts, ...archives].map(({ task }) => task),
    ['linux', 'linux', 'linux'],
  );
  assert.match((await world.run('artifacts', 'report')).stdout, /^TASK +PATH +SIZE +SHA-256\nlinux +out\/data/);
  assert.is((await world.run('artifacts', 'report', '--extract', '../all', '--store', '../store')).code, 0);
  const folders = (await readdir(path.join(world.root, 'all'))).sort();
  assert.is(folders[0], 'linux');
  assert.match(folders[1] ?? '', /^mac-os_[0-9a-f]{16}$/);
  for (const name of folders) assert.is(Object.keys(await tree(path.join(world.root, 'all', name))).length, 2);
  const one = await world.run('artifacts', 'report', '--task', 'mac os', '--extract', '../one', '--store', '../store');
  assert.is(one.code, 0, one.stderr);
  assert.is((await tree(path.join(world.root, 'one')))['out/report.txt'], 'the report (executable)');
  const unknown = await world.run('artifacts', 'report', '--task', 'windows');
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, /report #1 has no task "windows"\nhint: +its tasks are linux, mac os/);
});

test('artifacts that are not whole say why', async (world) => {
  await oneTask(world, { archive: { complete: false, reason: 'the node was lost' }, artifacts: [] });
  const listed = await world.run('artifacts', 'report');
  assert.is(listed.stdout, 'report #1 left no artifacts\n! default: not complete: the node was lost\n');
});

test('what is wrong is one sentence, and nothing is left in the folder', async (world) => {
  const { root, run } = world;
  const kept = await keep(world, 'default', { directory: 'store' });
  const file = path.join(root, 'store', kept.archive.key ?? '');
  const bytes = await readFile(file);
  await oneTask(world, kept);
  const extract = async (says: RegExp, store = '../store'): Promise<void> => {
    const result = await run('artifacts', 'report', '--extract', '../target', '--store', store);
    assert.is(result.code, 2);
    assert.match(result.stderr, says);
    assert.not.match(result.stderr, /\n +at /);
    assert.is((await readdir(root)).includes('target'), false);
  };
  bytes[30]! ^= 1;
  await writeFile(file, bytes);
  await extract(/error: (this is no whole tar\.zst|acme\/report\/1\/default\/1\.tar\.zst in the folder .* is damaged)/);
  await writeFile(file, 'short');
  await extract(/is damaged: it has 5 bytes and not \d+\nhint: /);
  await extract(/the artifact store is not there: .*nowhere is no folder/, '../nowhere');
  await oneTask(world, { ...kept, archive: { ...kept.archive, key: '../jobs/report.yaml' } });
  await extract(/"\.\.\/jobs\/report\.yaml" is no key of an artifact store/);
  await oneTask(world, { ...kept, archive: { ...kept.archive, key: 'acme/report/2/default/1.tar.zst' } });
  await extract(/acme\/report\/2\/default\/1\.tar\.zst can't be read: it is not there/);
  for (const [args, says] of [
    [['artifacts', 'other'], /the ledger knows no job "other"/],
    [['artifacts', 'report', '--run', '7'], /report has no run 7 in the ledger\nhint: +the ledger has the runs 1/],
    [['artifacts', 'report', '--run', 'x'], /write the number of a run/],
  ] as const) {
    const result = await run(...args);
    assert.is(result.code, 2);
    assert.match(result.stderr, says);
  }
});

const program = findS3Program();
if (program !== undefined) {
  test('artifacts come from a real bucket, with credentials from files', async (world) => {
    const server = await startS3Server(program);
    try {
      const { endpoint, bucket, credentials } = server;
      const auth = { accessKeyIdFrom: { env: 'ID' }, secretAccessKeyFrom: { env: 'KEY' } };
      const secrets = { ID: credentials.accessKeyId, KEY: credentials.secretAccessKey };
      await oneTask(world, await keep(world, 'default', { s3: { endpoint, bucket, auth } }, secrets));
      await writeFile(path.join(world.root, 'key'), `${credentials.secretAccessKey}\n`);
      const env = {
        RUNLEDGER_S3_ENDPOINT: endpoint,
        RUNLEDGER_S3_ACCESS_KEY_ID: credentials.accessKeyId,
        RUNLEDGER_S3_SECRET_ACCESS_KEY_FILE: path.join(world.root, 'key'),
      };
      const args = ['artifacts', 'report', '--store', `s3://${bucket}`, '--extract'];
      const result = await cli([...args, '../target'], { cwd: world.folder, env });
      assert.is(result.code, 0, result.stderr);
      assert.equal(await tree(path.join(world.root, 'target')), {
        'out/data/rows.csv': 'a,b\n',
        'out/report.txt': 'the report (executable)',
      });

      const spec =
        "artifacts: { paths: [out] }, logs: { upload: always }, run: 'mkdir out; echo made >out/it; echo said'";
      const job = `apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: kept }\nspec: { ${spec} }\n`;
      await commitFiles(world.folder, { 'kept.yaml': job });
      const inBucket = ['--store', `s3://${bucket}`] as const;
      const ran = await cli(['reconcile', ...inBucket], { cwd: world.folder, env });
      assert.is(ran.code, 0, ran.stderr);
      const made = await cli(['artifacts', 'kept', ...inBucket, '--extract', '../kept'], { cwd: world.folder, env });
      assert.is(made.code, 0, made.stderr);
      assert.equal(await tree(path.join(world.root, 'kept')), { 'out/it': 'made\n' });
      const logs = await cli(['logs', 'kept', ...inBucket], { cwd: world.folder, env });
      assert.is(logs.stdout, 'said\n', logs.stderr);
      assert.ok((await readdir(path.join(server.folder, 'jobs/kept/1/default'))).includes('1.log.gz'));

      await writeFile(path.join(world.root, 'key'), 'WRONG');
      const denied = await cli([...args, '../denied'], { cwd: world.folder, env });
      assert.is(denied.code, 2);
      assert.match(denied.stderr, /error: reading from the bucket artifacts at http:\S+: the server refuses it \(403/);
      assert.not.match(denied.stderr, /WRONG|TESTKEYID/);
    } finally {
      await server.stop();
    }
  });
}

test.run();
