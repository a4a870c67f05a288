import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CodedError } from '../../src/errors.ts';
import { fetchInto, type FetchRequest } from '../../src/git/fetch.ts';
import { openGeneration, type Generation } from '../../src/git/generation.ts';
import { createGitHttp, type GitHttp } from '../../src/git/http.ts';
import { encodePack, packHeader } from '../../src/git/pack.ts';
import { encodePacket, FLUSH } from '../../src/git/pkt-line.ts';
import { openRemoteBranch } from '../../src/git/remote-branch.ts';
import { parseAdvertisement } from '../../src/git/remote-refs.ts';
import { createUploadAnswer } from '../../src/git/upload-pack.ts';
import { commitOf } from '../support/commits.ts';
import { startGitServer, type Repository } from '../support/git-server.ts';
import { git, temporaryDirectory } from '../support/git.ts';

const test = suite('fetch');
const directory = await temporaryDirectory();
const server = await startGitServer({ root: directory.path });
const http = await createGitHttp({ env: {}, timeoutMs: 5000 });
const signal = new AbortController().signal;
let counter = 0;

test.after(async () => {
  await http.close();
  await server.close();
  await directory.remove();
});

const newRepository = (): Promise<Repository> => server.createRepository(`f${++counter}.git`);
const newGeneration = ({ url }: Repository): Promise<Generation> =>
  openGeneration(path.join(directory.path, `copy-${++counter}`), 1, url);

/** Fetches a branch as a clone would, and moves it. */
async function fetch(
  generation: Generation,
  { url }: Repository,
  more: Partial<FetchRequest> & { readonly without?: string } = {},
): Promise<string> {
  const { branch = 'main', without } = more;
  const found = parseAdvertisement(await http.discover(url, 'git-upload-pack', signal), url);
  const tip = found.refs.get(`refs/heads/${branch}`)!;
  const capabilities = new Set([...found.capabilities].filter((word) => word !== without));
  const depth = undefined;
  const limits = { depth, maxBytes: undefined };
  const request = { http, url, shownUrl: url, branch, tip, also: [], capabilities, ...limits, signal };
  await fetchInto(generation, { ...request, ...more });
  await generation.setRef(`refs/heads/${branch}`, tip);
  return tip;
}

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
    return error;
  }
  return assert.unreachable('it succeeded') as never;
}

/** Git's own opinion of a copy. */
const check = ({ gitDir }: Generation): Promise<string> => git(gitDir, 'fsck', '--strict', '--full', '--no-dangling');
const packFiles = ({ gitDir }: Generation): Promise<string[]> => readdir(path.join(gitDir, 'objects/pack'));

/** Many lines, of which one differs: a delta of it is small. */
const page = (round: number): string =>
  Array.from({ length: 2000 }, (_, at) => (at === 700 ? `round ${round}` : `line ${at} ${(at * 7919) % 10007}`)).join(
    '\n',
  );

test('a first fetch is shallow, a later one takes the history from there on, and git finds nothing wrong', async () => {
  const repository = await newRepository();
  for (let round = 0; round < 3; round++) await repository.commit({ 'a.txt': page(round), 'b.txt': `${round}` });
  await repository.git('repack', '-adfq', '--depth=50');
  const generation = await newGeneration(repository);
  const first = await fetch(generation, repository, { depth: 1 });
  assert.is(await readFile(path.join(generation.gitDir, 'shallow'), 'utf8'), `${first}\n`);
  assert.is(await git(generation.gitDir, 'rev-list', '--count', 'main'), '1');
  await check(generation);
  for (let round = 3; round < 6; round++) await repository.commit({ 'a.txt': page(round) });
  server.forgetRequests();
  await fetch(generation, repository);
  assert.ok(server.requests[1]!.answered < 3000, 'a thin pack: 20 kB of text came as deltas');
  assert.is(await git(generation.gitDir, 'rev-list', '--count', 'main'), '4');
  assert.is(await git(generation.gitDir, 'show', 'main:a.txt'), page(5));
  await check(generation);
  assert.equal(
    (await packFiles(generation)).map((name) => name.replace(/^.*\./, '')).sort(),
    ['idx', 'idx', 'pack', 'pack'],
    'and nothing else is left there',
  );
});

