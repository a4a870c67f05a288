import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import type { Request } from '../../src/schemas/index.ts';
import { finishedFacts, ledgerOn, LEDGER_BRANCH, never, newRepository, type Repository } from './fixtures.ts';

interface World {
  repository: Repository;
}

const test = suite<World>('requests on the ledger');

test.before.each(async (context) => {
  context.repository = await newRepository();
});
test.after.each(({ repository }) => repository.remove());

const ADA = { name: 'Ada Lovelace', email: 'ada@example.com' };

const request = (more: Partial<Request> = {}): Request => ({
  apiVersion: 'runledger.dev/v1',
  kind: 'Request',
  action: 'rerun',
  job: 'nightly-report',
  requestedBy: 'Ada Lovelace <ada@example.com>',
  at: '2026-11-20T08:15:00Z',
  ...more,
});

/** Commits files to the ledger branch as a person with plain git does. */
function commitByHand(repository: Repository, files: Readonly<Record<string, string>>): void {
  const git = (...args: string[]): string => repository.git(...args);
  const tree = join(repository.dir, 'by-hand');
  git('worktree', 'add', '--quiet', '--detach', tree, LEDGER_BRANCH);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(tree, name, '..'), { recursive: true });
    writeFileSync(join(tree, name), content);
  }
  const as = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
  git('-C', tree, 'add', '--all');
  git('-C', tree, ...as, 'commit', '--quiet', '--message', 'requests');
  git('branch', '--force', LEDGER_BRANCH, git('-C', tree, 'rev-parse', 'HEAD').trim());
  git('worktree', 'remove', '--force', tree);
}

test('a request goes in under the name of whoever asks, and starts a ledger that is not there yet', async ({
  repository,
}) => {
  const ledger = ledgerOn(await repository.branch(), { author: ADA });
  const asked = [{ id: 'r-1', request: request({ run: 12, params: { REGION: 'us' }, tasks: ['browser'] }) }];
  const commit = await ledger.write({ facts: [], asked }, never());
  assert.is(commit, repository.git('rev-parse', LEDGER_BRANCH).trim());
  assert.is(
    repository.git('log', '-1', '--format=%an <%ae> %s', LEDGER_BRANCH).trim(),
    'Ada Lovelace <ada@example.com> rerun of nightly-report as in run 12 requested',
  );
  assert.is(
    repository.git('log', '-1', '--format=%(trailers:key=Runledger-Request,valueonly)', LEDGER_BRANCH).trim(),
    'r-1',
  );
  assert.ok(repository.files().includes('format'));
  assert.match(
    repository.show('requests/r-1.yaml'),
    /^apiVersion: .*\nkind: Request\naction: rerun\njob: nightly-report\nrun: 12\n/,
  );
  const view = await ledgerOn(await repository.branch()).read(never());
  assert.equal(
    [...view.requests.values()].map(({ id, request: found }) => [id, found?.run]),
    [['r-1', 12]],
  );
  assert.is(await ledger.write({ facts: [], asked }, never()), null, 'the same again changes nothing');
});

test('requests come the oldest first, and are not read again while they are the same', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  const asked = ['c', 'a', 'b'].map((id, hour) => ({ id, request: request({ at: `2026-11-20T0${9 - hour}:00:00Z` }) }));
  await ledger.write({ facts: [], asked }, never());
  const before = await ledger.read(never());
  assert.equal([...before.requests.keys()], ['requests/b.yaml', 'requests/a.yaml', 'requests/c.yaml']);
  await ledger.write({ facts: [finishedFacts()] }, never());
  assert.is((await ledger.read(never())).requests, before.requests);
});

test('what is no request has its problem, with its place', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  await ledger.write({ facts: [finishedFacts()] }, never());
  const base = 'apiVersion: runledger.dev/v1\nkind: Request\nrequestedBy: Ada\nat: 2026-11-20T08:15:00Z\n';
  commitByHand(repository, {
    'requests/.gitkeep': '',
    'requests/1.yaml': `${base}action: reru\njob: a\n`,
    'requests/2.yaml': 'action: [',
    'requests/3.yaml': `${base}action: cancel\njob: a\nparams: { A: b }\n`,
    'requests/4.yaml': `${base}---\n${base}`,
    'requests/5.txt': 'hello',
    'requests/6/deep.yaml': base,
    'requests/7.yaml': `${base.replace('Ada', '"Ada\\n\\e[31m"')}action: rerun\njob: a\n`,
    'requests/8.yaml': `${base}action: cancel\njob: a\ntasks: [x]\n`,
    'requests/9.yaml': '',
  });
  const { requests } = await ledger.read(never());
  const problems = Object.fromEntries([...requests.values()].map(({ id, problem }) => [id, problem ?? '']));
  assert.equal(Object.keys(problems).sort(), ['1', '2', '3', '4', '5.txt', '6', '7', '8', '9']);
  assert.match(problems['1'] ?? '', /^requests\/1\.yaml:5:9: action: "reru" .*did you mean "rerun"\?/);
  assert.match(problems['2'] ?? '', /^requests\/2\.yaml:1:\d+: /);
  assert.match(problems['3'] ?? '', /params only go with rerun/);
  assert.match(problems['4'] ?? '', /holds 2 documents/);
  assert.match(problems['5.txt'] ?? '', /is not the name of a request; write requests\/<id>\.yaml/);
  assert.match(problems['6'] ?? '', /is not a file/);
  assert.match(problems['7'] ?? '', /requestedBy: .*is not somebody's name/);
  assert.match(problems['8'] ?? '', /a run is cancelled as a whole/);
  assert.match(problems['9'] ?? '', /holds 0 documents/);
});

