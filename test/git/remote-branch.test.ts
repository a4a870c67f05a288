import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CodedError, isCoded } from '../../src/errors.ts';
import { createGitHttp } from '../../src/git/http.ts';
import { newTag } from '../../src/git/objects.ts';
import type { AsideRefs, Branch } from '../../src/git/port.ts';
import { openRemoteBranch, type RemoteBranchOptions } from '../../src/git/remote-branch.ts';
import type { RemoteNotice } from '../../src/git/remote-clone.ts';
import { commitOf } from '../support/commits.ts';
import { basicAuth, startGitServer, type Repository } from '../support/git-server.ts';
import { git, temporaryDirectory } from '../support/git.ts';

const test = suite('remote branch');
const directory = await temporaryDirectory();
const server = await startGitServer({ root: directory.path });
const http = await createGitHttp({ env: {}, timeoutMs: 2_500 });
const signal = new AbortController().signal;
let counter = 0;

test.after(async () => {
  await http.close();
  await server.close();
  await directory.remove();
});

const newRepository = (): Promise<Repository> => server.createRepository(`r${++counter}.git`);
const newDirectory = (): string => path.join(directory.path, `copy-${++counter}`);

const open = (repository: Repository, branch: string, more: Partial<RemoteBranchOptions> = {}): Promise<Branch> =>
  openRemoteBranch({ url: repository.url, branch, gitdir: newDirectory(), http, ...more });

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
    return error;
  }
  return assert.unreachable('it succeeded') as never;
}

const show = (error: CodedError): string => `${error.errorClass} ${error.code}`;

const sent = (): readonly string[] =>
  server.requests.map(({ method, url }) => `${method} ${url.replace(/^\/[^/]+\//, '')}`);

test('creates a branch, moves it by a pack of our own that passes git fsck, and reads it back', async () => {
  const repository = await newRepository();
  const branch = await open(repository, 'runledger/status');
  assert.is(await branch.refresh(signal), null);
  const one = commitOf('one', null);
  await branch.advance(null, one.id, one.objects, signal);
  const two = commitOf('two', one.id, 250);
  await branch.advance(one.id, two.id, two.objects, signal);
  assert.is(await repository.git('rev-parse', 'runledger/status'), two.id);
  await repository.git('fsck', '--strict');
  assert.is(await repository.git('show', 'runledger/status:7.txt'), 'two 7');
  assert.is(await branch.refresh(signal), two.id);
  assert.is(Buffer.from(await branch.readBlob(two.objects[7]!.id)).toString(), 'two 7');
  assert.equal(
    (await branch.log(two.id, 5)).map(({ message }) => message),
    ['two\n', 'one\n'],
  );
  const other = await open(repository, 'runledger/status');
  assert.is(await other.refresh(signal), two.id, 'a fresh copy reads it too');
  assert.is((await other.readTree((await other.readCommit(two.id)).tree)).length, 250);
});

test('an unchanged branch costs one request, a changed one two, a push one; only what is new is sent', async () => {
  const repository = await newRepository();
  await repository.commit({ 'big.bin': randomBytes(300_000), 'a.txt': '1' });
  const branch = await open(repository, 'main');
  server.forgetRequests();
  let tip = await branch.refresh(signal);
  assert.equal(sent(), ['GET info/refs?service=git-upload-pack', 'POST git-upload-pack']);
  assert.ok(server.requests[1]!.answered > 300_000);
  server.forgetRequests();
  assert.is(await branch.refresh(signal), tip);
  assert.equal(sent(), ['GET info/refs?service=git-upload-pack']);
  for (let round = 0; round < 3; round++) {
    const pushed = await repository.commit({ 'a.txt': `round ${round}` });
    server.forgetRequests();
    tip = await branch.refresh(signal);
    assert.is(tip, pushed);
    assert.equal(sent(), ['GET info/refs?service=git-upload-pack', 'POST git-upload-pack']);
    assert.ok(server.requests[1]!.answered < 3000, `${server.requests[1]!.answered} bytes`);
    // Our own push in between, then theirs on top.
    const ours = commitOf(`ours ${round}`, tip);
    server.forgetRequests();
    await branch.advance(tip, ours.id, ours.objects, signal);
    assert.equal(sent(), [...(round === 0 ? ['GET info/refs?service=git-receive-pack'] : []), 'POST git-receive-pack']);
    tip = ours.id;
    server.forgetRequests();
    assert.is(await branch.refresh(signal), ours.id);
    assert.is(sent().length, 1, 'what we pushed is not fetched');
  }
});

