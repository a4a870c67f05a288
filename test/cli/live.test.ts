// test-timeout: 500s
/** `watch`, `top` and `wait` beside a `reconcile` of another process, with real processes. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { validators, type WatchEvent } from '../../src/schemas/index.ts';
import { cli, startCli } from '../support/cli.ts';
import { eventually } from '../support/cluster.ts';
import { startGitServer } from '../support/git-server.ts';
import { commitFiles, initRepository, temporaryDirectory } from '../support/git.ts';

interface World {
  folder: string;
  remove: () => Promise<void>;
  /** Lets jobs end that wait for the file of this name. */
  go: (name: string) => Promise<void>;
}

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const test = suite<World>('watch, top and wait');
const job = (name: string, spec: string): string =>
  `apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: ${name} }\nspec: { image: busybox:1.36, ${spec} }\n`;
const until = (file: string): string => `run: "while [ ! -e ${file} ]; do sleep 0.05; done"`;

test.before.each(async (world) => {
  const { path, remove } = await temporaryDirectory();
  const folder = await initRepository(join(path, 'jobs'));
  Object.assign(world, { folder, remove, go: (name: string) => writeFile(join(path, name), '') } satisfies World);
});
test.after.each(({ remove }) => remove());

const outside = ({ folder }: World, name: string): string => join(folder, '..', name);

