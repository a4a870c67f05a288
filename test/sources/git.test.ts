import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { randomBytes } from 'node:crypto';
import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CodedError } from '../../src/errors.ts';
import { createGitHttp } from '../../src/git/http.ts';
import { newBlob, newCommit, newTree } from '../../src/git/objects.ts';
import type { NewObject } from '../../src/git/port.ts';
import { openRemoteBranch } from '../../src/git/remote-branch.ts';
import { openGitSource, type GitSourceOptions, type SourceNotice } from '../../src/sources/git.ts';
import type { CheckoutPaths, GitSource, Source } from '../../src/sources/port.ts';
import { startGitServer, type Repository } from '../support/git-server.ts';
import { commitFiles, git, temporaryDirectory } from '../support/git.ts';

const test = suite('git source');
const directory = await temporaryDirectory();
const server = await startGitServer({ root: directory.path });
const http = await createGitHttp({ env: {}, timeoutMs: 2000 });
const signal = new AbortController().signal;
let counter = 0;

test.after(async () => {
  await http.close();
  await server.close();
  await directory.remove();
});

const newRepository = (): Promise<Repository> => server.createRepository(`s${++counter}.git`);
const newDirectory = (): string => path.join(directory.path, `copy-${++counter}`);
const open = (repository: Repository, more: Partial<GitSourceOptions> = {}): Promise<GitSource> =>
  openGitSource({ url: repository.url, path: '.', gitdir: newDirectory(), http, pollIntervalMs: 1000, ...more });

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
    return error;
  }
  return assert.unreachable('it succeeded') as never;
}

/** A commit of 10,000 files in 100 folders. */
function tenThousandFiles(): { readonly id: string; readonly objects: readonly NewObject[] } {
  const blobs = Array.from({ length: 10_000 }, (_, at) => newBlob(`${at}`));
  const folders = Array.from({ length: 100 }, (_, folder) =>
    newTree(
      blobs.slice(100 * folder, 100 * (folder + 1)).map(({ id }, at) => ({ mode: '100644', name: `${at}.yaml`, id })),
    ),
  );
  const jobs = newTree(folders.map(({ id }, at) => ({ mode: '040000', name: `${at}`, id })));
  const root = newTree([{ mode: '040000', name: 'jobs', id: jobs.id }]);
  const author = { name: 'T', email: 't@example.com', timestamp: 1_700_000_000 };
  const commit = newCommit({ tree: root.id, parents: [], message: 'big', author });
  return { id: commit.id, objects: [...blobs, ...folders, jobs, root, commit] };
}

const pathsOf = (files: readonly { readonly path: string }[]): readonly string[] => files.map(({ path }) => path);

test('yields the manifests of the default branch, sorted, without dot-folders and what is ignored', async () => {
  const repository = await newRepository();
  const revision = await repository.commit({
    'a.yaml': 'a',
    'jobs/b.yml': 'b',
    'jobs/script.sh': '#!/bin/sh\n',
    'jobs/drafts/c.yaml': 'c',
    'jobs/x.tmp.yaml': 'x',
    'jobs/.runledgerignore': 'drafts/\n',
    '.runledgerignore': '*.tmp.yaml\n',
    '.github/workflows/d.yaml': 'd',
    'jobs.yaml': 'e',
  });
  await repository.git('symbolic-ref', 'HEAD', 'refs/heads/main');
  const snapshot = await (await open(repository)).fetch(signal);
  assert.is(snapshot.revision, revision);
  assert.equal(pathsOf(snapshot.manifests), ['a.yaml', 'jobs.yaml', 'jobs/b.yml']);
  const [first] = snapshot.manifests;
  assert.is(first!.id, await repository.git('rev-parse', 'main:a.yaml'));
  assert.is(Buffer.from(await snapshot.read(first!)).toString(), 'a');
  const below = await (await open(repository, { path: './jobs/' })).fetch(signal);
  assert.equal(pathsOf(below.manifests), ['jobs/b.yml'], 'ignore files above the path count too');
  const inDots = await (await open(repository, { path: '.github' })).fetch(signal);
  assert.equal(pathsOf(inDots.manifests), ['.github/workflows/d.yaml'], 'a path that was named may be a dot-folder');
});