test('a copy is taken up again by the next process', async () => {
  const repository = await newRepository();
  await repository.commit({ 'big.bin': randomBytes(300_000) });
  const gitdir = newDirectory();
  await (await open(repository, 'main', { gitdir })).refresh(signal);
  const next = await repository.commit({ 'a.txt': 'a' });
  server.forgetRequests();
  assert.is(await (await open(repository, 'main', { gitdir })).refresh(signal), next);
  assert.ok(server.requests[1]!.answered < 3000);
});

test('of many writers exactly one wins each round, the others get RefMoved, and nothing is lost', async () => {
  const repository = await newRepository();
  const writers = await Promise.all(Array.from({ length: 6 }, () => open(repository, 'ledger')));
  let tip: string | null = null;
  for (let round = 0; round < 4; round++) {
    const tips = await Promise.all(writers.map((branch) => branch.refresh(signal)));
    assert.ok(tips.every((one) => one === tip));
    const results = await Promise.all(
      writers.map(async (branch, at) => {
        const commit = commitOf(`round ${round} writer ${at}`, tip);
        try {
          await branch.advance(tip, commit.id, commit.objects, signal);
          return commit.id;
        } catch (error) {
          assert.is(show(error as CodedError), 'transient RefMoved');
          return undefined;
        }
      }),
    );
    const winners = results.filter((id) => id !== undefined);
    assert.is(winners.length, 1);
    tip = winners[0]!;
    assert.is(await repository.git('rev-parse', 'ledger'), tip);
  }
  assert.is(await repository.git('rev-list', '--count', 'ledger'), '4');
  await repository.git('fsck', '--strict');
});

test('a push whose answer was lost is found in the history, also below what others pushed on it', async () => {
  const repository = await newRepository();
  const branch = await open(repository, 'ledger');
  await branch.refresh(signal);
  const one = commitOf('one', null);
  server.fault({ kind: 'lostAnswer' }, { matching: /POST .*receive-pack/, times: 1 });
  await branch.advance(null, one.id, one.objects, signal);
  assert.is(await repository.git('rev-parse', 'ledger'), one.id);
  const two = commitOf('two', one.id);
  server.fault({ kind: 'drop', afterBytes: 7 }, { matching: /POST .*receive-pack/, times: 1 });
  // The first look at the remote fails too.
  server.fault({ kind: 'status', status: 503 }, { matching: /GET .*upload-pack/, times: 1 });
  await branch.advance(one.id, two.id, two.objects, signal);
  // Answered with an end in good form, but without a report; another writer has gone on meanwhile.
  const three = commitOf('three', two.id);
  server.fault({ kind: 'truncate', afterBytes: 0 }, { matching: /POST .*receive-pack/, times: 1 });
  server.fault({ kind: 'slow', ms: 300 }, { matching: /GET .*upload-pack/, times: 1 });
  const pushing = branch.advance(two.id, three.id, three.objects, signal);
  for (;;) if ((await repository.git('rev-parse', 'ledger')) === three.id) break;
  const onTop = await repository.commit({ 'theirs.txt': 'x' }, { branch: 'ledger' });
  await pushing;
  assert.is(await branch.refresh(signal), onTop);
});

