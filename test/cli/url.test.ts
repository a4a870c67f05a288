import { load } from 'js-yaml';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { validators } from '../../src/schemas/index.ts';
import type { JobStatus, Outcome, Plan } from '../../src/schemas/index.ts';
import { bucketOf } from '../../src/ledger/layout.ts';
import { cli, type CliResult } from '../support/cli.ts';
import { startGitServer, basicAuth, type GitServer, type Repository } from '../support/git-server.ts';
import { git, temporaryDirectory } from '../support/git.ts';

interface World {
  directory: string;
  remove: () => Promise<void>;
  server: GitServer;
  jobs: Repository;
}

const manifest = (name: string, run: string): string => `apiVersion: runledger.dev/v1
kind: Job
metadata:
  name: ${name}
spec:
  image: busybox:1.36
  run: ${run}
`;

const BROKEN = `apiVersion: runledger.dev/v1
kind: Job
metadata:
  name: broken
spec:
  image: busybox:1.36
  run: "true"
  timeouts: { run: 5 minutes }
`;

const test = suite<World>('from a commit to its outcome, over http');

test.before.each(async (context) => {
  const { path: directory, remove } = await temporaryDirectory();
  const server = await startGitServer({
    root: path.join(directory, 'server'),
    auth: [basicAuth('bot', 's3cret-token')],
  });
  Object.assign(context, { directory, remove, server, jobs: await server.createRepository('jobs.git') });
});

test.after.each(async ({ server, remove }) => {
  await server.close();
  await remove();
});

const ENV = { RUNLEDGER_GIT_USERNAME: 'bot', RUNLEDGER_GIT_PASSWORD: 's3cret-token' };

const reconcile = ({ directory, jobs }: World, ...args: string[]): Promise<CliResult> =>
  cli(['reconcile', jobs.url, '--runner', 'process', ...args], { cwd: directory, env: ENV });

/** The ledger as somebody else clones it with the real git. */
async function ledgerOf({
  directory,
  jobs,
}: World): Promise<{ folder: string; read: <T>(file: string) => Promise<T> }> {
  const folder = path.join(directory, `clone-${Math.random().toString(36).slice(2)}`);
  await git(directory, 'clone', '--quiet', '--branch', 'runledger/status', jobs.directory, folder);
  return { folder, read: async <T>(file: string) => load(await git(folder, 'show', `HEAD:${file}`)) as T };
}

const outcomeFile = (job: string, run: number): string => `jobs/${bucketOf(job)}/${job}/${run}.yaml`;

