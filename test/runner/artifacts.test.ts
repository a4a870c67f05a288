import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createDirectoryStore } from '../../src/artifacts/directory-store.ts';
import { extractArchive } from '../../src/artifacts/extract.ts';
import type { TreeEntry } from '../../src/artifacts/tree.ts';
import type { RunRecord } from '../../src/runner/port.ts';
import { tree } from '../support/artifacts.ts';
import { begin, type Ended, never, recordOf, until, waitForEnd, withWorld, type World } from './world.ts';

const test = suite('artifacts and checkout, by processes');

const withStore = (work: (world: World) => Promise<void>): Promise<void> =>
  withWorld(async (world) => {
    await mkdir(world.store);
    await work(world);
  });

/** What the archive of an attempt holds. */
async function unpacked(world: World, { artifacts, number }: Ended): Promise<Readonly<Record<string, string>>> {
  const { key, bytes, sha256 } = artifacts?.archive ?? {};
  if (key === undefined || bytes === undefined || sha256 === undefined) throw new Error('nothing was kept');
  const store = createDirectoryStore(world.store, Date.now);
  const target = join(world.dir, `unpacked-${number}`);
  await extractArchive(await store.get(key, { bytes, sha256 }, never), target, { signal: never });
  return tree(target);
}

const WRITES = 'mkdir -p out/x; echo one >out/1; echo two >out/x/2; echo out >$RUNLEDGER_OUTPUT/made; echo no >other';
const KEPT = { made: 'out\n', 'out/1': 'one\n', 'out/x/2': 'two\n' };

test('files of the workspace and the output folder are kept, listed with sizes and SHA-256', () =>
  withStore(async (world) => {
    const ended = await world.run({ run: WRITES, artifacts: { paths: ['out/**'] } });
    assert.is(ended.artifacts?.archive?.complete, true);
    assert.is(ended.artifacts?.archive?.key, 'acme/report/1/default/1.tar.zst');
    assert.equal(
      ended.artifacts?.files.map(({ path, bytes }) => [path, bytes]),
      [
        ['made', 4],
        ['out/1', 4],
        ['out/x/2', 4],
      ],
    );
    assert.match(ended.artifacts?.files[0]?.sha256 ?? '', /^[0-9a-f]{64}$/);
    assert.equal(await unpacked(world, ended), KEPT);
  }));

test('after a failure, and after what hooks.after leaves', () =>
  withStore(async (world) => {
    const ended = await world.run({
      run: `${WRITES}; exit 7`,
      hooks: { after: 'echo last >out/last' },
      artifacts: { paths: ['out'] },
    });
    assert.equal(ended.ending, { kind: 'exited', step: 'run', exitCode: 7 });
    assert.equal(await unpacked(world, ended), { ...KEPT, 'out/last': 'last\n' });
  }));

test('after a time-out', () =>
  withStore(async (world) => {
    const timeouts = { run: '1s', grace: '1s' };
    const ended = await world.run({ run: `${WRITES}; sleep 60`, timeouts, artifacts: { paths: ['out'] } });
    assert.is(ended.ending?.kind, 'timeout');
    assert.equal(await unpacked(world, ended), KEPT);
  }));

test('after a cancellation, with what the step does about TERM', () =>
  withStore(async (world) => {
    const runner = world.runner();
    const run = `${WRITES}; trap 'echo bye >out/bye; exit 3' TERM; echo up; while :; do sleep 0.05; done`;
    const record: RunRecord = recordOf({ run, artifacts: { paths: ['out'] } });
    await begin(runner, record);
    await until('it is up', () => world.lines.some(({ text }) => text === 'up'));
    await runner.cancel(record, 'CancelRequested');
    const ended = await waitForEnd(runner, record);
    assert.is(ended.ending?.kind, 'cancelled');
    assert.equal(await unpacked(world, ended), { ...KEPT, 'out/bye': 'bye\n' });
  }));

test('a store that is not there makes the artifacts missing, and the result stays', () =>
  withWorld(async (world) => {
    const ended = await world.run({ run: WRITES, artifacts: {} });
    assert.equal(ended.ending, { kind: 'exited', step: 'run', exitCode: 0 });
    assert.is(ended.artifacts?.archive?.complete, false);
    assert.match(ended.artifacts?.archive?.reason ?? '', 'the artifact store is not there');
  }));