test('find and match look at the whole repository', async () => {
  const repository = await newRepository();
  await repository.commit({
    'jobs/a.yaml': '',
    'data/x.csv': '1',
    'data/deep/y.csv': '2',
    'data/.z.csv': '3',
    'top.txt': '4',
  });
  const snapshot = await (await open(repository, { path: 'jobs' })).fetch(signal);
  assert.is((await snapshot.find('data/deep/y.csv'))?.mode, '100644');
  assert.is((await snapshot.find('jobs/../top.txt'))?.path, 'top.txt');
  for (const nothing of ['data', 'data/none', 'top.txt/x', '../x', '/etc/passwd', '']) {
    assert.is(await snapshot.find(nothing), undefined, nothing);
  }
  assert.equal(pathsOf(await snapshot.match(['data/**', 'top.*'])), [
    'data/.z.csv',
    'data/deep/y.csv',
    'data/x.csv',
    'top.txt',
  ]);
  assert.equal(pathsOf(await snapshot.match(['data/*.csv'])), ['data/.z.csv', 'data/x.csv']);
  assert.equal(pathsOf(await snapshot.match(['top.txt', 'none/**', '../**'])), ['top.txt']);
});

test('symbolic links are followed within the tree only', async () => {
  const repository = await newRepository();
  const work = `${repository.directory}.work`;
  await repository.commit({ 'shared/real.yaml': 'real', 'jobs/a.yaml': 'a' });
  await git(work, 'checkout', '--quiet', 'main');
  const links: Readonly<Record<string, string>> = {
    'jobs/inside.yaml': '../shared/real.yaml',
    'jobs/twice.yaml': 'inside.yaml',
    'jobs/outside.yaml': '../../etc/passwd',
    'jobs/absolute.yaml': '/etc/passwd',
    'jobs/loop1.yaml': 'loop2.yaml',
    'jobs/loop2.yaml': 'loop1.yaml',
    'jobs/dangling.yaml': 'nowhere.yaml',
    'jobs/folder.yaml': '../shared',
    linked: 'shared',
  };
  for (const [name, target] of Object.entries(links)) await symlink(target, path.join(work, name));
  await commitFiles(work, {});
  await git(work, 'push', '--quiet', 'origin', 'main');
  const snapshot = await (await open(repository)).fetch(signal);
  const read = async (name: string): Promise<string> => {
    const file = snapshot.manifests.find(({ path }) => path === `jobs/${name}.yaml`);
    assert.is(file?.mode, '120000', name);
    return snapshot.read(file!).then(
      (bytes) => Buffer.from(bytes).toString(),
      (error: unknown) => (error as CodedError).code,
    );
  };
  assert.is(await read('inside'), 'real');
  assert.is(await read('twice'), 'real');
  for (const name of ['outside', 'absolute', 'loop1', 'loop2']) assert.is(await read(name), 'SymlinkLeaves', name);
  for (const name of ['dangling', 'folder']) assert.is(await read(name), 'FileMissing', name);
  const through = await snapshot.find('linked/real.yaml');
  assert.is(Buffer.from(await snapshot.read(through!)).toString(), 'real');
  assert.not.ok(pathsOf(snapshot.manifests).includes('linked/real.yaml'), 'a linked folder is not read twice');
});

test('a snapshot stays as it is while the branch goes on', async () => {
  const repository = await newRepository();
  await repository.commit({ 'a.yaml': 'old', 'b/c.yaml': 'c' });
  const source = await open(repository);
  const before = await source.fetch(signal);
  const next = await repository.commit({ 'a.yaml': 'new', 'b/d.yaml': 'd' });
  const after = await source.fetch(signal);
  assert.is(after.revision, next);
  assert.equal(pathsOf(after.manifests), ['a.yaml', 'b/c.yaml', 'b/d.yaml']);
  assert.equal(pathsOf(before.manifests), ['a.yaml', 'b/c.yaml']);
  assert.is(Buffer.from(await before.read(before.manifests[0]!)).toString(), 'old');
  await repository.commit({ '.runledgerignore': 'b/\n' });
  assert.equal(pathsOf((await source.fetch(signal)).manifests), ['a.yaml'], 'new rules hold for unchanged folders too');
});

