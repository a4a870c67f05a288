import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cli } from '../support/cli.ts';
import { temporaryDirectory } from '../support/git.ts';

interface World {
  folder: string;
  remove: () => Promise<void>;
}

const test = suite<World>('runledger convert');

test.before.each(async (context) => {
  const { path: folder, remove } = await temporaryDirectory();
  Object.assign(context, { folder, remove });
});
test.after.each(({ remove }) => remove());

const FIXTURES = path.join(import.meta.dirname, '../convert/fixtures');
const CRON = path.join(FIXTURES, 'kubernetes/nightly-report.in.yaml');

const job = (name: string, command: string): string =>
  `apiVersion: batch/v1\nkind: Job\nmetadata: { name: ${name} }\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{ name: a, image: alpine, command: [sh, -c, '${command}'] }]\n`;

test('a CronJob becomes a file that validates and renders', async ({ folder }) => {
  const { code, stdout, stderr } = await cli(['convert', '--out', 'jobs', CRON], { cwd: folder });
  assert.is(code, 0, stderr);
  assert.is(stdout, 'created  jobs/nightly-report.yaml\n');
  assert.match(stderr, /^1 job converted; \d+ comments TODO\(convert\) to look at$/m);
  assert.is((await cli(['validate', 'jobs'], { cwd: folder })).stdout, '1 valid job, 0 problems\n');
  const rendered = await cli(['render', 'nightly-report', '-C', 'jobs'], { cwd: folder });
  assert.is(rendered.code, 0, rendered.stderr);
  assert.match(rendered.stdout, /^kind: Pod$/m);
});

test('a Job from standard input runs', async ({ folder }) => {
  const { code, stdout } = await cli(['convert', '-'], { cwd: folder, input: job('hello', 'echo converted') });
  assert.is(code, 0);
  const run = await cli(['run', '-f', '-'], { cwd: folder, input: stdout });
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, /converted/);
});

test('nothing is overwritten, and nothing half written', async ({ folder }) => {
  writeFileSync(path.join(folder, 'in.yaml'), `${job('a', 'x')}---\n${job('b', 'x')}`);
  mkdirSync(path.join(folder, 'out'));
  writeFileSync(path.join(folder, 'out/b.yaml'), 'mine');
  const { code, stderr } = await cli(['convert', '--out', 'out', 'in.yaml'], { cwd: folder });
  assert.is(code, 2);
  assert.match(stderr, /out\/b\.yaml exists already/);
  assert.equal(readdirSync(path.join(folder, 'out')), ['b.yaml']);
  assert.is(readFileSync(path.join(folder, 'out/b.yaml'), 'utf8'), 'mine');
});

test('what can not be carried over is said with its place, and the others are written', async ({ folder }) => {
  const text = `${job('a', 'x')}---\n${job('b', 'x').replace('spec:\n', 'spec:\n  parallelism: 3\n')}`;
  writeFileSync(path.join(folder, 'in.yaml'), text);
  const refused = await cli(['convert', 'in.yaml'], { cwd: folder });
  assert.is(refused.code, 3);
  assert.match(refused.stderr, /^error: in\.yaml:14:3: spec\.parallelism: /m);
  assert.match(refused.stderr, /^hint: --allow-todo/m);
  assert.match(refused.stdout, /^ {2}name: a$/m);
  assert.not.match(refused.stdout, /^ {2}name: b$/m);
  const allowed = await cli(['convert', '--allow-todo', 'in.yaml'], { cwd: folder });
  assert.is(allowed.code, 0, allowed.stderr);
  assert.match(allowed.stdout, /^# TODO\(convert\): not carried over: spec\.parallelism/m);
});

test('a file that does not say what it is needs --from', async ({ folder }) => {
  const file = path.join(FIXTURES, 'opslevel/job.in.yaml');
  const { code, stderr } = await cli(['convert', file], { cwd: folder });
  assert.is(code, 2);
  assert.match(stderr, /hint: {2}name it: --from opslevel\|alfred\|semaphore\|github\|kubernetes/);
  const named = await cli(['convert', '--from', 'opslevel', file], { cwd: folder });
  assert.is(named.code, 0, named.stderr);
  assert.not.match(named.stdout + named.stderr, /hunter2/);
});

test('a workflow says what it is', async ({ folder }) => {
  const { code, stdout, stderr } = await cli(['convert', path.join(FIXTURES, 'github/ci.in.yaml')], { cwd: folder });
  assert.is(code, 3, stderr);
  assert.match(stdout, /^ {2}name: unit-tests$/m);
  assert.match(stderr, /jobs\.publish\.if: the condition has no counterpart/);
});

test('two jobs of one name, a missing file and a file that is no YAML are errors without a stack', async ({
  folder,
}) => {
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'x'));
  writeFileSync(path.join(folder, 'broken.yaml'), 'a: [');
  const twice = await cli(['convert', 'a.yaml', 'a.yaml'], { cwd: folder });
  assert.is(twice.code, 2);
  assert.match(twice.stderr, /two jobs would be called a/);
  const missing = await cli(['convert', 'nope.yaml'], { cwd: folder });
  assert.is(missing.code, 2);
  const broken = await cli(['convert', '--from', 'kubernetes', 'broken.yaml'], { cwd: folder });
  assert.is(broken.code, 3);
  assert.match(broken.stderr, /^error: broken\.yaml:1:/m);
  writeFileSync(path.join(folder, 'long.yaml'), `a: ${'x'.repeat(3_000_000)}`);
  const long = await cli(['convert', '--from', 'opslevel', 'long.yaml'], { cwd: folder });
  assert.is(long.code, 3);
  assert.match(long.stderr, /^error: long\.yaml:1:1: the file has 1\.\d MiB/m);
  for (const { stderr } of [twice, missing, broken, long]) assert.not.match(stderr, /\n\s+at /);
});

test.run();
