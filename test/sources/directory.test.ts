import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openDirectorySource } from '../../src/sources/directory.ts';
import type { Source } from '../../src/sources/port.ts';

const signal = new AbortController().signal;

interface World {
  root: string;
  write: (path: string, text: string) => void;
  git: (...args: string[]) => string;
  open: (path?: string) => Promise<Source>;
}

const test = suite<World>('directory source');

test.before.each((context) => {
  const root = mkdtempSync(join(tmpdir(), 'runledger-test-'));
  context.root = root;
  context.write = (path, text) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  context.git = (...args) =>
    execFileSync('git', ['-C', root, '-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
      encoding: 'utf8',
    }).trim();
  context.open = async (path = '.') =>
    openDirectorySource({ root, path, repository: await openRepository({ gitdir: join(root, '.git') }) });
  context.git('init', '-q', '-b', 'main');
});

test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

const paths = async (source: Source): Promise<readonly string[]> =>
  (await source.fetch(signal)).manifests.map(({ path }) => path);

test('reads YAML files as they lie there, without dot-folders and what the ignore files name', async ({
  write,
  open,
}) => {
  write('b.yml', 'b');
  write('jobs/a.yaml', 'a');
  write('jobs/notes.txt', 'no');
  write('.github/workflow.yaml', 'no');
  write('node_modules/x/x.yaml', 'no');
  write('.gitignore', 'node_modules\n');
  write('drafts/c.yaml', 'no');
  write('drafts/keep.yaml', 'yes');
  write('drafts/.runledgerignore', '*.yaml\n!keep.yaml\n');
  assert.equal(await paths(await open()), ['b.yml', 'drafts/keep.yaml', 'jobs/a.yaml']);
  assert.equal(await paths(await open('drafts')), ['drafts/keep.yaml']);
});

test('a source may lie in a folder whose name begins with a dot', async ({ write, open }) => {
  write('.jobs/a.yaml', 'a');
  assert.equal(await paths(await open('.jobs')), ['.jobs/a.yaml']);
});

test('the revision is HEAD, dirty as long as a manifest differs from it', async ({ write, open, git, root }) => {
  write('jobs/a.yaml', 'a');
  write('jobs/skipped.yaml', 's');
  write('.runledgerignore', 'skipped.yaml\n');
  const source = await open();
  assert.is((await source.fetch(signal)).revision, 'none');
  git('add', '-A');
  git('commit', '-qm', 'one');
  const head = git('rev-parse', 'HEAD');
  assert.is((await source.fetch(signal)).revision, head);
  write('jobs/a.yaml', 'changed');
  assert.is((await source.fetch(signal)).revision, `${head}+dirty`);
  write('jobs/a.yaml', 'a');
  assert.is((await source.fetch(signal)).revision, head);
  write('jobs/new.yaml', 'n');
  assert.is((await source.fetch(signal)).revision, `${head}+dirty`);
  unlinkSync(join(root, 'jobs/new.yaml'));
  unlinkSync(join(root, 'jobs/a.yaml'));
  assert.is((await source.fetch(signal)).revision, `${head}+dirty`);
});

test('a file that manifests refer to makes the revision dirty once it was looked at', async ({ write, open, git }) => {
  write('bin/run.sh', 'one');
  git('add', '-A');
  git('commit', '-qm', 'one');
  write('bin/run.sh', 'two');
  const snapshot = await (await open()).fetch(signal);
  const file = await snapshot.find('bin/run.sh');
  assert.is(snapshot.revision, `${git('rev-parse', 'HEAD')}+dirty`);
  assert.is(file?.id, git('hash-object', 'bin/run.sh'));
  assert.is(Buffer.from(await snapshot.read(file!)).toString(), 'two');
  assert.equal(
    (await snapshot.match(['bin/**'])).map(({ path }) => path),
    ['bin/run.sh'],
  );
  assert.is(await snapshot.find('bin/none.sh'), undefined);
});