test('nothing to keep is no archive, and what named nothing is a warning', () =>
  withStore(async (world) => {
    const ended = await world.run({ run: 'true', artifacts: { paths: ['none/*'] } });
    assert.equal(ended.artifacts, { files: [], warnings: ['artifacts: "none/*" matches no file'] });
  }));

test('a link that leads out is left out; what is written without `artifacts` is not kept, with a warning', () =>
  withStore(async (world) => {
    const run = 'mkdir out; ln -s /etc/passwd out/leak; ln -s 1 out/fine; echo 1 >out/1';
    const ended = await world.run({ run, artifacts: { paths: ['out'] } });
    assert.equal(await unpacked(world, ended), { 'out/1': '1\n', 'out/fine': '-> 1' });
    assert.match(ended.artifacts?.warnings.join() ?? '', /"out\/leak" is a link to an absolute path/);
    const without = await world.run({ run: 'echo x >$RUNLEDGER_OUTPUT/x' }, { record: { run: 2 } });
    assert.is(without.artifacts, undefined);
    assert.match(without.output?.warnings.join() ?? '', /\$RUNLEDGER_OUTPUT is not kept/);
  }));

const file = (path: string, content: string, executable = false): TreeEntry => ({
  kind: 'file',
  path,
  executable,
  content: Buffer.from(content),
});
const link = (path: string, target: string): TreeEntry => ({ kind: 'link', path, target });

test('the files of the revision lie in the workspace, in every attempt anew', () =>
  withStore(async (world) => {
    let asked = 0;
    world.revision = async function* () {
      asked += 1;
      yield* [file('bin/tool', '#!/bin/sh\necho tool\n', true), file('src/a.txt', 'a'), link('src/b.txt', 'a.txt')];
    };
    const runner = world.runner();
    const record = recordOf({ checkout: true, run: './bin/tool; cat src/b.txt; rm -r src bin; echo x >left' });
    await begin(runner, record);
    const first = await waitForEnd(runner, record);
    assert.equal(first.ending, { kind: 'exited', step: 'run', exitCode: 0 });
    assert.match(first.text, 'tool\n');
    const [again] = (await runner.list(never)).flatMap(({ attempts }) => attempts);
    const task = { name: again?.task ?? '', slots: 1, env: {}, matrix: {}, variables: {}, params: {} };
    await runner.start(record, [], [{ task, number: 2 }], never);
    const second = await waitForEnd(runner, record);
    assert.is(second.number, 2);
    assert.equal(second.ending, { kind: 'exited', step: 'run', exitCode: 0 });
    assert.is(asked, 1);
    await runner.release([record], never);
  }));

for (const [what, entry, says] of [
  ['a link out of the tree', link('a/out', '../../x'), '"a/out" is a link that leads out of the folder'],
  ['a link to an absolute path', link('passwd', '/etc/passwd'), '"passwd" is a link to an absolute path'],
  ['a path that climbs', file('a/../../x', ''), '"a/../../x" has a path with ".."'],
] as const)
  test(`${what} is refused, and nothing is run`, () =>
    withStore(async (world) => {
      world.revision = async function* () {
        yield* [file('fine', ''), entry];
      };
      const ended = await world.run({ checkout: true, run: 'echo ran' });
      assert.is(ended.ending?.kind, 'startError');
      assert.match(JSON.stringify(ended.ending), JSON.stringify(says).slice(1, -1));
      assert.is(ended.started, null);
      assert.is(ended.text, '');
    }));

test('a file below a link is refused, and nothing is written through it', () =>
  withStore(async (world) => {
    await writeFile(join(world.dir, 'outside'), 'mine');
    world.revision = async function* () {
      yield* [link('a', '.'), file('a/outside', 'theirs')];
    };
    const ended = await world.run({ checkout: true, run: 'echo ran' });
    assert.is(ended.ending?.kind, 'startError');
    assert.is(await readFile(join(world.dir, 'outside'), 'utf8'), 'mine');
  }));

test.run();