test('watch -o json: an event a line, as the schema has it; watch: the same as lines; top: once', async (w) => {
  await commitFiles(w.folder, {
    'a.yaml': job('a', until(outside(w, 'go'))),
    'b.yaml': job('b', 'run: "exit 3"'),
    'c.yaml': job('c', 'needs: [a], run: "true"'),
  });
  const watch = startCli(['watch', '-o', 'json'], { cwd: w.folder });
  const lines = startCli(['watch', 'a'], { cwd: w.folder });
  let [seen, text] = ['', ''];
  watch.child.stdout?.on('data', (chunk: Buffer) => (seen += chunk.toString()));
  lines.child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const events = (): readonly WatchEvent[] =>
    seen
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as WatchEvent);
  const find = (type: string, name: string) => events().find((event) => event.type === type && event.job === name);
  const reconcile = startCli(['reconcile'], { cwd: w.folder });
  await eventually('a to have started', () => find('started', 'a'), 60_000);
  const top = await cli(['top'], { cwd: w.folder });
  assert.is(top.code, 0, top.stderr);
  assert.match(top.stdout, /^1 run active, 1 task, /);
  assert.match(top.stdout, /^a +#1 +default +1 +running /m);
  await w.go('go');
  await eventually('c to have finished', () => find('finished', 'c'), 60_000);
  await reconcile.ended;
  await eventually('the other to see it', () => /^\S+ a #1 succeeded/m.test(text), 30_000);
  watch.child.kill('SIGINT');
  lines.child.kill('SIGTERM');
  const [{ code, stderr }, plain] = await Promise.all([watch.ended, lines.ended]);
  assert.is(code, 130, stderr);
  assert.is(plain.code, 130);
  for (const event of events())
    assert.ok(validators.watchevent(event), JSON.stringify([event, validators.watchevent.errors]));
  assert.equal(
    events()
      .filter((event) => event.job === 'a')
      .map(({ type }) => type),
    ['queued', 'started', ...(find('ended', 'a') ? ['ended'] : []), 'finished'],
  );
  const { result, reason, exitCode } = find('finished', 'a')!;
  assert.equal([result, reason, exitCode], ['succeeded', 'Completed', 0]);
  assert.match(text, /^\S+ a #1 started$/m);
  assert.match(text, /^\S+ a #1 succeeded: Completed \(exit code 0\)$/m);
  assert.not.match(text, / [bc] #/);
});

test('wait: until the runs of a commit are recorded, and with what they came to', async (w) => {
  const revision = await commitFiles(w.folder, {
    'a.yaml': job('a', until(outside(w, 'go'))),
    'b.yaml': job('b', 'run: "exit 3"'),
    'c.yaml': job('c', 'needs: [a], run: "true"'),
    'd.yaml': job('d', 'on: { schedule: { cron: "0 0 1 1 *" } }, run: "true"'),
  });
  const wait = (...args: readonly string[]) => cli(['wait', ...args], { cwd: w.folder });
  const early = await wait('--timeout', '1s', '--revision', revision);
  assert.is(early.code, 1);
  assert.match(early.stderr, /is not done within 1s: it waits for run 1 of a, and \d more/);
  const all = startCli(['wait', '-o', 'json', '--revision', revision.slice(0, 10), '--timeout', '2m'], {
    cwd: w.folder,
  });
  const downstream = startCli(['wait', 'c', '--timeout', '2m'], { cwd: w.folder });
  await eventually(
    'it to say for what',
    () =>
      new Promise<boolean>((resolve) =>
        downstream.child.stderr?.once('data', (text: Buffer) => resolve(/waits for run 1 of a/.test(text.toString()))),
      ),
  );
  const reconcile = cli(['reconcile'], { cwd: w.folder });
  await w.go('go');
  await reconcile;
  const done = await all.ended;
  assert.is(done.code, 1, done.stderr);
  const { runs } = JSON.parse(done.stdout) as { runs: { job: string; result: string; revision: string }[] };
  assert.equal(
    runs.map(({ job: name, result }) => [name, result]).sort(([one = ''], [other = '']) => (one < other ? -1 : 1)),
    [
      ['a', 'succeeded'],
      ['b', 'failed'],
      ['c', 'succeeded'],
    ],
  );
  const { code, stdout } = await downstream.ended;
  assert.is(code, 0);
  assert.match(stdout, '✓ c #1 succeeded: Completed');
  assert.is((await wait('b', '--revision', revision)).code, 1);
  const scheduled = await wait('d');
  assert.equal([scheduled.code, scheduled.stdout], [0, `${revision.slice(0, 12)}: d did not run for it\n`]);

  const next = await commitFiles(w.folder, { 'b.yaml': job('b', 'run: "true"') });
  assert.is((await wait('b', '--revision', revision)).code, 1); // the older commit is done, whatever came since
  assert.is((await wait('b', '--timeout', '1s')).code, 1);
  await cli(['reconcile'], { cwd: w.folder });
  assert.is((await wait('b', '--revision', next)).code, 0);
  const unchanged = await wait('a', '--revision', next);
  assert.equal(
    [unchanged.code, unchanged.stdout],
    [0, `✓ a #1 succeeded: Completed (exit code 0), unchanged since ${revision.slice(0, 12)}\n`],
  );
});

test('a URL: wait and watch need nothing but the repository', async (w) => {
  const root = join(w.folder, '..', 'served');
  await mkdir(root);
  const server = await startGitServer({ root });
  try {
    const repository = await server.createRepository('jobs.git');
    await repository.commit({ 'a.yaml': job('a', 'run: "true"') });
    const at = ['-C', repository.url, '--interval', '1s'];
    const watch = startCli(['watch', '-o', 'json', ...at], { cwd: w.folder, env: { HOME: root } });
    let seen = '';
    watch.child.stdout?.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    await eventually('watch to look', () => server.requests.length > 0, 60_000);
    const wait = cli(['wait', 'a', ...at, '--timeout', '2m'], { cwd: w.folder });
    // Somebody else's machine: the other home has none of its claims.
    await cli(['reconcile', repository.url, '--runner', 'process'], { cwd: w.folder });
    const { code, stdout, stderr } = await wait;
    assert.is(code, 0, stderr);
    assert.match(stdout, '✓ a #1 succeeded: Completed (exit code 0)\n');
    await eventually('the end', () => seen !== '', 30_000);
    watch.child.kill('SIGINT');
    assert.is((await watch.ended).code, 130);
    for (const line of seen.split('\n').slice(0, -1)) assert.is((JSON.parse(line) as WatchEvent).type, 'finished');
  } finally {
    await server.close();
  }
});

test('wait: an invalid manifest is 3; what is typed wrongly is 2', async (w) => {
  await commitFiles(w.folder, { 'a.yaml': job('a', 'nonsense: 1') });
  const of = async (...args: readonly string[]) => cli(['wait', ...args], { cwd: w.folder });
  assert.is((await of()).code, 3);
  for (const [args, message] of [
    [['aa'], /there is no job "aa"[^]*did you mean a\?/],
    [['--revision', 'HEAD'], /--revision HEAD: write a commit's SHA/],
    [['--timeout', 'soon'], /--timeout soon: write it as/],
    [['--interval', 'x'], /--interval x: write it as/],
  ] as const) {
    const { code, stderr } = await of(...args);
    assert.is(code, 2, stderr);
    assert.match(stderr, message);
  }
});

test('artifacts --live: the output folder of a task that runs, as a tar', async (w) => {
  const script = `mkdir -p "$RUNLEDGER_OUTPUT/deep"; echo one >"$RUNLEDGER_OUTPUT/deep/1.txt"; touch ${outside(w, 'there')}`;
  await commitFiles(w.folder, {
    'a.yaml': job('a', `run: '${script}; while [ ! -e ${outside(w, 'go')} ]; do sleep 0.05; done'`),
  });
  const live = (...args: readonly string[]) => cli(['artifacts', 'a', '--live', ...args], { cwd: w.folder });
  const before = await live();
  assert.is(before.code, 2);
  assert.match(before.stderr, /a does not run[^]*runledger top/);
  const reconcile = cli(['reconcile'], { cwd: w.folder });
  await eventually('the file', () => stat(outside(w, 'there')).catch(() => undefined), 60_000);
  const { code, stdout, stderr } = await live();
  assert.is(code, 0, stderr);
  const listed = spawnSync('tar', ['-tf', '-'], { input: stdout, encoding: 'utf8' });
  assert.is(listed.stdout, 'deep/1.txt\n');
  const other = await live('--task', 'other');
  assert.is(other.code, 2);
  assert.match(other.stderr, /a #1 has no running task other[^]*those that run: default/);
  await w.go('go');
  await reconcile;
  assert.match((await live()).stderr, /what an ended run has left: runledger artifacts a/);
});

test('looking changes nothing in the repository', async (w) => {
  await commitFiles(w.folder, { 'a.yaml': job('a', 'run: "true"') });
  const before = await listing(join(w.folder, '.git'));
  await cli(['top'], { cwd: w.folder });
  await cli(['wait', '--timeout', '1s'], { cwd: w.folder });
  assert.equal(await listing(join(w.folder, '.git')), before);
});

async function listing(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder, { recursive: true })).sort();
  return Promise.all(names.map(async (name) => `${name} ${(await stat(join(folder, name))).mtimeMs}`));
}

if (spawnSync('script', ['--version']).status === 0)
  test('on a terminal: a screen of its own that fits, follows its size, and is given back at Ctrl-C', async (w) => {
    await commitFiles(w.folder, { 'a.yaml': job('a', 'run: "true"') });
    await cli(['reconcile'], { cwd: w.folder });
    const command = `stty rows 8 cols 40; echo $$ >pid; exec '${process.execPath}' '${MAIN}' watch`;
    const child = spawn('script', ['-qefc', command, '/dev/null'], {
      cwd: w.folder,
      env: { PATH: process.env['PATH'], HOME: w.folder, TERM: 'xterm', SHELL: '/bin/sh', NO_COLOR: '1' },
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const drawn = (pattern: RegExp) => eventually(`${pattern}`, () => pattern.test(out), 30_000);
    await drawn(/#1 .*succeeded/);
    assert.ok(out.startsWith('\u001b[?1049h'), JSON.stringify(out.slice(0, 40)));
    out = '';
    // The size is the terminal's: whoever has it open can change it.
    spawnSync('sh', ['-c', 'stty rows 20 cols 100 <"$(readlink /proc/$(cat pid)/fd/0)"'], { cwd: w.folder });
    await drawn(/TRIGGER/);
    child.stdin.write('\u0003');
    assert.is(await ended, 130);
    assert.ok(out.includes('\u001b[?25h\u001b[?1049l'), 'the screen is given back');
    assert.match(out.slice(out.indexOf('\u001b[?1049l')), /JOB +RUN +STATE/);
  });
else console.log('# skipped: script (util-linux) is not there: nothing is shown on a terminal');

test.run();