test('three jobs go in, outcomes with their exit codes and the invalid one with its place come out', async (world) => {
  const revision = await world.jobs.commit({
    'jobs/good.yaml': manifest('good', 'echo fine'),
    'jobs/bad.yaml': manifest('bad', 'exit 3'),
    'jobs/broken.yaml': BROKEN,
  });
  const result = await reconcile(world);
  assert.is(result.code, 3, result.stderr + result.stdout);
  assert.match(result.stderr, /good #1 succeeded/);
  assert.match(result.stderr, /bad #1 failed/);

  const ledger = await ledgerOf(world);
  const good = await ledger.read<Outcome>(outcomeFile('good', 1));
  const bad = await ledger.read<Outcome>(outcomeFile('bad', 1));
  for (const outcome of [good, bad]) assert.ok(validators.outcome(outcome), JSON.stringify(validators.outcome.errors));
  assert.equal([good.result, good.reason, good.exitCode], ['succeeded', 'Completed', 0]);
  assert.equal([bad.result, bad.reason, bad.exitCode], ['failed', 'ExitCode', 3]);
  assert.equal(good.trigger, { kind: 'commit', revision });
  assert.is(good.source.revision, revision);
  assert.match(await git(ledger.folder, 'show', `HEAD:${good.log?.path}`), / stdout fine$/);

  const status = await ledger.read<JobStatus>(`jobs/${bucketOf('broken')}/broken/status.yaml`);
  assert.is(status.phase, 'Invalid');
  const [problem] = status.problems ?? [];
  assert.equal(
    [problem?.file, problem?.line, problem?.column, problem?.field],
    ['jobs/broken.yaml', 8, 20, 'spec.timeouts.run'],
  );
  assert.match(result.stdout, /jobs\/broken\.yaml:8:20: spec\.timeouts\.run: "5 minutes" is not a duration; write 5m/);

  const log = await git(ledger.folder, 'log', '--format=%B');
  assert.match(log, /^Runledger-Run: good\/1$/m);
  assert.match(log, new RegExp(`^Source-Revision: ${revision}$`, 'm'));
  await git(ledger.folder, 'fsck', '--strict');
});

test('a second pass makes no commit; after a change of one job there is exactly one new run', async (world) => {
  await world.jobs.commit({ 'a.yaml': manifest('a', 'echo one'), 'b.yaml': manifest('b', 'echo two') });
  assert.is((await reconcile(world)).code, 0);
  const before = await world.jobs.git('rev-parse', 'runledger/status');
  const again = await reconcile(world);
  assert.is(again.code, 0, again.stderr);
  assert.is(await world.jobs.git('rev-parse', 'runledger/status'), before);
  await world.jobs.commit({ 'a.yaml': manifest('a', 'echo changed') });
  const dry = await reconcile(world, '--dry-run', '--exit-code', '--output', 'json');
  assert.is(dry.code, 4, dry.stderr);
  const plan = JSON.parse(dry.stdout) as Plan;
  assert.ok(validators.plan(plan), JSON.stringify(validators.plan.errors));
  assert.equal(
    plan.actions.map(({ job, message }) => `${job}: ${message}`),
    ['a: runs: spec changed in 1 field: spec.run', 'b: nothing: unchanged since run 1'],
  );
  assert.is(await world.jobs.git('rev-parse', 'runledger/status'), before, 'a dry run changes nothing');
  assert.is((await reconcile(world)).code, 0);
  const files = (await world.jobs.git('ls-tree', '-r', '--name-only', 'runledger/status')).split('\n');
  assert.equal(
    files.filter((file) => /\/\d+\.yaml$/.test(file)).sort(),
    [outcomeFile('a', 1), outcomeFile('a', 2), outcomeFile('b', 1)].sort(),
  );
});

test('a removed job keeps its history, and its file back again runs under the next number only if it changed', async (world) => {
  await world.jobs.commit({ 'a.yaml': manifest('a', 'echo one') });
  assert.is((await reconcile(world)).code, 0);
  await world.jobs.commit({ 'a.yaml': null });
  assert.is((await reconcile(world)).code, 0);
  const removed = await (await ledgerOf(world)).read<JobStatus>(`jobs/${bucketOf('a')}/a/status.yaml`);
  assert.is(removed.conditions.find(({ type }) => type === 'Ready')?.reason, 'Removed');
  await world.jobs.commit({ 'a.yaml': manifest('a', 'echo one') });
  const back = await reconcile(world, '--dry-run');
  assert.match(back.stdout, /a +nothing: unchanged since run 1/);
});

test('a URL names its runner, and errors name no credential', async (world) => {
  const without = await cli(['reconcile', world.jobs.url], { cwd: world.directory, env: ENV });
  assert.is(without.code, 2);
  assert.match(without.stderr, /a URL needs a runner named/);
  const ssh = await cli(['reconcile', 'git@example.com:acme/jobs.git', '--runner', 'process'], {
    cwd: world.directory,
  });
  assert.is(ssh.code, 2);
  assert.match(ssh.stderr, /this version has http\(s\) only/);
  await world.jobs.commit({ 'a.yaml': manifest('a', 'echo one') });
  const url = world.jobs.url.replace('//', '//bot:wrong-token@');
  const wrong = await cli(['reconcile', url, '--runner', 'process'], { cwd: world.directory });
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, /401|refused|Unauthorized|credentials/i);
  assert.not.match(wrong.stderr + wrong.stdout, /wrong-token/);
});

test.run();
