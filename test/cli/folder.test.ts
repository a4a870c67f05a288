// test-timeout: 300s
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from '../../src/schemas/index.ts';
import { bucketOf } from '../../src/ledger/layout.ts';
import { cli, startCli, type CliResult } from '../support/cli.ts';
import { commitFiles, git, initRepository, temporaryDirectory } from '../support/git.ts';

interface World {
  folder: string;
  remove: () => Promise<void>;
  run: (...args: string[]) => Promise<CliResult>;
}

const job = (name: string, spec: string): string =>
  `apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: ${name} }\nspec:\n${spec.replace(/^/gm, '  ')}\n`;

const test = suite<World>('the command line in a folder');

test.before.each(async (context) => {
  const { path: root, remove } = await temporaryDirectory();
  const folder = await initRepository(path.join(root, 'jobs'));
  Object.assign(context, { folder, remove, run: (...args: string[]) => cli(args, { cwd: folder }) });
});

test.after.each(({ remove }) => remove());

const ledgerLog = (folder: string): Promise<string> => git(folder, 'log', '--format=%s', 'runledger/status');

test('a dry run says what would happen and why, and changes nothing', async ({ folder, run }) => {
  await commitFiles(folder, { 'a.yaml': job('a', 'image: alpine\nrun: echo hi') });
  const result = await run('reconcile', '--dry-run');
  assert.is(result.code, 0, result.stderr);
  assert.match(result.stdout, /\+ +a #1 +runs: never ran before/);
  assert.match(result.stdout, /note: the process runner passes over spec\.image/);
  assert.match(result.stdout, /\n1 to run\n$/);
  assert.is(await git(folder, 'status', '--porcelain', '--ignored'), '');
  assert.equal(readdirSync(path.join(folder, '.git')).includes('runledger'), false);
});

test('a work tree with changes is dirty, and an old revision brought back runs again', async ({ folder, run }) => {
  await commitFiles(folder, { 'a.yaml': job('a', 'run: echo one') });
  assert.is((await run('reconcile')).code, 0);
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: echo two'));
  const dirty = await run('reconcile', '--output', 'json');
  assert.is(dirty.code, 0, dirty.stderr);
  const { outcomes } = JSON.parse(dirty.stdout) as { outcomes: Outcome[] };
  assert.match(outcomes[0]?.source.revision ?? '', /^[0-9a-f]{40}\+dirty$/);
  await git(folder, 'checkout', '--', 'a.yaml');
  assert.is((await run('reconcile')).code, 0);
  assert.is((await ledgerLog(folder)).split('\n').filter((line) => line.includes('succeeded')).length, 3);
});

test('every exit code', async ({ folder, run }) => {
  assert.is((await run('reconcile', '--nonsense')).code, 2);
  assert.is((await run('reconcile', 'nowhere')).code, 2);
  assert.is((await run('--version')).code, 0);
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: exit 42'));
  assert.is((await run('reconcile', '--dry-run', '--exit-code')).code, 4);
  assert.is((await run('reconcile')).code, 0, 'a warning is well');
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: exit 43'));
  assert.is((await run('reconcile', '--strict')).code, 1, 'unless --strict');
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: exit 7'));
  writeFileSync(path.join(folder, 'b.yaml'), job('b', 'run: echo\nimages: x'));
  const both = await run('reconcile');
  assert.is(both.code, 3, 'an invalid manifest comes before a failed run');
  assert.match(both.stdout, /b\.yaml:6:3: spec\.images: .*did you mean "image"\?/);
});

test('a folder that is no repository is told what to do', async ({ folder }) => {
  const plain = path.join(folder, '..', 'plain');
  mkdirSync(plain);
  writeFileSync(path.join(plain, 'a.yaml'), job('a', 'run: echo hi'));
  const refused = await cli(['reconcile'], { cwd: plain });
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /git init/);
  assert.match(refused.stderr, /--ledger none/);
  const none = await cli(['reconcile', '--ledger', 'none'], { cwd: plain });
  assert.is(none.code, 0, none.stderr);
  assert.match(none.stderr, /a #1 succeeded/);
  assert.equal(
    readdirSync(plain).sort(),
    ['.home', 'a.yaml'].filter((name) => readdirSync(plain).includes(name)),
  );
});

test('run shows the log, takes parameters and arguments, and passes the exit code on', async ({ folder, run }) => {
  const spec =
    'parameters: { REGION: { default: eu, enum: [eu, us] } }\nrun: |\n  echo "region $RUNLEDGER_PARAM_REGION args $*"\n  exit ${CODE:-0}';
  writeFileSync(path.join(folder, 'a.yaml'), job('a', spec));
  const result = await run('run', 'a', '--param', 'REGION=us', '--', 'x', 'y z');
  assert.is(result.code, 0, result.stderr);
  assert.match(result.stdout, /region us args x y z/);
  const wrong = await run('run', 'a', '--param', 'REGION=mars');
  assert.is(wrong.code, 2, wrong.stderr);
  assert.match(wrong.stderr, /REGION/);
  const unknown = await run('run', 'aa');
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, /did you mean a\?/);
  const piped = await cli(['run', '-f', '-', '--exit-code-from-step'], {
    cwd: folder,
    input: job('solo', 'run: exit 9'),
  });
  assert.is(piped.code, 9, piped.stderr);
  assert.match(await ledgerLog(folder), /a run 1 succeeded/);
  assert.not.match(await ledgerLog(folder), /solo/);
});

