// test-timeout: 300s
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findForge, type Forge } from '../support/forge.ts';
import { job, openPullWorld } from './world.ts';

const ROOT = join(import.meta.dirname, '../..');
const test = suite('the action in a workflow under act');

/** https://github.com/nektos/act: RUNLEDGER_TEST_ACT, else what PATH has. */
function findAct(): string | undefined {
  const named = process.env['RUNLEDGER_TEST_ACT'];
  if (named) return named;
  const found = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'act'));
  const act = found.find((file) => existsSync(file));
  if (act === undefined) {
    if ((process.env['RUNLEDGER_TEST_REQUIRE'] ?? '').split(',').includes('act'))
      throw new Error('RUNLEDGER_TEST_REQUIRE names act, and there is none');
    console.log('# skipped: no act (put it on PATH, or name it in RUNLEDGER_TEST_ACT)');
  }
  return act;
}

const WORKFLOW = `
on: pull_request
permissions: { contents: write, pull-requests: write, statuses: write }
jobs:
  runledger:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - id: validate
        uses: runledger/runledger@v0
        with: { command: validate, path: jobs, fail-on: never }
      - id: plan
        uses: runledger/runledger@v0
        with: { command: plan, path: jobs, comment: false, fail-on: never }
      - id: run
        uses: runledger/runledger@v0
        with: { command: run, path: jobs, statuses: true, outcomes: branch }
      - if: always()
        env: { VALIDATE: '\${{ steps.validate.outputs.result }}', PLAN: '\${{ steps.plan.outputs.result }}', RESULT: '\${{ steps.run.outputs.result }}', RUNS: '\${{ steps.run.outputs.runs }}' }
        run: echo "OUTPUTS $VALIDATE $PLAN $RESULT $RUNS"
`;

const FILES = {
  '.github/workflows/jobs.yaml': WORKFLOW,
  'jobs/check.yaml': job(
    'check',
    [
      'on: { commit: true, pullRequest: { paths: ["src/**"] } }',
      'run: |',
      '  echo "::error file=src/a.txt,line=2::bad word"',
      '  echo "::set-output name=forged::by a job"',
      '  ! grep -r bad src',
    ].join('\n'),
  ),
  'jobs/report.yaml': job('report', 'on: { pullRequest: true }\nneeds: [check]\nrun: echo reported'),
  'jobs/deploy.yaml': job('deploy', 'needs: [check]\nrun: echo deployed'),
  'jobs/main.yaml': job('main', 'run: echo main'),
  'src/a.txt': 'good\n',
};

interface Ran {
  readonly code: number;
  readonly text: string;
}

/** A pull request on a real forge, and its workflow on this machine, with the bundle as it is committed. */
async function define(forge: Forge, act: string): Promise<void> {
  const world = await openPullWorld(forge, FILES);
  test.after(() => world.close());
  const action = join(world.folder, 'action');
  mkdirSync(action);
  for (const file of ['action.yml', 'action']) cpSync(join(ROOT, file), join(action, file), { recursive: true });

  const workflow = async (number: number): Promise<Ran> => {
    const event = join(world.folder, 'event.json');
    writeFileSync(event, JSON.stringify(await world.event(number)));
    const args = ['pull_request', '-P', 'ubuntu-latest=-self-hosted', '-e', event];
    args.push('--local-repository', `runledger/runledger@v0=${action}`);
    args.push('--env', `GITHUB_API_URL=${forge.url}/api/v1`, '-s', `GITHUB_TOKEN=${forge.token}`);
    const env = {
      ...process.env,
      HOME: world.folder,
      XDG_CACHE_HOME: join(world.folder, 'cache'),
      PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    };
    const options = { cwd: world.clone, env, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 };
    return new Promise((resolve) => {
      execFile(act, args, options, (error, stdout, stderr) => {
        const code = typeof error?.code === 'number' ? error.code : error ? -1 : 0;
        resolve({ code, text: stdout + stderr });
      });
    });
  };

  test('a job that fails fails the step, and a push that puts it right updates the same comment', async () => {
    const bad = await world.push({ 'src/a.txt': 'good\nbad\n' }, 'change');
    const number = await world.pull('change');
    const first = await workflow(number);
    assert.is(first.code, 1, first.text);
    assert.match(first.text, 'OUTPUTS succeeded planned failed [{"job":"check","run":1,"result":"failed"');
    assert.match(first.text, '::error file=src/a.txt,line=2,title=check run 1::bad word');
    assert.not.match(first.text, '::set-output:: forged', 'what jobs print is no command');
    const [comment, ...others] = await world.comments(number);
    assert.equal(others, []);
    for (const text of ['2 runs: 1 failed, 1 skipped', '| ❌ failed | check run 1 |', '2 other jobs', bad])
      assert.match(comment?.body ?? '', text);
    assert.equal(await world.statuses(bad), ['runledger/check failure', 'runledger/report failure']);
    assert.equal(await world.branches(), ['change', 'main', `runledger/pr/${number}`], 'and no ledger of main');

    const good = await world.push({ 'src/a.txt': 'good\nbetter\n' }, 'change');
    const second = await workflow(number);
    assert.is(second.code, 0, second.text);
    assert.match(second.text, 'OUTPUTS succeeded planned succeeded [{"job":"check","run":2,"result":"succeeded"');
    const after = await world.comments(number);
    assert.equal(
      after.map(({ id }) => id),
      [comment?.id],
    );
    for (const text of ['2 runs: 2 succeeded', '| ✅ succeeded | check run 2 |', good])
      assert.match(after[0]?.body ?? '', text);
    assert.equal(await world.statuses(good), ['runledger/check success', 'runledger/report success']);
  });

  test('an invalid manifest is said at its place, and fails the step though what else there is runs', async () => {
    const sha = await world.push({ 'jobs/broken.yaml': job('broken', 'runn: echo') }, 'change');
    const { code, text } = await workflow(1);
    assert.is(code, 1);
    assert.match(text, '::error file=jobs/broken.yaml,line=5,col=3,title=runledger::spec.runn: unknown field');
    assert.match(text, 'OUTPUTS invalid invalid invalid [{"job":"check"');
    const [comment] = await world.comments(1);
    for (const said of ['Problems in manifests', 'jobs/broken.yaml:5:3', sha]) assert.match(comment?.body ?? '', said);
  });
}

const act = findAct();
const forge = act === undefined ? undefined : findForge();
if (forge && act !== undefined) {
  await define(forge, act);
  test.run();
}