test('an answer takes the file away and says why, for git and for whoever waits', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  await ledger.write({ facts: [], asked: [{ id: 'r-1', request: request({ job: 'nope' }) }] }, never());
  commitByHand(repository, { 'requests/bad name.yaml': 'x', 'requests/dir/x': 'x' });
  const { requests } = await ledger.read(never());
  const answered = [...requests.values()].map(({ id, path, version }) => ({
    id,
    path,
    version,
    verdict: 'refused' as const,
    message: `there is no job "nope"\n\nRunledger-Result: succeeded`,
  }));
  await ledger.write({ facts: [], answered }, never());
  assert.equal(
    repository.files().filter((file) => file.startsWith('requests/')),
    [],
  );
  const message = repository.git('log', '-1', '--format=%B', LEDGER_BRANCH);
  assert.match(message, /^3 requests: 3 refused\n\n/);
  assert.match(message, /\n- rerun of nope refused: there is no job "nope"/);
  assert.not.match(message, /^Runledger-Result/m, 'what a file says can not forge a trailer');
  const view = await ledger.read(never());
  const answer = await view.answer('r-1', 10);
  assert.is(answer?.verdict, 'refused');
  assert.match(answer?.message ?? '', /^there is no job "nope"/);
  assert.is(answer?.commit, view.head);
  assert.is(await view.answer('r-2', 10), undefined);
  assert.is(await ledger.write({ facts: [], answered }, never()), null, 'a file that is gone needs no answer');
});

test('a request that has changed since it was judged stays, to be judged anew', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  await ledger.write({ facts: [], asked: [{ id: 'r-1', request: request({ job: 'nope' }) }] }, never());
  const [judged] = (await ledger.read(never())).requests.values();
  await ledgerOn(await repository.branch()).write({ facts: [], asked: [{ id: 'r-1', request: request() }] }, never());
  const answer = {
    id: 'r-1',
    path: 'requests/r-1.yaml',
    verdict: 'refused',
    message: 'there is no job "nope"',
  } as const;
  await ledger.write({ facts: [], answered: [{ ...answer, version: judged?.version ?? '' }] }, never());
  assert.match(repository.show('requests/r-1.yaml'), /job: nightly-report/);
});

test('the outcome of its run takes a request along, in one commit', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  await ledger.write({ facts: [], asked: [{ id: 'r-1', request: request() }] }, never());
  const facts = finishedFacts({ run: 1, trigger: { kind: 'request', id: 'r-1' } });
  const message = 'nightly-report/1: succeeded';
  const answered = [{ id: 'r-1', path: 'requests/r-1.yaml', verdict: 'executed' as const, message }];
  await ledger.write({ facts: [facts], answered }, never());
  const changed = repository.git('show', '--format=%s', '--name-status', LEDGER_BRANCH);
  assert.match(changed, /^nightly-report run 1 succeeded/);
  assert.match(changed, /^D\trequests\/r-1\.yaml$/m);
  assert.match(changed, /^A\tjobs\/[0-9a-f]{2}\/nightly-report\/1\.yaml$/m);
  assert.equal(await (await ledger.read(never())).answer('r-1', 10), {
    verdict: 'executed',
    message,
    commit: repository.git('rev-parse', LEDGER_BRANCH).trim(),
  });
});

test('two that ask at the same time both get in', async ({ repository }) => {
  const writers = await Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const ledger = ledgerOn(await repository.branch(), { author: ADA });
      return ledger.write({ facts: [], asked: [{ id: `r-${index}`, request: request() }] }, never());
    }),
  );
  assert.ok(writers.every((commit) => commit !== null));
  assert.is(repository.files().filter((file) => file.startsWith('requests/')).length, 6);
  repository.git('fsck', '--strict');
});

test('an id that leads elsewhere is refused before anything is written', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  for (const id of ['../x', 'a/b', '', '.x', 'x'.repeat(101)]) {
    const error: unknown = await ledger
      .write({ facts: [], asked: [{ id, request: request() }] }, never())
      .catch((caught: unknown) => caught);
    assert.ok(isCoded(error, 'BadRequestId'), id);
  }
});

test.run();