test('a push that did not take place says why, and one whose end cannot be known says that', async () => {
  const repository = await newRepository();
  const branch = await open(repository, 'ledger');
  const one = commitOf('one', null);
  const push = (): Promise<void> => branch.advance(null, one.id, one.objects, signal);
  const when = { matching: /POST .*receive-pack/, times: 1 };
  server.fault({ kind: 'status', status: 500 }, when);
  assert.is(show(await failure(push())), 'transient ServerError');
  server.fault({ kind: 'status', status: 403 }, when);
  assert.is(show(await failure(push())), 'terminal Forbidden');
  server.fault({ kind: 'hang' }, when);
  assert.is(show(await failure(push())), 'transient Timeout');
  server.fault({ kind: 'garbage' }, when);
  assert.is(show(await failure(push())), 'transient NotGit');
  server.fault({ kind: 'lostAnswer' }, when);
  const end = server.fault({ kind: 'status', status: 500 }, { matching: /GET .*upload-pack/ });
  assert.is(show(await failure(push())), 'transient PushUnclear');
  end();
  assert.is(await branch.refresh(signal), one.id, 'it had taken place');
});

test('a stale `from` is RefMoved, also after a lost answer', async () => {
  const repository = await newRepository();
  const branch = await open(repository, 'main');
  const first = await repository.commit({ 'a.txt': '1' });
  await branch.refresh(signal);
  await repository.commit({ 'a.txt': '2' });
  const ours = commitOf('ours', first);
  assert.is(show(await failure(branch.advance(first, ours.id, ours.objects, signal))), 'transient RefMoved');
  server.fault({ kind: 'lostAnswer' }, { matching: /POST .*receive-pack/, times: 1 });
  assert.is(show(await failure(branch.advance(first, ours.id, ours.objects, signal))), 'transient RefMoved');
  assert.is(show(await failure(branch.advance(null, ours.id, ours.objects, signal))), 'transient RefMoved');
});

test('a hook that declines is PushRejected with its words; a branch in the way is RefConflict', async () => {
  const repository = await newRepository();
  await repository.commit({ 'a.txt': '1' }, { branch: 'runledger' });
  await writeFile(
    path.join(repository.directory, 'hooks/pre-receive'),
    '#!/bin/sh\necho "ledger is frozen" >&2\nexit 1\n',
    { mode: 0o755 },
  );
  const one = commitOf('one', null);
  const error = await failure((await open(repository, 'ledger')).advance(null, one.id, one.objects, signal));
  assert.is(show(error), 'terminal PushRejected');
  assert.match(error.message, 'ledger is frozen');
  await rm(path.join(repository.directory, 'hooks/pre-receive'));
  const conflict = await failure(
    (await open(repository, 'runledger/status')).advance(null, one.id, one.objects, signal),
  );
  assert.is(show(conflict), 'terminal RefConflict');
});

test('force-pushed and deleted branches are followed, and told', async () => {
  const repository = await newRepository();
  const notices: RemoteNotice[] = [];
  const branch = await open(repository, 'main', { notice: (notice) => notices.push(notice) });
  const first = await repository.commit({ 'a.txt': '1' });
  assert.is(await branch.refresh(signal), first);
  const second = await repository.commit({ 'a.txt': '2' });
  assert.is(await branch.refresh(signal), second);
  const rewritten = await repository.commit({ 'b.txt': 'other' }, { amend: true });
  assert.is(await branch.refresh(signal), rewritten);
  assert.is((await branch.readCommit(rewritten)).parents.length, 0);
  await repository.git('update-ref', 'refs/heads/main', second);
  assert.is(await branch.refresh(signal), second, 'back to where it was');
  await repository.git('update-ref', '-d', 'refs/heads/main');
  assert.is(await branch.refresh(signal), null);
  assert.is(await branch.refresh(signal), null);
  await repository.git('update-ref', 'refs/heads/main', second);
  assert.is(await branch.refresh(signal), second);
  assert.equal(notices, [
    { kind: 'cloned', branch: 'main', reason: 'first' },
    { kind: 'forcePushed', branch: 'main', from: second, to: rewritten },
    { kind: 'forcePushed', branch: 'main', from: rewritten, to: second },
    { kind: 'deleted', branch: 'main', last: second },
  ]);
});