test('get and logs read the ledger', async ({ folder, run }) => {
  assert.match((await run('get')).stdout, /nothing ran yet/);
  await commitFiles(folder, {
    'a.yaml': job('a', 'run: |\n  echo first\n  echo ::set-outcome-var rows=12'),
    'b.yaml': job('b', 'run: exit 3'),
  });
  await run('reconcile');
  const table = await run('get');
  assert.match(table.stdout, /a +Idle +#1 +✓ succeeded/);
  assert.match(table.stdout, /b +Idle +#1 +✗ failed .*exit code 3/);
  assert.match((await run('get', 'b')).stdout, /Succeeded: False \(ExitCode\)/);
  const json = JSON.parse((await run('get', 'a', '-o', 'json')).stdout) as { lastRuns: { run: number }[] };
  assert.is(json.lastRuns[0]?.run, 1);
  const log = await run('logs', 'a');
  assert.match(log.stdout, /first/);
  assert.is((await run('logs', 'a', '--run', '9')).code, 2);
  assert.is((await run('get', 'zzz')).code, 2);
});

test('init makes a repository whose first job runs', async ({ folder }) => {
  const fresh = path.join(folder, '..', 'fresh');
  const result = await cli(['init', fresh], { cwd: folder });
  assert.is(result.code, 0, result.stderr);
  assert.match(result.stdout, /runledger reconcile --dry-run/);
  const reconciled = await cli(['reconcile'], { cwd: fresh });
  assert.is(reconciled.code, 0, reconciled.stderr + reconciled.stdout);
  const outcome = await git(fresh, 'show', `runledger/status:jobs/${bucketOf('hello')}/hello/1.yaml`);
  assert.match(outcome, /greeted: world/);
  const again = await cli(['init', fresh], { cwd: folder });
  assert.match(again.stdout, /kept +jobs\/hello\.yaml/);
});

test('validate lists all problems at once', async ({ folder, run }) => {
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: 1\ntimeout: 5m'));
  writeFileSync(path.join(folder, 'b.yaml'), 'apiVersion: runledger.dev/v1\nkind: [');
  writeFileSync(path.join(folder, 'c.yaml'), job('c', 'run: echo'));
  const result = await run('validate');
  assert.is(result.code, 3);
  assert.match(result.stdout, /a\.yaml:5:8: spec\.run: /);
  assert.match(result.stdout, /a\.yaml:6:3: spec\.timeout: .*timeouts/);
  assert.match(result.stdout, /b\.yaml:2:/);
  assert.match(result.stdout, /1 valid job, 3 problems/);
  assert.is((await run('validate', 'c.yaml')).code, 0);
});

test('two reconciles at once take turns: every job runs once', async ({ folder, run }) => {
  const jobs = Array.from({ length: 4 }, (_, index) => [`j${index}.yaml`, job(`j${index}`, 'run: sleep 0.3')] as const);
  await commitFiles(folder, Object.fromEntries(jobs));
  const results = await Promise.all([run('reconcile'), run('reconcile'), run('reconcile')]);
  for (const result of results) assert.is(result.code, 0, result.stderr);
  const files = (await git(folder, 'ls-tree', '-r', '--name-only', 'runledger/status')).split('\n');
  assert.is(files.filter((file) => /\/\d+\.yaml$/.test(file)).length, 4);
  await git(folder, 'fsck', '--strict');
});

test('a reconcile killed in the middle leaves a run that the next one records as an error, and runs no more', async ({
  folder,
  run,
}) => {
  const marker = path.join(folder, '..', 'marker');
  await commitFiles(folder, {
    'a.yaml': job('a', `run: |\n  echo started >> ${marker}\n  sleep 60\n  echo ended >> ${marker}`),
  });
  const { child, ended } = startCli(['reconcile'], { cwd: folder });
  while (!readdirSync(path.dirname(marker)).includes('marker')) await sleep(50);
  child.kill('SIGKILL');
  await ended;
  const next = await run('reconcile');
  assert.is(next.code, 1, next.stderr);
  assert.match(next.stderr, /a #1 error/);
  assert.match(await git(folder, 'show', `runledger/status:jobs/${bucketOf('a')}/a/1.yaml`), /reason: ControllerLost/);
  assert.match((await run('reconcile', '--dry-run')).stdout, /unchanged since run 1/);
  assert.is((await import('node:fs')).readFileSync(marker, 'utf8'), 'started\n');
});

test('Ctrl-C ends what runs, records it as cancelled, and exits with 130', async ({ folder, run }) => {
  const marker = path.join(folder, '..', 'marker');
  await commitFiles(folder, { 'a.yaml': job('a', `run: |\n  touch ${marker}\n  sleep 60`) });
  const { child, ended } = startCli(['reconcile'], { cwd: folder });
  while (!readdirSync(path.dirname(marker)).includes('marker')) await sleep(50);
  child.kill('SIGINT');
  const result = await ended;
  assert.is(result.code, 130, result.stderr);
  const outcome = await git(folder, 'show', `runledger/status:jobs/${bucketOf('a')}/a/1.yaml`);
  assert.match(outcome, /result: cancelled/);
  assert.match(outcome, /reason: CancelRequested/);
  assert.match((await run('reconcile', '--dry-run')).stdout, /unchanged since run 1/);
});

test('watch runs what changes, and ends cleanly', async ({ folder }) => {
  await commitFiles(folder, { 'a.yaml': job('a', 'run: echo one') });
  const { child, ended } = startCli(['reconcile', '--watch'], { cwd: folder });
  const recorded = async (run: number): Promise<void> => {
    const file = `runledger/status:jobs/${bucketOf('a')}/a/${run}.yaml`;
    while (
      !(await git(folder, 'cat-file', '-e', file).then(
        () => true,
        () => false,
      ))
    )
      await sleep(100);
  };
  await recorded(1);
  await sleep(500);
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: echo two'));
  await recorded(2);
  child.kill('SIGINT');
  assert.is((await ended).code, 130);
});

test('secrets come from a file, and are in no log, variable or outcome', async ({ folder, run }) => {
  const secrets = path.join(folder, '..', 'secrets.yaml');
  writeFileSync(secrets, 'report:\n  token: very-secret-value\n', { mode: 0o600 });
  const spec =
    'env: { TOKEN: { secret: { name: report, key: token } } }\nrun: |\n  echo "token is $TOKEN"\n  echo "::set-outcome-var t=$TOKEN"';
  await commitFiles(folder, { 'a.yaml': job('a', spec) });
  const missing = await run('reconcile');
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /there is no secret "report"/);
  await commitFiles(folder, { 'a.yaml': job('a', `${spec}\n  echo again`) });
  const result = await run('reconcile', '--secrets', secrets);
  assert.is(result.code, 0, result.stderr);
  const all = await git(folder, 'log', '-p', '--all', '--full-history');
  assert.not.match(all.split('runledger.dev/v1\nkind: Job')[0] ?? '', /very-secret-value/);
  assert.not.match(await git(folder, 'log', '-p', 'runledger/status'), /very-secret-value/);
  assert.match(await git(folder, 'show', `runledger/status:jobs/${bucketOf('a')}/a/2.1.log`), /token is \*\*\*/);
});

test.run();
