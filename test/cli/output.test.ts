import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { load, loadAll } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cli, cliHere, type CliResult } from '../support/cli.ts';
import { initRepository, temporaryDirectory } from '../support/git.ts';
import { job } from './asking.ts';

const test = suite<{ folder: string; run: (...args: string[]) => Promise<CliResult>; remove: () => Promise<void> }>(
  'output for machines',
);

test.before.each(async (context) => {
  const { path: root, remove } = await temporaryDirectory();
  const folder = await initRepository(path.join(root, 'jobs'));
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'image: alpine:3.20\nrun: |\n  echo hello\n  echo oh >&2\n'));
  writeFileSync(path.join(folder, 'b.yaml'), job('b', 'needs: [a]\nimage: alpine:3.20\nrun: "true"'));
  Object.assign(context, { folder, remove, run: (...args: string[]) => cliHere(args, { cwd: folder }) });
});
test.after.each(({ remove }) => remove());

/** Commands that print no data: they go on for as long as they live, or print a script or manifests. */
const WITHOUT = new Set(['controller', 'convert', 'attempt', 'completion', 'complete', 'help']);

test('every command that prints data has -o', async ({ run }) => {
  const { stdout } = await run('--help');
  const names = [...stdout.matchAll(/^ {2}([a-z]+) (?:\[|<|\s)/gm)].map(([, name]) => name ?? '');
  const asked = names.filter((name) => !WITHOUT.has(name) && name !== 'runledger');
  assert.ok(asked.length >= 20, asked.join());
  for (const name of new Set(asked)) {
    const help = await run(name, '--help');
    assert.match(help.stdout, /-o, --output <format>/, name);
    assert.match(help.stdout, /json/, name);
  }
});

test('what a command did is a document too', async ({ folder, run }) => {
  const init = JSON.parse((await run('init', '-o', 'json')).stdout) as { folder: string; files: { state: string }[] };
  assert.is(init.folder, folder);
  assert.equal(
    init.files.map(({ state }) => state),
    ['created', 'created', 'created'],
  );
  const again = load((await run('init', '-o', 'yaml')).stdout) as typeof init;
  assert.ok(again.files.every(({ state }) => state === 'kept'));
  const text = await run('init', path.join(folder, 'new'));
  assert.match(text.stdout, /^created {2}jobs\/hello\.yaml$/m);
});

test('graph and render print the same in each form', async ({ run }) => {
  const graph = load((await run('graph', '-o', 'yaml')).stdout);
  assert.equal(graph, JSON.parse((await run('graph', '-o', 'json')).stdout));
  const documents = loadAll((await run('render', 'a')).stdout);
  const list = JSON.parse((await run('render', 'a', '-o', 'json')).stdout) as { kind: string; items: unknown[] };
  assert.is(list.kind, 'List');
  assert.equal(list.items, JSON.parse(JSON.stringify(documents)));
});

test('logs are objects, a line each, and top is one document', async ({ run }) => {
  await run('reconcile', '--log-level', 'silent');
  const { stdout, stderr } = await run('logs', 'a', '-o', 'json');
  assert.is(stderr, '');
  const lines = stdout.trimEnd().split('\n');
  const objects = lines.map((line) => JSON.parse(line) as { time: string; step: string; stream: string; text: string });
  assert.equal(objects.map(({ step, stream, text }) => `${step} ${stream} ${text}`).toSorted(), [
    'run stderr oh',
    'run stdout hello',
  ]);
  assert.ok(objects.every(({ time }) => !Number.isNaN(Date.parse(time))));
  const top = JSON.parse((await run('top', '-o', 'json')).stdout) as { at: string; runs: unknown[]; waits: object };
  assert.equal([top.runs, top.waits], [[], {}]);
});

test('completion knows every command, and its options', async ({ folder }) => {
  const words = async (...line: string[]): Promise<readonly string[]> =>
    (await cli(['complete', '--', ...line], { cwd: folder })).stdout
      .split('\n')
      .map((each) => each.split('\t')[0] ?? '');
  const commands = await words('');
  for (const name of ['why', 'history', 'diff', 'open', 'doctor']) assert.ok(commands.includes(name), name);
  assert.equal((await words('open', '--fo')).slice(0, 1), ['--forge']);
  assert.ok((await words('history', '--li')).includes('--limit'));
});

test.run();