test('a fetch of too much at once becomes a copy without history', async () => {
  const repository = await newRepository();
  const notices: RemoteNotice[] = [];
  const branch = await open(repository, 'main', { maxFetchBytes: 100_000, notice: (notice) => notices.push(notice) });
  await repository.commit({ 'a.txt': '1' });
  const old = (await branch.refresh(signal))!;
  await repository.commit({ 'big.bin': randomBytes(300_000) }, { amend: true });
  const tip = await repository.commit({ 'big.bin': 'small' });
  assert.is(await branch.refresh(signal), tip);
  assert.equal(
    notices.map(({ kind }) => kind),
    ['cloned', 'cloned', 'forcePushed'],
  );
  assert.is((await branch.readCommit(old)).id, old, 'whoever still reads the old commit can');
});

test('when packs pile up the copy is made anew, and old ids stay readable', async () => {
  const repository = await newRepository();
  const gitdir = newDirectory();
  const branch = await open(repository, 'main', { gitdir, maxPacks: 3 });
  const tips: string[] = [];
  for (let round = 0; round < 10; round++) {
    await repository.commit({ 'a.txt': `${round}` });
    tips.push((await branch.refresh(signal))!);
    const previous = tips.at(-2);
    if (previous) assert.is((await branch.readCommit(previous)).id, previous);
  }
  const generations = await readdir(gitdir);
  assert.ok(generations.length <= 2, String(generations));
  assert.not.ok(generations.includes('g1'));
  const packs = await readdir(path.join(gitdir, generations.sort().at(-1)!, 'objects/pack'));
  assert.ok(packs.filter((name) => name.endsWith('.pack')).length <= 4);
  const ours = commitOf('ours', tips.at(-1)!);
  await branch.advance(tips.at(-1)!, ours.id, ours.objects, signal);
});

test('a fetch that breaks off leaves nothing behind that would stay broken', async () => {
  const repository = await newRepository();
  await repository.commit({ 'big.bin': randomBytes(300_000) });
  const branch = await open(repository, 'main');
  const when = { matching: /POST .*upload-pack/, times: 1 };
  server.fault({ kind: 'drop', afterBytes: 150_000 }, when);
  assert.is(show(await failure(branch.refresh(signal))), 'transient ConnectionFailed');
  server.fault({ kind: 'truncate', afterBytes: 150_000 }, when);
  assert.is(show(await failure(branch.refresh(signal))), 'transient FetchFailed');
  server.fault({ kind: 'garbage', contentType: 'application/x-git-upload-pack-result' }, when);
  assert.is(show(await failure(branch.refresh(signal))), 'transient FetchFailed');
  server.fault({ kind: 'hang' }, when);
  assert.is(show(await failure(branch.refresh(signal))), 'transient Timeout');
  const tip = (await branch.refresh(signal))!;
  const tree = await branch.readTree((await branch.readCommit(tip)).tree);
  assert.is((await branch.readBlob(tree[0]!.id)).length, 300_000);
});

test('a copy that was damaged on the disk is made anew', async () => {
  const repository = await newRepository();
  const gitdir = newDirectory();
  const tip = await repository.commit({ 'a.txt': '1' });
  await (await open(repository, 'main', { gitdir })).refresh(signal);
  const packs = path.join(gitdir, 'g1/objects/pack');
  for (const name of await readdir(packs)) await rm(path.join(packs, name));
  const notices: RemoteNotice[] = [];
  const branch = await open(repository, 'main', { gitdir, notice: (notice) => notices.push(notice) });
  assert.is(await branch.refresh(signal), tip);
  assert.equal(notices, [{ kind: 'cloned', branch: 'main', reason: 'damaged' }]);
  assert.is((await branch.readTree((await branch.readCommit(tip)).tree)).length, 1);
});