test('a second branch of the same repository is fetched beside the first', async () => {
  const repository = await newRepository();
  await repository.commit({ 'a.txt': page(1) });
  await repository.commit({ 'a.txt': page(2) }, { branch: 'other' });
  const generation = await newGeneration(repository);
  await fetch(generation, repository, { depth: 1 });
  await fetch(generation, repository, { depth: 1, branch: 'other' });
  await repository.commit({ 'a.txt': page(3) }, { branch: 'other' });
  await fetch(generation, repository, { branch: 'other' });
  assert.is(await git(generation.gitDir, 'show', 'other:a.txt'), page(3));
  await check(generation);
});

test('a branch that went back to what is here already brings nothing, and leaves no file', async () => {
  const repository = await newRepository();
  const old = await repository.commit({ 'a.txt': '1' });
  await repository.commit({ 'a.txt': '2' });
  const generation = await newGeneration(repository);
  await fetch(generation, repository);
  const before = await packFiles(generation);
  await repository.git('update-ref', 'refs/heads/main', old);
  assert.is(await fetch(generation, repository), old);
  assert.equal(await packFiles(generation), before);
});

test('a repository whose HEAD names a branch that does not exist yet: its ledger branch is read and written', async () => {
  const repository = await newRepository();
  const one = await repository.commit({ 'a.txt': '1' }, { branch: 'runledger/status' });
  assert.is(await repository.git('symbolic-ref', 'HEAD'), 'refs/heads/main');
  assert.is(await repository.git('for-each-ref', '--format=%(refname)'), 'refs/heads/runledger/status');
  const branch = await openRemoteBranch({
    url: repository.url,
    branch: 'runledger/status',
    gitdir: path.join(directory.path, `copy-${++counter}`),
    http,
  });
  assert.is(await branch.refresh(signal), one);
  const two = await repository.commit({ 'a.txt': '2' }, { branch: 'runledger/status' });
  assert.is(await branch.refresh(signal), two);
  const ours = commitOf('ours', two);
  await branch.advance(two, ours.id, ours.objects, signal);
  assert.is(await repository.git('rev-parse', 'runledger/status'), ours.id);
  // The other way to fetch stands the same.
  const generation = await newGeneration(repository);
  await fetch(generation, repository, { depth: 1, branch: 'runledger/status', http: answering('0009what\n0000') });
  await check(generation);
});

/** A client whose streamed answers are replaced; isomorphic-git's requests get what the server says. */
const answering = (answer: string | Uint8Array): GitHttp => ({
  ...http,
  async post(request) {
    if (!request.receive) return http.post(request);
    await request.receive(Buffer.from(answer));
    return Buffer.alloc(0);
  },
});

/** An answer with a pack in the form that is expected. */
const inBand = (pack: Uint8Array): Buffer => Buffer.concat([encodePacket(Buffer.concat([Buffer.of(1), pack])), FLUSH]);
const banded = (pack: Uint8Array): Buffer => Buffer.concat([encodePacket('NAK\n'), inBand(pack)]);
const sealed = (body: Uint8Array): Buffer => Buffer.concat([body, createHash('sha1').update(body).digest()]);

test('after an answer that we do not know isomorphic-git fetches', async () => {
  const repository = await newRepository();
  await repository.commit({ 'a.txt': page(1) });
  for (const answer of ['000ahello\n0000', banded(sealed(Buffer.concat([packHeader(1), randomBytes(50)])))]) {
    const generation = await newGeneration(repository);
    server.forgetRequests();
    const tip = await fetch(generation, repository, { depth: 1, http: answering(answer) });
    assert.is((await generation.database.readCommit(tip)).message, 'change\n');
    assert.is(server.requests.filter(({ method }) => method === 'POST').length, 1);
    await check(generation);
  }
});

