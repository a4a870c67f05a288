import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isCoded } from '../../src/errors.ts';
import { findGitDir, openRepository } from '../../src/git/repository.ts';
import { commitFiles, git, initBare, initRepository, temporaryDirectory } from '../support/git.ts';

const test = suite('git repository');
const directory = await temporaryDirectory();
test.after(() => directory.remove());
const at = (name: string): string => path.join(directory.path, name);

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (isCoded(error) ? error.code : `not coded: ${String(error)}`),
  );

/** Every object that git knows in a repository. */
const allObjects = async (repository: string): Promise<readonly string[]> =>
  (
    await git(repository, 'cat-file', '--batch-all-objects', '--batch-check=%(objectname) %(objecttype) %(objectsize)')
  ).split('\n');

test('reads loose and packed objects, with long chains of deltas, as git has them', async () => {
  const repository = await initRepository(at('packed'));
  let text = randomBytes(6000).toString('hex');
  for (let round = 0; round < 30; round++) {
    text = `${text.slice(0, 5000)}${round}${text.slice(5000)}`;
    await commitFiles(repository, { 'big.txt': text, [`dir/${round}.txt`]: `${round}` }, `round ${round}`);
  }
  await git(repository, 'tag', '--annotate', 'v1', '--message', 'first');
  const opened = await openRepository({ gitdir: (await findGitDir(repository)).gitDir });
  const tip = await git(repository, 'rev-parse', 'HEAD');
  assert.is((await opened.readCommit(tip)).message, 'round 29\n', 'loose');
  await git(repository, 'gc', '--quiet', '--aggressive');
  const objects = await allObjects(repository);
  assert.ok(objects.length > 100);
  for (const line of objects) {
    const [id = '', type = '', size = ''] = line.split(' ');
    const raw = await opened.readRaw(id);
    assert.is(raw.type, type);
    assert.is(raw.content.length, Number(size));
  }
  const tree = await opened.readTree((await opened.readCommit(tip)).tree);
  const blob = await opened.readBlob(tree.find(({ name }) => name === 'big.txt')!.id);
  assert.is(Buffer.from(blob).toString(), text);
  assert.equal(await opened.head(), { branch: 'main', commit: tip }, 'a packed ref');
  assert.is(await opened.resolve('v1'), tip, 'through an annotated tag');
  assert.is(await opened.resolve('nowhere'), null);
  assert.is(await codeOf(opened.readBlob('1'.repeat(40))), 'ObjectMissing');
  opened.close();
});

test('finds the repository from a folder within, a linked work tree, a submodule and a bare one', async () => {
  const main = await initRepository(at('main'));
  const tip = await commitFiles(main, { 'sub/a.txt': 'a' });
  assert.equal(await findGitDir(path.join(main, 'sub')), {
    gitDir: path.join(main, '.git'),
    commonDir: path.join(main, '.git'),
    workTree: main,
  });
  await git(main, 'worktree', 'add', '--quiet', '-b', 'other', at('linked'));
  const linked = await findGitDir(at('linked'));
  assert.is(linked.commonDir, path.join(main, '.git'));
  assert.equal(await (await openRepository({ gitdir: linked.gitDir })).head(), { branch: 'other', commit: tip });
  await git(main, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', main, 'module');
  const module = await findGitDir(path.join(main, 'module'));
  assert.equal((await (await openRepository({ gitdir: module.gitDir })).head()).commit, tip);
  const bare = await initBare(at('bare.git'));
  assert.equal(await findGitDir(bare), { gitDir: bare, commonDir: bare, workTree: null });
  const unborn = await openRepository({ gitdir: bare });
  assert.equal(await unborn.head(), { branch: 'main', commit: null });
});

test('borrowed objects are found through alternates', async () => {
  const origin = await initRepository(at('lender'));
  const tip = await commitFiles(origin, { a: 'a' });
  await git(directory.path, 'clone', '--quiet', '--shared', origin, at('borrower'));
  const opened = await openRepository({ gitdir: path.join(at('borrower'), '.git') });
  assert.is((await opened.readCommit(tip)).id, tip);
});

test('says what it cannot open, and what to do', async () => {
  await mkdir(at('plain'));
  try {
    await findGitDir(at('plain'));
    assert.unreachable();
  } catch (error) {
    assert.ok(isCoded(error, 'NotARepository'));
    assert.match(error.hint ?? '', /git init.*--ledger none/);
  }
  await writeFile(path.join(at('plain'), '.git'), 'gitdir: /nowhere\n');
  assert.is(await codeOf(findGitDir(at('plain'))), 'NotARepository');
  await mkdir(at('sha256'));
  await git(at('sha256'), 'init', '--quiet', '--object-format=sha256');
  assert.is(await codeOf(openRepository({ gitdir: path.join(at('sha256'), '.git') })), 'RepositoryUnsupported');
  const reftable = await initRepository(at('reftable'));
  await writeFile(
    path.join(reftable, '.git', 'config'),
    '[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = reftable\n',
  );
  assert.is(await codeOf(openRepository({ gitdir: path.join(reftable, '.git') })), 'RepositoryUnsupported');
});

test('a damaged pack is an error with a code, not a wrong answer', async () => {
  const repository = await initRepository(at('damaged'));
  await commitFiles(repository, { 'a.bin': randomBytes(20_000) });
  await git(repository, 'gc', '--quiet');
  const id = await git(repository, 'rev-parse', 'HEAD:a.bin');
  const folder = path.join(repository, '.git/objects/pack');
  const file = path.join(
    folder,
    (await readdir(folder)).find((name) => name.endsWith('.pack'))!,
  );
  const bytes = await readFile(file);
  await chmod(file, 0o644);
  await writeFile(file, bytes.fill(0x55, 300, 15_000));
  const opened = await openRepository({ gitdir: path.join(repository, '.git') });
  assert.is(await codeOf(opened.readBlob(id)), 'ObjectCorrupt');
});

test.run();
