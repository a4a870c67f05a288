// test-timeout: 300s
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from '../../src/schemas/index.ts';
import { cli, startCli } from '../support/cli.ts';
import { startGitServer } from '../support/git-server.ts';
import { commitFiles, git } from '../support/git.ts';
import { ADA, appears, type AskingWorld, job, makeWorld, until } from './asking.ts';

const test = suite<AskingWorld>('runledger rerun');

test.before.each(async (context) => {
  Object.assign(context, await makeWorld());
});
test.after.each(({ remove }) => remove());

const REGION = 'parameters: { REGION: { default: eu, enum: [eu, us] } }\nrun: echo "region $RUNLEDGER_PARAM_REGION"';

test('a rerun is asked for by somebody, runs once with the parameters of the run, and says who asked', async (world) => {
  const { folder, run, outcome, requests } = world;
  await commitFiles(folder, { 'a.yaml': job('a', `on: {}\n${REGION}`) });
  assert.is((await run('run', 'a', '--param', 'REGION=us')).code, 0);
  const asked = await run('rerun', 'a', '--run', '1');
  assert.is(asked.code, 0, asked.stderr);
  assert.match(asked.stdout, /a run of a as it is now, with the parameters of run 1/);
  assert.match(asked.stdout, /runledger logs a -f/);
  assert.is((await requests()).length, 1);
  assert.is(
    await git(folder, 'log', '-1', '--format=%an <%ae>: %s', 'runledger/status'),
    'Ada Lovelace <ada@example.com>: rerun of a as in run 1 requested',
  );
  assert.match((await run('reconcile', '--dry-run')).stdout, /\+ +a #2 +runs: requested as a rerun of run 1/);
  assert.is((await run('reconcile')).code, 0);
  const second = await outcome('a', 2);
  assert.equal(
    [second?.params, second?.requestedBy, second?.rerunOf, second?.trigger.kind],
    [{ REGION: 'us' }, 'Ada Lovelace <ada@example.com>', 1, 'request'],
  );
  assert.equal(await requests(), []);
  assert.is((await run('reconcile')).code, 0);
  assert.is(await outcome('a', 3), undefined, 'a request makes one run');
});

test('only the tasks that failed run again, and those that were cancelled on the way', async (world) => {
  const { folder, root, run, outcome } = world;
  const bad = path.join(root, 'bad');
  writeFileSync(bad, '');
  const script = `if [ "$RUNLEDGER_TASK" = y ] && [ -e ${bad} ]; then exit 3; fi`;
  await commitFiles(folder, {
    'f.yaml': job('f', `tasks: [x, y, z]\nmaxParallel: 1\nabort: onFailure\nrun: |\n  ${script}`),
  });
  assert.is((await run('reconcile')).code, 1);
  assert.equal(resultsOf(await outcome('f', 1)), { x: 'succeeded', y: 'failed', z: 'cancelled' });
  rmSync(bad);
  assert.is((await run('rerun', 'f', '--failed')).code, 0);
  assert.is((await run('reconcile')).code, 0);
  const second = await outcome('f', 2);
  assert.equal(resultsOf(second), { y: 'succeeded', z: 'succeeded' });
  assert.equal([second?.result, second?.rerunOf], ['succeeded', 1]);
  const nothing = await run('rerun', 'f', '--failed');
  assert.is(nothing.code, 2);
  assert.match(nothing.stderr, /no task of f #2 has failed/);
  assert.is((await run('rerun', 'f', '--task', 'x')).code, 0);
  assert.is((await run('reconcile')).code, 0);
  assert.equal(resultsOf(await outcome('f', 3)), { x: 'succeeded' });
});

const resultsOf = (outcome: Outcome | undefined): Record<string, string> =>
  Object.fromEntries((outcome?.tasks ?? []).map(({ name, result }) => [name, result]));

test('what is wrong with a wish is said before anything is committed', async ({ folder, run, requests }) => {
  await commitFiles(folder, { 'a.yaml': job('a', REGION) });
  await run('reconcile');
  const wrong = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await run('rerun', ...args);
    assert.is(code, 2, stderr);
    return stderr;
  };
  assert.match(await wrong('aa'), /no job "aa" here\nhint: {2}did you mean a\?/);
  assert.match(await wrong('a', '--param', 'REGION=mars'), /REGION/);
  assert.match(await wrong('a', '--task', 'x'), /a has no task "x"/);
  assert.match(await wrong('a', '--failed', '--task', 'x'), /exclude each other/);
  assert.match(await wrong('a', '--author', 'Ada'), /write it as "Ada Lovelace/);
  assert.match(await wrong('a', '--wait', '--timeout', 'soon'), /write it as 90s or 10m/);
  const nobody = await cli(['rerun', 'a'], {
    cwd: folder,
    env: { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'user.useConfigOnly', GIT_CONFIG_VALUE_0: 'true' },
  });
  assert.is(nobody.code, 2);
  assert.match(nobody.stderr, /git does not know who you are/);
  assert.equal(await requests(), []);
});

test('what can only be refused later is answered with the reason, and whoever waits is told', async (world) => {
  const { folder, run, requests, watch } = world;
  await commitFiles(folder, { 'a.yaml': job('a', REGION) });
  await run('reconcile');
  const watching = watch();
  const waited = await run('rerun', 'a', '--run', '77', '--wait');
  assert.is(waited.code, 1, waited.stderr);
  assert.is(waited.stdout, 'refused: a has no run 77\n');
  assert.equal(await requests(), []);
  const subject = await git(folder, 'log', '-1', '--format=%s', 'runledger/status');
  assert.is(subject, 'rerun of a as in run 77 refused: a has no run 77');
  const fine = await run('rerun', 'a', '--param', 'REGION=us', '--wait');
  assert.is(fine.code, 0, fine.stderr);
  assert.match(fine.stdout, /a #2 succeeded/);
  assert.is((await watching.end()).code, 130);
});

test('a watch that is killed in the middle of a rerun leaves it to the next one, which records it and runs no more', async (world) => {
  const { folder, root, run, outcome, requests, watch } = world;
  const marker = path.join(root, 'marker');
  await commitFiles(folder, { 'a.yaml': job('a', `on: {}\nrun: |\n  echo started >> ${marker}\n  sleep 60`) });
  assert.is((await run('rerun', 'a')).code, 0);
  const watching = watch();
  await appears(marker);
  assert.is((await requests()).length, 1, 'it is answered with the outcome');
  await watching.kill();
  assert.is((await run('reconcile')).code, 1);
  assert.is((await outcome('a', 1))?.reason, 'ControllerLost');
  assert.equal(await requests(), []);
  await run('reconcile');
  assert.is(readFileSync(marker, 'utf8'), 'started\n');
  assert.is(await outcome('a', 2), undefined);
});

test('over http: a request of one is taken up by another, once, although answers get lost', async ({ root }) => {
  const server = await startGitServer({ root: path.join(root, 'server') });
  try {
    const repository = await server.createRepository('jobs.git');
    const marker = path.join(root, 'marker');
    await repository.commit({ 'a.yaml': job('a', `on: {}\nrun: echo x >> ${marker}`) });
    const home = path.join(root, 'home');
    await git(root, 'init', '--quiet', home);
    const options = { cwd: home, env: ADA };
    const { child, ended } = startCli(
      ['reconcile', repository.url, '--runner', 'process', '--watch', '--interval', '1s'],
      options,
    );
    server.fault({ kind: 'lostAnswer' }, { matching: /POST .*git-receive-pack/, times: 2 });
    const asked = await cli(['rerun', 'a', '-C', repository.url, '--wait'], options);
    assert.is(asked.code, 0, asked.stderr);
    assert.match(asked.stdout, /a #1 succeeded/);
    await until(async () => (existsSync(marker) ? true : undefined));
    child.kill('SIGINT');
    assert.is((await ended).code, 130);
    assert.is(readFileSync(marker, 'utf8'), 'x\n');
    const files = await repository.git('ls-tree', '-r', '--name-only', 'runledger/status');
    assert.not.match(files, /requests\//);
    assert.match(await repository.git('log', '--format=%an', 'runledger/status'), /^Ada Lovelace$/m);
  } finally {
    await server.close();
  }
});

test.run();