test('what is cut off, garbled, refused or not what was asked for is FetchFailed, and leaves no file', async () => {
  const repository = await newRepository();
  await repository.commit({ 'a.txt': page(1) });
  const generation = await newGeneration(repository);
  const other = encodePack(commitOf('other', null).objects).pack;
  const answers: readonly (readonly [string, string | Uint8Array])[] = [
    ['ends too early', ''],
    ['ends too early', '0008NAK\n'],
    ['ends too early', banded(other).subarray(0, -4)],
    ['did not arrive whole', banded(other.subarray(0, -3))],
    ['not in the form of git', '<html>'],
    ['not our ref', encodePacket('ERR upload-pack: not our ref')],
    ['no space left', encodePacket('\u0003no space left')],
    ['in the middle', Buffer.concat([banded(other).subarray(0, -4), encodePacket('NAK\n')])],
  ];
  for (const [why, answer] of answers) {
    const error = await failure(fetch(generation, repository, { depth: 1, http: answering(answer) }));
    assert.is(`${error.errorClass} ${error.code}`, 'transient FetchFailed');
    assert.match(error.message, why);
    assert.equal(await packFiles(generation), []);
  }
  const error = await failure(fetch(generation, repository, { depth: 1, http: answering(banded(other)) }));
  assert.is(error.code, 'FetchFailed', 'a good pack without the commit that was wanted');
  await fetch(generation, repository, { depth: 1 });
  await check(generation);
});

test('servers without side-bands, without thin packs and without shallow copies are served too', async () => {
  const repository = await newRepository();
  await repository.commit({ 'a.txt': page(1) });
  for (const without of ['side-band-64k', 'thin-pack', 'ofs-delta', 'multi_ack_detailed']) {
    const generation = await newGeneration(repository);
    await fetch(generation, repository, { depth: 1, without });
    await repository.commit({ 'a.txt': `${page(1)}\n${without}` });
    server.forgetRequests();
    await fetch(generation, repository, { without });
    assert.is(server.requests.length, 2, 'without a second try');
    assert.is(await git(generation.gitDir, 'rev-list', '--count', 'main'), '2');
    await check(generation);
  }
  const whole = await newGeneration(repository);
  await fetch(whole, repository);
  assert.is(await git(whole.gitDir, 'rev-list', '--count', 'main'), '5');
});

test('limits hold, and a caller can stop it, while the pack arrives', async () => {
  const repository = await newRepository();
  await repository.commit({ 'big.bin': randomBytes(400_000) });
  const generation = await newGeneration(repository);
  assert.is((await failure(fetch(generation, repository, { maxBytes: 100_000 }))).code, 'AnswerTooLarge');
  const stop = new AbortController();
  const stopping: GitHttp = {
    ...http,
    post: (request) =>
      http.post({
        ...request,
        async receive(part) {
          await request.receive!(part);
          stop.abort();
        },
      }),
  };
  assert.is((await failure(fetch(generation, repository, { signal: stop.signal, http: stopping }))).code, 'Cancelled');
  assert.equal(await packFiles(generation), []);
});

test('what a process that was killed in the middle of a fetch left is removed by the next', async () => {
  const repository = await newRepository();
  await repository.commit({ 'a.txt': '1' });
  const generation = await newGeneration(repository);
  await fetch(generation, repository);
  const names = await packFiles(generation);
  await writeFile(path.join(generation.gitDir, 'objects/pack/tmp_pack_0123'), 'half');
  const again = await openGeneration(path.dirname(generation.gitDir), 1, repository.url);
  assert.equal(await packFiles(again), names);
});

test('an answer may arrive in parts of any length', async () => {
  const { pack } = encodePack(commitOf('one', null, 5).objects);
  const id = 'a'.repeat(40);
  const start = Buffer.concat([
    encodePacket(`shallow ${id}\n`),
    encodePacket(`unshallow ${id}`),
    FLUSH,
    encodePacket(`ACK ${id} common\n`),
  ]);
  const keepAlive = encodePacket(Buffer.of(1));
  const answers = [
    Buffer.concat([start, keepAlive, encodePacket('\u0002Counting\r'), inBand(pack)]),
    Buffer.concat([start, encodePacket('NAK\n'), pack]),
  ];
  for (const answer of answers) {
    for (const length of [1, 2, 3, 5, 7, 64, 1000]) {
      const parts: Buffer[] = [];
      const reader = createUploadAnswer(async (bytes) => void parts.push(Buffer.from(bytes)));
      for (let at = 0; at < answer.length; at += length) await reader.take(answer.subarray(at, at + length));
      assert.equal(reader.end(), { shallow: [id], unshallow: [id] });
      assert.ok(Buffer.concat(parts).equals(Buffer.from(pack)), `parts of ${length}`);
    }
  }
});

test.run();