test('a server that cannot take our pack gets a push of isomorphic-git', async () => {
  const repository = await newRepository();
  const branch = await open(repository, 'ledger');
  const one = commitOf('one', null);
  server.fault({ kind: 'unpackError', ref: 'refs/heads/ledger' }, { matching: /POST .*receive-pack/, times: 1 });
  await branch.advance(null, one.id, one.objects, signal);
  const two = commitOf('two', one.id);
  server.fault({ kind: 'unpackError', ref: 'refs/heads/ledger' }, { matching: /POST .*receive-pack/, times: 1 });
  await branch.advance(one.id, two.id, two.objects, signal);
  assert.is(await repository.git('rev-parse', 'ledger'), two.id);
  await repository.git('fsck', '--strict');
  assert.is(await branch.refresh(signal), two.id);
  const end = server.fault({ kind: 'unpackError', ref: 'refs/heads/ledger' }, { matching: /POST .*receive-pack/ });
  const three = commitOf('three', two.id);
  const error = await failure(branch.advance(two.id, three.id, three.objects, signal));
  end();
  assert.is(show(error), 'terminal PushRejected');
  assert.is(await branch.refresh(signal), two.id);
});

test('refs aside move in one push with the branch, all or nothing, and clones know nothing of them', async () => {
  const repository = await newRepository();
  const [branch, other] = await Promise.all([open(repository, 'ledger'), open(repository, 'ledger')]);
  const aside = branch.aside!;
  const [left, one, two] = [commitOf('left', null), commitOf('one', null), commitOf('two', null)];
  await aside.move([{ name: 'left/a', from: null, to: left.id }], left.objects, signal);
  const again = aside.move([{ name: 'left/a', from: null, to: one.id }], one.objects, signal);
  assert.is(show(await failure(again)), 'transient RefMoved');
  // The other one reads what was left, in the request that brings the branch.
  await branch.advance(null, one.id, one.objects, signal);
  const also = (found: AsideRefs): readonly string[] => [...found.values()].map(({ id }) => id);
  assert.is(await other.refresh(signal, also), one.id);
  assert.is((await other.readCommit(left.id)).message, 'left\n');
  const receipt = newTag(one.id, 'receipt', { name: 'a', email: 'a@example.com', timestamp: 0 });
  const onOne = commitOf('on one', one.id);
  const beside = (from: string | null, to: string | null) => [{ name: 'left/a', from, to }];
  const objects = [...onOne.objects, receipt];
  const wrong = other.advance(one.id, onOne.id, objects, signal, beside(two.id, receipt.id));
  assert.is(show(await failure(wrong)), 'transient RefMoved');
  assert.is(await repository.git('rev-parse', 'ledger'), one.id, 'the branch stays with it');
  await other.advance(one.id, onOne.id, objects, signal, beside(left.id, receipt.id));
  assert.is(await repository.git('rev-parse', 'ledger'), onOne.id);
  assert.equal([...(await aside.look(signal))], [['left/a', { id: receipt.id, commit: one.id }]]);
  await aside.move(beside(receipt.id, null), [], signal);
  assert.is((await aside.look(signal)).size, 0);
  await repository.git('fsck', '--strict');
});

test('credentials of the URL are used, and never written to the disk', async () => {
  const repository = await newRepository();
  const tip = await repository.commit({ 'a.txt': '1' });
  const gitdir = newDirectory();
  server.forgetRequests();
  const branch = await open(repository, 'main', { gitdir, url: repository.url.replace('://', '://ann:hunter2@') });
  assert.is(await branch.refresh(signal), tip);
  assert.ok(server.requests.every(({ authorization }) => authorization === basicAuth('ann', 'hunter2')));
  for (const entry of await readdir(gitdir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      assert.not.ok((await readFile(path.join(entry.parentPath, entry.name))).includes('hunter2'), entry.name);
  }
});

test('one operation at a time, and a cancelled one does not hold up the next', async () => {
  const repository = await newRepository();
  const tip = await repository.commit({ 'a.txt': '1' });
  const branch = await open(repository, 'main');
  const stop = new AbortController();
  server.fault({ kind: 'hang' }, { times: 1 });
  const hanging = failure(branch.refresh(stop.signal));
  const next = branch.refresh(signal);
  setTimeout(() => stop.abort(), 50);
  assert.ok(isCoded(await hanging, 'Cancelled'));
  assert.is(await next, tip);
  assert.equal(await Promise.all([branch.refresh(signal), branch.refresh(signal)]), [tip, tip]);
  await git(directory.path, 'clone', '--quiet', repository.url, newDirectory());
});

test.run();
