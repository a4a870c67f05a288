// test-timeout: 300s
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commitFiles, git } from '../support/git.ts';
import { appears, type AskingWorld, job, makeWorld, until } from './asking.ts';

const test = suite<AskingWorld>('runledger cancel');

test.before.each(async (context) => {
  Object.assign(context, await makeWorld());
});
test.after.each(({ remove }) => remove());

test('what another process runs ends, and the outcome says who asked', async (world) => {
  const { folder, root, run, watch, outcome, requests } = world;
  const marker = path.join(root, 'marker');
  await commitFiles(folder, { 'a.yaml': job('a', `run: |\n  touch ${marker}\n  sleep 60`) });
  const watching = watch();
  await appears(marker);
  const asked = await run('cancel', 'a', '--wait');
  assert.is(asked.code, 0, asked.stderr);
  assert.is(asked.stdout, 'accepted: run 1 is cancelled\n');
  const ended = await until(() => outcome('a', 1));
  assert.equal([ended.result, ended.reason], ['cancelled', 'CancelRequested']);
  assert.is(ended.message, 'ended while step "run" was running: it was asked for by Ada Lovelace <ada@example.com>');
  assert.equal(await requests(), []);
  const log = await git(folder, 'log', '--format=%an: %s', 'runledger/status');
  assert.match(log, /^Ada Lovelace: cancel of a requested$/m);
  assert.match(log, /^runledger: cancel of a accepted: run 1 is cancelled$/m);
  const late = await run('cancel', 'a', '--run', '1', '--wait');
  assert.is(late.code, 1);
  assert.is(late.stdout, 'refused: run 1 has ended: cancelled\n');
  assert.is((await watching.end()).code, 130);
});

test('a run that waits ends without an attempt; the one that runs goes on', async (world) => {
  const { folder, root, run, watch, outcome } = world;
  const [marker, go] = [path.join(root, 'marker'), path.join(root, 'go')];
  const wait = `touch ${marker}\n  while [ ! -e ${go} ]; do sleep 0.1; done`;
  await commitFiles(folder, {
    'a.yaml': job('a', `concurrency: { group: one }\nrun: |\n  ${wait}`),
    'b.yaml': job('b', 'on: {}\nconcurrency: { group: one }\nrun: echo never'),
  });
  const watching = watch();
  await appears(marker);
  assert.is((await run('rerun', 'b')).code, 0);
  const claim = path.join(folder, '.git/runledger/runs');
  await until(async () => ((await readdir(claim)).length === 2 ? true : undefined));
  const asked = await run('cancel', 'b', '--run', '1', '--wait');
  assert.is(asked.code, 0, asked.stderr);
  const queued = await until(() => outcome('b', 1));
  assert.equal([queued.result, queued.reason], ['cancelled', 'CancelRequested']);
  assert.match(queued.message, /^ended before it started: it was asked for by Ada Lovelace/);
  assert.equal(queued.tasks[0]?.attempts, []);
  await writeFile(go, '');
  assert.is((await until(() => outcome('a', 1))).result, 'succeeded');
  assert.is((await watching.end()).code, 130);
});

test('a command that runs one job hears of its cancellation too', async (world) => {
  const { folder, root, run, outcome, requests } = world;
  const marker = path.join(root, 'marker');
  await commitFiles(folder, { 'a.yaml': job('a', `on: {}\nrun: |\n  touch ${marker}\n  sleep 60`) });
  const running = run('run', 'a');
  await appears(marker);
  assert.is((await run('cancel', 'a')).code, 0);
  assert.is((await running).code, 1);
  assert.match((await outcome('a', 1))?.message ?? '', /asked for by Ada/);
  assert.equal(await requests(), []);
});

test.run();