test('says what is missing: commits, the branch (and which there are), the path', async () => {
  const repository = await newRepository();
  const empty = await failure((await open(repository)).fetch(signal));
  assert.is(`${empty.errorClass} ${empty.code}`, 'waiting RepositoryEmpty');
  for (const branch of ['a', 'b', 'c', 'd', 'e', 'f']) await repository.commit({ 'x.yaml': '' }, { branch });
  const missing = await failure((await open(repository, { branch: 'prod' })).fetch(signal));
  assert.is(missing.code, 'BranchMissing');
  assert.match(missing.message, 'no branch prod; it has a, b, c, d, e, and 1 more');
  const noPath = await failure((await open(repository, { branch: 'a', path: 'jobs' })).fetch(signal));
  assert.is(noPath.code, 'PathMissing');
  assert.match(noPath.message, /no folder jobs in branch a/);
  assert.is((await failure(open(repository, { path: '../x' }))).code, 'PathInvalid');
});

test('a deleted branch is an error and a notice; it comes back with the branch', async () => {
  const repository = await newRepository();
  const notices: SourceNotice[] = [];
  const tip = await repository.commit({ 'a.yaml': '' });
  await repository.commit({ 'a.yaml': '' }, { branch: 'other' });
  const source = await open(repository, { branch: 'main', notice: (notice) => notices.push(notice) });
  await source.fetch(signal);
  await repository.git('update-ref', '-d', 'refs/heads/main');
  assert.is((await failure(source.fetch(signal))).code, 'BranchMissing');
  assert.equal(notices.at(-1), { kind: 'deleted', branch: 'main', last: tip });
  await repository.git('update-ref', 'refs/heads/main', tip);
  assert.is((await source.fetch(signal)).revision, tip);
});

test('watching: polls, calls when there is something new, backs off on failures, listens to Retry-After', async () => {
  const repository = await newRepository();
  await repository.commit({ 'a.yaml': '1' });
  const stop = new AbortController();
  const sleeps: number[] = [];
  const notices: SourceNotice[] = [];
  const changes: number[] = [];
  let source: Source | undefined;
  /** What happens during the n-th sleep. */
  const script: readonly (() => Promise<unknown> | void)[] = [
    () => undefined,
    () => undefined,
    () => repository.commit({ 'a.yaml': '2' }),
    () => source!.fetch(signal),
    () => void server.fault({ kind: 'status', status: 500 }, { times: 2 }),
    () => undefined,
    () => void server.fault({ kind: 'status', status: 429, headers: { 'retry-after': '90' } }, { times: 1 }),
    () => undefined,
    () => stop.abort(),
  ];
  source = await open(repository, {
    pollIntervalMs: 1000,
    notice: (notice) => notices.push(notice),
    clock: {
      random: () => 1,
      async sleep(ms) {
        sleeps.push(Math.round(ms));
        await script[sleeps.length - 1]!();
      },
    },
  });
  await source.fetch(signal);
  await source.watch(() => changes.push(sleeps.length), stop.signal);
  assert.equal(changes, [3]);
  assert.equal(sleeps, [1100, 1100, 1100, 1100, 1100, 2200, 4400, 99_000, 1100]);
  assert.equal(
    notices.flatMap((notice) => (notice.kind === 'pollFailed' ? [`${notice.error.code} ${notice.retryInMs}`] : [])),
    ['ServerError 2000', 'ServerError 4000', 'TooManyRequests 90000'],
  );
});

test('of 10,000 files, one change makes only the folders on its way be read again', async () => {
  const repository = await newRepository();
  const branch = await openRemoteBranch({ url: repository.url, branch: 'main', gitdir: newDirectory(), http });
  const big = tenThousandFiles();
  await branch.advance(null, big.id, big.objects, signal);
  const source = await open(repository, { path: 'jobs' });
  const before = await source.fetch(signal);
  assert.is(before.manifests.length, 10_000);
  await repository.commit({ 'jobs/7/7.yaml': 'changed' });
  const after = await source.fetch(signal);
  const known = new Set(before.manifests);
  const fresh = after.manifests.filter((file) => !known.has(file));
  assert.is(after.manifests.length, 10_000);
  assert.is(fresh.length, 100, 'only the changed folder was listed anew');
  assert.is((await source.fetch(signal)).manifests, after.manifests, 'and nothing at all without a change');
});

test('the time of a revision is that of its commit, and not of what its author wrote long before', async () => {
  const repository = await newRepository();
  const first = await repository.commit({ 'a.yaml': 'a' });
  const tree = await repository.git('rev-parse', `${first}^{tree}`);
  const text = [
    `tree ${tree}`,
    'author A <a@example.com> 981173106 +0000',
    'committer B <b@example.com> 1700000000 +0100',
    '',
    'rebased',
    '',
  ].join('\n');
  const file = path.join(directory.path, 'commit');
  await writeFile(file, text);
  const id = await repository.git('hash-object', '-t', 'commit', '-w', file);
  await repository.git('update-ref', 'refs/heads/main', id);
  await repository.git('symbolic-ref', 'HEAD', 'refs/heads/main');
  assert.is((await (await open(repository)).fetch(signal)).committed, '2023-11-14T22:13:20.000Z');
});