test('symbolic links stay within the tree', async ({ write, open, root }) => {
  write('shared/job.yaml', 'shared');
  mkdirSync(join(root, 'jobs'));
  symlinkSync('../shared/job.yaml', join(root, 'jobs/inside.yaml'));
  symlinkSync('/etc/hostname', join(root, 'jobs/outside.yaml'));
  symlinkSync('loop.yaml', join(root, 'jobs/loop.yaml'));
  const snapshot = await (await open('jobs')).fetch(signal);
  const read = async (path: string): Promise<string> => {
    const file = snapshot.manifests.find((each) => each.path === path);
    try {
      return Buffer.from(await snapshot.read(file!)).toString();
    } catch (error) {
      return isCoded(error) ? error.code : String(error);
    }
  };
  assert.is(await read('jobs/inside.yaml'), 'shared');
  assert.is(await read('jobs/outside.yaml'), 'SymlinkLeaves');
  assert.is(await read('jobs/loop.yaml'), 'SymlinkLeaves');
});

test('a folder that is not there is said', async ({ open }) => {
  const source = await open('nowhere');
  await source.fetch(signal).then(
    () => assert.unreachable(),
    (error: unknown) => assert.ok(isCoded(error, 'FolderMissing')),
  );
});

test('while it watches it tells of changes and fetches only what changed', async ({ write, open }) => {
  write('jobs/a.yaml', 'a');
  write('jobs/b.yaml', 'b');
  const source = await open();
  const stop = new AbortController();
  let told: () => void = () => undefined;
  const watching = source.watch(() => told(), stop.signal);
  const next = (): Promise<void> => new Promise((resolve) => (told = resolve));
  const first = await source.fetch(signal);
  await new Promise((resolve) => setTimeout(resolve, 500)); // until the watcher has walked the folder
  let change = next();
  write('jobs/a.yaml', 'changed');
  await change;
  const second = await source.fetch(signal);
  assert.is.not(second.manifests[0]?.id, first.manifests[0]?.id);
  assert.is(second.manifests[1], first.manifests[1], 'the other file was not looked at');
  change = next();
  write('jobs/c.yaml', 'c');
  await change;
  assert.equal(await paths(source), ['jobs/a.yaml', 'jobs/b.yaml', 'jobs/c.yaml']);
  change = next();
  write('.runledgerignore', 'b.yaml\n');
  await change;
  assert.equal(await paths(source), ['jobs/a.yaml', 'jobs/c.yaml']);
  stop.abort();
  await watching;
});

test('every file is read as it is, however large and wherever its link leads', async ({ root, write, open }) => {
  const sizes = [0, 1, 4_095, 65_535, 65_536, 65_537, 1_200_000];
  for (const size of sizes) write(`jobs/${size}.yaml`, '#'.repeat(size));
  for (let index = 0; index < 40; index += 1) write(`jobs/many/${index}.yaml`, `# ${index}`.repeat(10_000));
  symlinkSync('1.yaml', join(root, 'jobs/link.yaml'));
  const source = await open();
  for (const _round of ['first', 'again']) {
    const snapshot = await source.fetch(signal);
    const read = new Map<string, string>();
    for (const file of snapshot.manifests) read.set(file.path, Buffer.from(await snapshot.read(file)).toString());
    for (const size of sizes) assert.is(read.get(`jobs/${size}.yaml`), '#'.repeat(size));
    for (let index = 0; index < 40; index += 1)
      assert.is(read.get(`jobs/many/${index}.yaml`), `# ${index}`.repeat(10_000));
    assert.is(read.get('jobs/link.yaml'), '#');
  }
});

test('a work tree is checked out as it lies there, with dot-folders and links, without .git and what git ignores', async ({
  root,
  write,
  open,
}) => {
  write('src/a.txt', 'a');
  write('.github/x.yaml', 'x');
  write('build/out', 'no');
  write('src/.gitignore', '*.log\n');
  write('src/b.log', 'no');
  write('.gitignore', 'build\n');
  write('.runledgerignore', 'src\n');
  symlinkSync('src/a.txt', join(root, 'link'));
  const source = await open();
  const all: string[] = [];
  for await (const entry of source.checkout('none', true, signal))
    all.push(entry.kind === 'link' ? `${entry.path} -> ${entry.target}` : entry.path);
  assert.equal(all, [
    '.github/x.yaml',
    '.gitignore',
    '.runledgerignore',
    'link -> src/a.txt',
    'src/.gitignore',
    'src/a.txt',
  ]);
  const some: string[] = [];
  for await (const { path } of source.checkout('none', ['src/*.txt', '.github'], signal)) some.push(path);
  assert.equal(some, ['.github/x.yaml', 'src/a.txt']);
});

test.run();
