// test-timeout: 120s
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { JobStatus } from '../../src/schemas/index.ts';
import { commitFiles, git } from '../support/git.ts';
import { appears, type AskingWorld, job, makeWorld, until } from './asking.ts';

const test = suite<AskingWorld>('what waits, as get shows it');

test.before.each(async (context) => {
  Object.assign(context, await makeWorld());
});
test.after.each(({ remove }) => remove());

interface Shown extends JobStatus {
  readonly queue?: readonly { readonly run: number; readonly waits: string }[];
}

test('every run that waits is there with its place, which is never committed; the ledger says what for', async (world) => {
  const { folder, root, run, watch, outcome } = world;
  const [marker, go] = [path.join(root, 'marker'), path.join(root, 'go')];
  const wait = `touch ${marker}\n  while [ ! -e ${go} ]; do sleep 0.1; done`;
  const grouped = 'concurrency: { group: one }\nrun: echo';
  await commitFiles(folder, {
    'a.yaml': job('a', `concurrency: { group: one }\nrun: |\n  ${wait}`),
    'b.yaml': job('b', grouped),
    'c.yaml': job('c', grouped),
    'd.yaml': job('d', 'needs: [a]\non: { commit: true }\nrun: echo'),
    'e.yaml': job('e', 'run: echo'),
  });
  const watching = watch('--concurrency', '1');
  await appears(marker);
  const waits = [
    'b run 1 waits for run 1 of a in group one, position 1',
    'c run 1 waits for run 1 of b in group one, position 2',
    'd run 1 waits for run 1 of a',
    'e run 1 waits for capacity of the source (1 of 1 attempts), position 1',
  ];
  const shown = await until(async () => {
    const { stdout } = await run('get');
    return waits.every((line) => stdout.includes(`${line}\n`)) ? stdout : undefined;
  });
  assert.is(shown.match(/ waits /g)?.length, 4);
  // Since ten seconds by then.
  const committed = await until(async () => {
    const { stdout } = await run('get', '-o', 'json');
    const statuses = JSON.parse(stdout) as readonly Shown[];
    return statuses.length === 5 ? statuses : undefined;
  });
  assert.equal(
    committed.map((status) => [status.job, status.phase, status.waiting]),
    [
      ['a', 'Running', undefined],
      ['b', 'Queued', 'run 1 waits for run 1 of a in group one'],
      ['c', 'Queued', 'run 1 waits for run 1 of b in group one'],
      ['d', 'Queued', 'run 1 waits for run 1 of a'],
      ['e', 'Queued', 'run 1 waits for capacity of the source'],
    ],
  );
  assert.equal(committed[2]?.queue, [{ run: 1, waits: 'for run 1 of b in group one, position 2' }]);
  assert.match((await run('get', 'c')).stdout, /^ {2}run 1 waits for run 1 of b in group one, position 2$/m);
  const everything = await git(folder, 'log', '-p', 'runledger/status');
  assert.not.match(everything, 'position');
  await writeFile(go, '');
  for (const name of ['a', 'b', 'c', 'd', 'e'])
    assert.is((await until(() => outcome(name, 1))).result, 'succeeded', name);
  const after = JSON.parse((await run('get', '-o', 'json')).stdout) as readonly Shown[];
  assert.equal(
    after.map(({ phase, waiting, queue }) => [phase, waiting, queue]),
    Array.from({ length: 5 }, () => ['Idle', undefined, undefined]),
  );
  assert.is((await watching.end()).code, 130);
});

test.run();
