import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { openForge } from '../../src/forge/open.ts';
import type { Forge } from '../../src/forge/port.ts';
import { findForge, type Forge as RealForge } from '../support/forge.ts';

const test = suite('a real Gitea');
const signal = new AbortController().signal;

async function define(real: RealForge): Promise<void> {
  const opened: Forge[] = [];
  const { name, url } = await real.createRepository('runledger-forge');
  const path = `/repos/${real.user}/${name}`;
  const organisation = `${name}-org`;
  const scoped = `${name}-token`;
  const open = async (token: string | undefined): Promise<Forge> => {
    const made = await openForge({
      remote: url,
      kind: 'gitea',
      token: async () => token,
      userAgent: 'runledger/test',
      env: {},
    });
    opened.push(made);
    return made;
  };
  const forge = await open(real.token);
  test.after(async () => {
    for (const one of opened) await one.close();
    await real.deleteToken(scoped).catch(() => undefined);
    await real.api('DELETE', `/repos/${organisation}/${name}`).catch(() => undefined);
    await real.api('DELETE', `/orgs/${organisation}`).catch(() => undefined);
    await real.deleteRepository(name);
  });

  const change = async (owner: string, branch: string, files: readonly string[]): Promise<void> => {
    await real.api('POST', `/repos/${owner}/${name}/contents`, {
      branch: 'main',
      new_branch: branch,
      message: 'A change',
      files: files.map((file) => ({ operation: 'create', path: file, content: Buffer.from(file).toString('base64') })),
    });
  };
  const pull = async (head: string, title: string): Promise<number> => {
    const made = (await real.api('POST', `${path}/pulls`, { head, base: 'main', title })) as { number: number };
    return made.number;
  };

  test('a pull request of a branch, and one of a fork', async () => {
    await change(real.user, 'one', ['a.yaml', 'b/c.sh']);
    const one = await forge.pullRequest(await pull('one', 'First'), signal);
    const { branch, main } = {
      branch: (await real.api('GET', `${path}/branches/one`)) as { commit: { id: string } },
      main: (await real.api('GET', `${path}/branches/main`)) as { commit: { id: string } },
    };
    assert.is(one.isFork, false);
    assert.is(one.isOpen, true);
    assert.ok(Date.parse(one.updated) > 0);
    assert.is(one.head.sha, branch.commit.id);
    assert.equal(one.base, { sha: main.commit.id, ref: 'main' });
    assert.is(one.author, real.user);
    assert.is(one.head.repository, url);
    assert.equal(await forge.changedFiles(one.number, signal), { paths: ['a.yaml', 'b/c.sh'], isComplete: true });

    await real.api('POST', '/orgs', { username: organisation });
    await real.api('POST', `${path}/forks`, { organization: organisation });
    await change(organisation, 'two', ['x.yaml']);
    const two = await forge.pullRequest(await pull(`${organisation}:two`, 'Second'), signal);
    assert.is(two.isFork, true);
    assert.match(two.head.repository ?? '', organisation);
    assert.equal(
      (await forge.openPullRequests(signal)).map(({ number }) => number),
      [two.number, one.number],
    );
  });

  test('more files than fit on a page are all read', async () => {
    const files = Array.from({ length: 120 }, (_, index) => `many/${String(index).padStart(3, '0')}`);
    await change(real.user, 'many', files);
    const { paths } = await forge.changedFiles(await pull('many', 'Many'), signal);
    assert.equal([...paths].sort(), files);
  });

  test('one comment is kept up to date', async () => {
    await change(real.user, 'talk', ['t']);
    const number = await pull('talk', 'Talk');
    await real.api('POST', `${path}/issues/${number}/comments`, { body: 'hello' });
    const first = await forge.upsertComment(number, '<!-- runledger -->', '<!-- runledger -->\n**one**', signal);
    const second = await forge.upsertComment(number, '<!-- runledger -->', '<!-- runledger -->\n**two**', signal);
    assert.is(second.id, first.id);
    assert.equal(
      (await forge.comments(number, signal)).map(({ body, author }) => [author, body]),
      [
        [real.user, 'hello'],
        [real.user, '<!-- runledger -->\n**two**'],
      ],
    );
  });

  test('a status stands beside the commit, and a later one takes its place', async () => {
    const { commit } = (await real.api('GET', `${path}/branches/main`)) as { commit: { id: string } };
    const status = { sha: commit.id, context: 'runledger/a', description: 'x', targetUrl: `${url}#1` };
    for (const state of ['pending', 'running', 'failure', 'success', 'error'] as const)
      await forge.setStatus({ ...status, state, description: state }, signal);
    await forge.setStatus({ ...status, context: 'runledger/b', state: 'running' }, signal);
    const seen = (await real.api('GET', `${path}/commits/${commit.id}/status`)) as {
      statuses: readonly { context: string; status: string; description: string; target_url: string }[];
    };
    assert.equal(
      seen.statuses
        .filter(({ context }) => context === 'runledger/a')
        .map(({ context, status, description, target_url }) => [context, status, description, target_url]),
      [['runledger/a', 'error', 'error', `${url}#1`]],
    );
    assert.equal(Object.fromEntries(await forge.statusesOf(commit.id, signal)), {
      'runledger/a': 'error',
      'runledger/b': 'pending',
    });
  });

  test('who may write', async () => {
    assert.is(await forge.permissionOf(real.user, signal), 'write');
    assert.is(await forge.permissionOf('nobody-of-this-name', signal), 'none');
  });

  const refusedWith = async (work: Promise<unknown>, code: string, hint: RegExp): Promise<void> => {
    const error = await work.then(
      () => assert.unreachable('it succeeded'),
      (thrown: unknown) => thrown,
    );
    assert.ok(isCoded(error, code), String(error));
    assert.match(error.hint ?? '', hint);
  };

  test('a token that is wrong, missing, or lacks a scope is told apart', async () => {
    await refusedWith((await open('f'.repeat(40))).pullRequest(1, signal), 'ForgeUnauthorized', /revoked/);
    await refusedWith((await open(undefined)).pullRequest(1, signal), 'ForgeNotFound', /lacks a right/);
    const narrow = await open(await real.createToken(scoped));
    await refusedWith(narrow.upsertComment(1, 'm', 'm', signal), 'ForgeForbidden', /write:issue/);
    await refusedWith(forge.pullRequest(4_711, signal), 'ForgeNotFound', /number/);
  });
}

const real = findForge();
if (real) {
  await define(real);
  test.run();
}
