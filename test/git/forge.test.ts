import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import path from 'node:path';
import { CodedError } from '../../src/errors.ts';
import { createGitHttp, type GitHttp } from '../../src/git/http.ts';
import { newTag } from '../../src/git/objects.ts';
import { openRemoteBranch } from '../../src/git/remote-branch.ts';
import type { Branch } from '../../src/git/port.ts';
import type { Credentials } from '../../src/git/url.ts';
import { openGitSource } from '../../src/sources/git.ts';
import { commitOf } from '../support/commits.ts';
import { findForge, type Forge } from '../support/forge.ts';
import { temporaryDirectory } from '../support/git.ts';

const test = suite('a real forge');
const signal = new AbortController().signal;

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

async function world(forge: Forge) {
  const directory = await temporaryDirectory();
  const clients: GitHttp[] = [];
  const names: string[] = [];
  let counter = 0;
  test.after(async () => {
    for (const client of clients) await client.close();
    for (const name of names) await forge.deleteRepository(name).catch(() => undefined);
    await directory.remove();
  });
  const newDirectory = (): string => path.join(directory.path, `copy-${++counter}`);
  const client = async (credentials?: Credentials): Promise<GitHttp> => {
    const made = await createGitHttp(credentials ? { credentials } : {});
    clients.push(made);
    return made;
  };
  return {
    client,
    newDirectory,
    repository: async () => {
      const made = await forge.createRepository('runledger-test');
      names.push(made.name);
      return made;
    },
    branch: async (url: string, branch: string, credentials?: Credentials): Promise<Branch> =>
      openRemoteBranch({ url, branch, gitdir: newDirectory(), http: await client(credentials) }),
    renamed: (name: string) => names.push(name),
  };
}

function define(
  forge: Forge,
  { client, newDirectory, repository, branch, renamed }: Awaited<ReturnType<typeof world>>,
): void {
  const token: Credentials = { kind: 'token', token: forge.token };

  test('reads and pushes with a token, and with user and password', async () => {
    const { url } = await repository();
    const main = await branch(url, 'main', token);
    const tip = (await main.refresh(signal))!;
    assert.ok((await main.readTree((await main.readCommit(tip)).tree)).some(({ name }) => name === 'README.md'));
    const ledger = await branch(url, 'runledger/status', {
      kind: 'basic',
      username: forge.user,
      password: forge.password,
    });
    assert.is(await ledger.refresh(signal), null);
    const one = commitOf('one', null, 300);
    await ledger.advance(null, one.id, one.objects, signal);
    const two = commitOf('two', one.id);
    await ledger.advance(one.id, two.id, two.objects, signal);
    const again = await branch(url.replace('://', `://${forge.user}:${forge.token}@`), 'runledger/status');
    assert.is(await again.refresh(signal), two.id);
    const late = commitOf('late', one.id);
    assert.is(show(await failure(again.advance(one.id, late.id, late.objects, signal))), 'transient RefMoved');
  });

  test('refs aside come, move with the branch, and go', async () => {
    const { url } = await repository();
    const ledger = await branch(url, 'runledger/status', token);
    const [left, one] = [commitOf('left', null), commitOf('one', null)];
    assert.is(await ledger.refresh(signal), null);
    await ledger.aside!.move([{ name: 'left/a', from: null, to: left.id }], left.objects, signal);
    assert.equal([...(await ledger.aside!.look(signal))], [['left/a', { id: left.id, commit: null }]]);
    const receipt = newTag(one.id, left.id, { name: 'a', email: 'a@example.com', timestamp: 0 });
    const move = { name: 'left/a', from: left.id, to: receipt.id };
    await ledger.advance(null, one.id, [...one.objects, receipt], signal, [move]);
    assert.equal([...(await ledger.aside!.look(signal))], [['left/a', { id: receipt.id, commit: one.id }]]);
    const two = commitOf('two', one.id);
    const stale = ledger.advance(one.id, two.id, two.objects, signal, [{ ...move, to: null }]);
    assert.is(show(await failure(stale)), 'transient RefMoved');
    assert.is(await ledger.refresh(signal), one.id);
    await ledger.aside!.move([{ name: 'left/a', from: receipt.id, to: null }], [], signal);
    assert.is((await ledger.aside!.look(signal)).size, 0);
  });

  test('no credentials, a wrong token, and a token that was revoked while we ran', async () => {
    const { url } = await repository();
    assert.match((await failure((await branch(url, 'main')).refresh(signal))).message, 'none were given');
    const wrong = await failure((await branch(url, 'main', { kind: 'token', token: 'f'.repeat(40) })).refresh(signal));
    assert.is(show(wrong), 'terminal Unauthorized');
    assert.not.match(wrong.message, 'ffff');
    const name = `test-${Date.now()}`;
    const secret = await forge.createToken(name);
    const ledger = await branch(url, 'ledger', { kind: 'token', token: secret });
    const one = commitOf('one', null);
    await ledger.advance(null, one.id, one.objects, signal);
    await forge.deleteToken(name);
    const two = commitOf('two', one.id);
    const refused = await failure(ledger.advance(one.id, two.id, two.objects, signal));
    assert.is(show(refused), 'terminal Unauthorized');
    assert.not.match(`${refused.message} ${refused.hint}`, secret);
    assert.is(show(await failure(ledger.refresh(signal))), 'terminal Unauthorized');
  });

  test('a protected branch is PushRejected, and nothing has moved', async () => {
    const { name, url } = await repository();
    await forge.api('POST', `/repos/${forge.user}/${name}/branch_protections`, {
      rule_name: 'main',
      enable_push: false,
    });
    const main = await branch(url, 'main', token);
    const tip = await main.refresh(signal);
    const one = commitOf('one', tip);
    const error = await failure(main.advance(tip, one.id, one.objects, signal));
    assert.is(show(error), 'terminal PushRejected');
    assert.match(error.message, /protected/i);
    assert.is(await main.refresh(signal), tip);
  });

  test('a repository that was renamed is still found, for reading and for pushing', async () => {
    const { name, url } = await repository();
    const http = await client(token);
    const source = await openGitSource({ url, path: '.', http, gitdir: newDirectory(), pollIntervalMs: 1000 });
    const before = await source.fetch(signal);
    const ledger = await openRemoteBranch({ url, branch: 'ledger', gitdir: newDirectory(), http });
    await forge.api('PATCH', `/repos/${forge.user}/${name}`, { name: `${name}-moved` });
    renamed(`${name}-moved`);
    assert.is((await source.fetch(signal)).revision, before.revision);
    assert.is(await ledger.refresh(signal), null);
    const one = commitOf('one', null);
    await ledger.advance(null, one.id, one.objects, signal);
    assert.is(await ledger.refresh(signal), one.id);
  });

  test('a repository that is not there, and a page that is none', async () => {
    const gone = await failure(
      (await branch(`${forge.url}/${forge.user}/never-was.git`, 'main', token)).refresh(signal),
    );
    assert.is(show(gone), 'terminal RepositoryNotFound');
    const page = await failure((await branch(`${forge.url}/explore/repos`, 'main', token)).refresh(signal));
    assert.ok(['RepositoryNotFound', 'NotGit'].includes(page.code), page.code);
  });
}

const forge = findForge();
if (forge) define(forge, await world(forge));
else test.skip('needs a forge', () => undefined);

test.run();