const checkedOut = async (
  source: Source,
  revision: string,
  paths: CheckoutPaths,
): Promise<Readonly<Record<string, string>>> => {
  const found: Record<string, string> = {};
  for await (const entry of source.checkout(revision, paths, signal))
    found[entry.path] =
      entry.kind === 'link'
        ? `-> ${entry.target}`
        : `${String(Buffer.from(entry.content))}${entry.executable ? ' (x)' : ''}`;
  return found;
};

test('checks out a revision that the copy does not have, and of it what the globs name', async () => {
  const repository = await newRepository();
  const first = await repository.commit({ 'a.yaml': 'old', 'src/x/y.txt': 'y', '.env': 'e', other: 'o' });
  await repository.git('config', 'uploadpack.allowReachableSHA1InWant', 'true');
  await repository.commit({ 'a.yaml': 'new' });
  await repository.git('symbolic-ref', 'HEAD', 'refs/heads/main');
  const source = await open(repository);
  const { revision } = await source.fetch(signal);
  assert.equal(await checkedOut(source, first, true), { '.env': 'e', 'a.yaml': 'old', other: 'o', 'src/x/y.txt': 'y' });
  assert.equal(await checkedOut(source, revision, ['a.yaml', './src/']), { 'a.yaml': 'new', 'src/x/y.txt': 'y' });
  assert.equal(await checkedOut(source, first, ['none/**']), {});
  const gone = await failure(checkedOut(source, '1'.repeat(40), true));
  assert.is(gone.code, 'CommitGone');
  assert.match(gone.message, 'does not give commit 111111111111 any more');
});

test('a commit beside the branch is read as the source at that commit, and only what the branch lacks is fetched', async () => {
  const repository = await newRepository();
  await repository.commit({ 'jobs/a.yaml': 'a', 'data.bin': randomBytes(50_000) });
  await repository.commit({ 'jobs/b.yaml': 'b' });
  const head = await repository.commit({ 'jobs/a.yaml': 'changed', 'run.sh': 'new' }, { branch: 'change' });
  await repository.git('update-ref', 'refs/pull/7/head', head);
  await repository.git('branch', '--delete', '--force', 'change');
  await repository.commit({ 'jobs/c.yaml': 'c' });
  const source = await open(repository, { path: 'jobs', branch: 'main' });
  const main = await source.fetch(signal);
  const at = source.at(head);
  const before = server.requests.length;
  const snapshot = await at.fetch(signal);
  assert.is(snapshot.revision, head);
  const [first] = snapshot.manifests;
  assert.is(Buffer.from(await snapshot.read(first!)).toString(), 'changed');
  assert.is(await at.fetch(signal), snapshot);
  const asked = server.requests.slice(before);
  const bytes = asked.reduce((sum, { answered }) => sum + answered, 0);
  assert.ok(asked.length === 2 && bytes < 10_000, `${asked.length} requests, ${bytes} bytes`);
  const paths: string[] = [];
  for await (const entry of source.checkout(head, true, signal)) paths.push(entry.path);
  assert.ok(paths.includes('run.sh') && paths.includes('data.bin'), paths.join());
  assert.is(source.branch(), 'main');
  const next = await repository.commit({ 'jobs/d.yaml': 'd' });
  assert.is((await source.fetch(signal)).revision, next, 'the branch goes on');
  assert.is.not(main.revision, next);
  assert.equal(
    pathsOf((await (await open(repository, { path: 'none', branch: 'main' })).at(head).fetch(signal)).manifests),
    [],
  );
  await repository.commit({ 'big.bin': randomBytes(300_000) }, { branch: 'big' });
  const small = await open(repository, { branch: 'main', maxFetchBytes: 100_000 });
  const tooLarge = await failure(small.at(await repository.git('rev-parse', 'big')).fetch(signal));
  assert.is(tooLarge.code, 'CommitTooLarge');
  assert.is((await small.fetch(signal)).revision, next);
  await failure(source.at('f'.repeat(40)).fetch(signal)).then(({ code }) => assert.is(code, 'CommitGone'));
});

test.run();
