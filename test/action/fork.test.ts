// test-timeout: 300s
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { approvalLine } from '../../src/forge/trust.ts';
import { findForge, type Forge } from '../support/forge.ts';
import { job, openPullWorld, type Ran, runStep } from './world.ts';

const MAIN = join(import.meta.dirname, '../../src/action/main.ts');
const test = suite('a pull request from a fork');

const FILES = {
  'jobs/check.yaml': job('check', 'on: { pullRequest: { paths: ["src/**"] } }\nrun: cat src/a.txt; echo by the base'),
  'jobs/publish.yaml': job(
    'publish',
    'on: { pullRequest: { paths: ["src/**"] } }\nenv: { T: { secret: { name: chat, key: token } } }\nrun: echo published ${#T}',
  ),
  'src/a.txt': 'from the base\n',
};
const EVIL = {
  'jobs/check.yaml': job('check', 'on: { pullRequest: true }\nrun: echo by the fork'),
  'jobs/new.yaml': job('new', 'on: { pullRequest: true }\nrun: echo new by the fork'),
  'src/a.txt': 'from the fork\n',
};

async function define(forge: Forge): Promise<void> {
  const world = await openPullWorld(forge, FILES);
  test.after(() => world.close());
  const fork = await world.fork();
  const head = await world.push(EVIL, 'evil', fork);
  const number = await world.pull(`${fork.split('/')[0]}:evil`);
  const secrets = join(world.folder, 'secrets.yaml');
  writeFileSync(secrets, 'chat: { token: not-for-forks-4711 }\n', { mode: 0o600 });

  const step = (event: string, inputs: Readonly<Record<string, string>>): Promise<Ran> =>
    runStep(world, forge, { main: MAIN, event, number, inputs: { secrets, ...inputs } });

  test('jobs and scripts are those of the base, with the files of the fork; what could come to a secret is refused', async () => {
    const { code, text, outputs } = await step('pull_request', { outcomes: 'branch' });
    assert.is(code, 1, text);
    for (const said of ['check | from the fork', 'check | by the base', 'publish was refused'])
      assert.match(text, said);
    for (const never of ['by the fork', 'published']) assert.not.match(text, never);
    assert.match(outputs, /result<<.*\nrefused\n/);
    const [comment] = await world.comments(number);
    for (const said of [
      'nobody has approved',
      approvalLine(head),
      'publish',
      'spec.env.T',
      'jobs/check.yaml, jobs/new.yaml',
    ])
      assert.match((comment?.body ?? '').replaceAll('\\', ''), said);
    assert.equal(await world.branches(), ['main'], 'nothing is written');
  });

  test('beside credentials, a process of the machine executes nothing of a fork', async () => {
    const { code, text } = await step('pull_request_target', {});
    assert.is(code, 1, text);
    for (const never of ['from the fork', 'by the base', 'by the fork']) assert.not.match(text, never);
    assert.match(text, 'would execute files of the pull request on a machine that holds credentials');
  });

  test('an approval of another commit changes nothing; one of this commit lets all of it run', async () => {
    await world.comment(number, approvalLine('b'.repeat(40)));
    assert.is((await step('pull_request_target', {})).code, 1);
    await world.comment(number, `${approvalLine(head)}\nread it`);
    const { code, text } = await step('pull_request_target', { outcomes: 'branch' });
    assert.is(code, 0, text);
    for (const said of ['check | by the fork', 'new | new by the fork']) assert.match(text, said);
    const ours = (await world.comments(number)).filter(({ body }) => body.startsWith('<!-- runledger'));
    assert.is(ours.length, 1);
    assert.match(ours[0]?.body ?? '', `${forge.user} has approved`);
    assert.equal(await world.branches(), ['main', `runledger/pr/${number}`]);
  });

  test('the next push is approved by nothing, but for an approval from elsewhere that names it', async () => {
    const next = await world.push({ 'src/a.txt': 'more from the fork\n' }, 'evil', fork);
    const { text } = await step('pull_request', {});
    assert.match(text, 'check | by the base');
    assert.not.match(text, 'by the fork');
    const approved = await step('pull_request', { 'approved-sha': next, comment: 'false' });
    assert.match(approved.text, 'check | by the fork');
  });

  test('a work tree of something else is not taken for what was approved', async () => {
    await world.push({ 'src/a.txt': 'behind the back\n' }, 'elsewhere', fork);
    const { code, text } = await step('pull_request', {});
    assert.is(code, 1);
    assert.match(text, '::error title=runledger::the work tree is at');
    assert.not.match(text, 'check |');
  });
}

const forge = findForge();
if (forge) {
  await define(forge);
  test.run();
}
