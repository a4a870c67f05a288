import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Forge } from '../../src/forge/port.ts';
import { openForge } from '../../src/forge/open.ts';
import { type ApiAnswer, type ApiRequest, startApiServer } from '../support/api-server.ts';
import { githubApi } from '../support/github-api.ts';

const test = suite('GitHub');
const server = await startApiServer();
const api = githubApi();
/** In what requests and answers differ from GitHub's description of its API. */
const faults: string[] = [];
const [HEAD, BASE] = ['a'.repeat(40), 'b'.repeat(40)];
const signal = new AbortController().signal;
const github: Forge = await openForge({
  remote: 'https://github.com/acme/jobs',
  api: server.url,
  token: async () => 'token-of-a-test',
  userAgent: 'runledger/test',
  env: {},
});

test.after(async () => {
  await github.close();
  await server.close();
});
test.before.each(() => void server.requests.splice(0));

/** Where GitHub itself differs: the repository of a head is null once it is deleted. */
const KNOWN = /: answer\/head\/repo must be object /;

const answerWith = (behave: (request: ApiRequest) => ApiAnswer): void =>
  server.answer((request) => {
    const answer = behave(request);
    const found = api.faultsOf(request, answer).filter((fault) => !KNOWN.test(fault));
    faults.push(...found);
    return found.length === 0 ? answer : { status: 500, body: { message: found.join('; ') } };
  });

const REPOSITORY = '/repos/{owner}/{repo}';

// Of these fields, GitHub's examples are not as its description says.
const NO_TEAMS = { requested_teams: [] };
const LISTED = { template_repository: undefined, subscribers_count: undefined, network_count: undefined };

const pull = (number: number, headRepository: object | null) =>
  api.answerLike('GET', `${REPOSITORY}/pulls/{pull_number}`, 200, {
    number,
    title: 'A change',
    html_url: `https://github.com/acme/jobs/pull/${number}`,
    user: { login: 'ada' },
    state: 'open',
    updated_at: '2026-01-01T00:00:00Z',
    head: { sha: HEAD, ref: 'change', repo: headRepository },
    base: { sha: BASE, ref: 'main', repo: { id: 1 } },
    ...NO_TEAMS,
  });
const listedPull = (number: number) =>
  api.answerLike('GET', `${REPOSITORY}/pulls`, 200, {
    number,
    head: { repo: LISTED },
    base: { repo: LISTED },
    ...NO_TEAMS,
  });
const file = (own: { readonly filename: string; readonly previous_filename?: string }) =>
  api.answerLike('GET', `${REPOSITORY}/pulls/{pull_number}/files`, 200, own);
const OWN = { id: 1, clone_url: 'https://github.com/acme/jobs.git' };

const route = (routes: Readonly<Record<string, (request: ApiRequest) => ApiAnswer>>): void =>
  answerWith((request) => routes[`${request.method} ${request.path}`]?.(request) ?? { status: 404 });

test('a pull request, of a branch and of forks', async () => {
  route({
    'GET /repos/acme/jobs/pulls/1': () => ({ body: pull(1, OWN) }),
    'GET /repos/acme/jobs/pulls/2': () => ({ body: pull(2, { id: 2, clone_url: 'https://github.com/eve/jobs.git' }) }),
    'GET /repos/acme/jobs/pulls/3': () => ({ body: pull(3, null) }),
  });
  assert.equal(await github.pullRequest(1, signal), {
    number: 1,
    title: 'A change',
    author: 'ada',
    url: 'https://github.com/acme/jobs/pull/1',
    head: { sha: HEAD, ref: 'change', repository: 'https://github.com/acme/jobs.git', fetchRef: 'refs/pull/1/head' },
    base: { sha: BASE, ref: 'main' },
    isFork: false,
    isOpen: true,
    updated: '2026-01-01T00:00:00Z',
  });
  assert.is((await github.pullRequest(2, signal)).isFork, true);
  const gone = await github.pullRequest(3, signal);
  assert.is(gone.isFork, true);
  assert.is(gone.head.repository, null);
  const { headers } = server.requests[0]!;
  assert.is(headers.authorization, 'Bearer token-of-a-test');
  assert.is(headers.accept, 'application/vnd.github+json');
  assert.is(headers['x-github-api-version'], '2022-11-28');
  assert.is(headers['user-agent'], 'runledger/test');
});

test('lists are read to their last page', async () => {
  const link = { link: '<https://api.github.com/x?page=2>; rel="next", <https://api.github.com/x?page=9>; rel="last"' };
  route({
    'GET /repos/acme/jobs/pulls/7/files?per_page=100&page=1': () => ({
      headers: link,
      body: [file({ filename: 'a.yaml' }), file({ filename: 'new.sh', previous_filename: 'old.sh' })],
    }),
    'GET /repos/acme/jobs/pulls/7/files?per_page=100&page=2': () => ({ body: [file({ filename: 'z.yaml' })] }),
    'GET /repos/acme/jobs/pulls?state=open&per_page=100&page=1': () => ({ headers: link, body: [listedPull(9)] }),
    'GET /repos/acme/jobs/pulls?state=open&per_page=100&page=2': () => ({ body: [listedPull(8)] }),
  });
  assert.equal(await github.changedFiles(7, signal), {
    paths: ['a.yaml', 'new.sh', 'old.sh', 'z.yaml'],
    isComplete: true,
  });
  assert.equal(
    (await github.openPullRequests(signal)).map(({ number }) => number),
    [9, 8],
  );
});

test('more files than GitHub tells are not taken for all', async () => {
  route({
    'GET /repos/acme/jobs/pulls/7/files?per_page=100&page=1': () => ({
      body: Array.from({ length: 3_000 }, (_, index) => file({ filename: `f${index}` })),
    }),
  });
  assert.is((await github.changedFiles(7, signal)).isComplete, false);
});

test('a status has the fields that GitHub takes', async () => {
  answerWith(() => ({ status: 201, body: api.answerLike('POST', `${REPOSITORY}/statuses/{sha}`, 201, {}) }));
  const description = `${'ö'.repeat(139)}xyz`;
  const targetUrl = 'https://github.com/acme/jobs/blob/l/1.yaml';
  await github.setStatus({ sha: HEAD, context: 'runledger/a', state: 'running', description, targetUrl }, signal);
  await github.setStatus({ sha: HEAD, context: 'runledger/a', state: 'failure', description: 'no' }, signal);
  assert.equal(
    server.requests.map(({ method, path, json }) => ({ method, path, json })),
    [
      {
        method: 'POST',
        path: `/repos/acme/jobs/statuses/${HEAD}`,
        json: {
          state: 'pending',
          context: 'runledger/a',
          description: `${'ö'.repeat(139)}…`,
          target_url: targetUrl,
        },
      },
      {
        method: 'POST',
        path: `/repos/acme/jobs/statuses/${HEAD}`,
        json: { state: 'failure', context: 'runledger/a', description: 'no' },
      },
    ],
  );
});

test('of the statuses of a commit the newest counts', async () => {
  const status = (own: object) => api.answerLike('GET', `${REPOSITORY}/commits/{ref}/statuses`, 200, { ...own });
  route({
    [`GET /repos/acme/jobs/commits/${HEAD}/statuses?per_page=100&page=1`]: () => ({
      body: [
        status({ id: 3, context: 'a', state: 'success' }),
        status({ id: 2, context: 'b', state: 'failure' }),
        status({ id: 1, context: 'a', state: 'pending' }),
      ],
    }),
  });
  assert.equal(Object.fromEntries(await github.statusesOf(HEAD, signal)), { a: 'success', b: 'failure' });
});

const permitted = (permission: string): ApiAnswer => ({
  body: api.answerLike('GET', `${REPOSITORY}/collaborators/{username}/permission`, 200, { permission, user: null }),
});

test('who may write', async () => {
  const may = (permission: string) => () => permitted(permission);
  route({
    'GET /repos/acme/jobs/collaborators/ada/permission': may('admin'),
    'GET /repos/acme/jobs/collaborators/bob/permission': may('write'),
    'GET /repos/acme/jobs/collaborators/eve/permission': may('read'),
    'GET /repos/acme/jobs/collaborators/mal/permission': may('none'),
  });
  const found = await Promise.all(['ada', 'bob', 'eve', 'mal', '../x'].map((who) => github.permissionOf(who, signal)));
  assert.equal(found, ['write', 'write', 'read', 'none', 'none']);
});

const at = { created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z' };
const comment = (id: number, login: string, body: string, type = 'User') =>
  api.answerLike('POST', `${REPOSITORY}/issues/{issue_number}/comments`, 201, {
    id,
    body,
    user: { login, type },
    ...at,
  });
const us = { body: api.answerLike('GET', '/user', 200, { login: 'us' }) };
const MARKER = '<!-- runledger -->';

test('only our own comment is changed, whoever has written one with the marker', async () => {
  const changed: number[] = [];
  const routes = (self: ApiAnswer, comments: readonly unknown[]): void =>
    answerWith(({ method, path, json }) => {
      const { body } = (json ?? {}) as { body?: string };
      if (path === '/user') return self;
      if (path.includes('/permission')) return permitted('read');
      if (method === 'GET') return { body: comments };
      const id = Number(/comments\/(\d+)$/.exec(path)?.[1] ?? 99);
      changed.push(id);
      return { status: method === 'POST' ? 201 : 200, body: comment(id, 'us', body ?? '') };
    });
  const foreign = comment(1, 'eve', `${MARKER} all is well`);
  routes(us, [foreign, comment(2, 'us', `${MARKER} old`)]);
  await github.upsertComment(7, MARKER, `${MARKER} new`, signal);
  routes(us, [foreign]);
  await github.upsertComment(7, MARKER, `${MARKER} new`, signal);
  // The token of a workflow may not ask whose it is.
  routes({ status: 403 }, [foreign, comment(3, 'github-actions[bot]', `${MARKER} old`, 'Bot')]);
  await github.upsertComment(7, MARKER, `${MARKER} new`, signal);
  routes(us, [comment(4, 'us', `${MARKER} same`)]);
  await github.upsertComment(7, MARKER, `${MARKER} same`, signal);
  assert.equal(changed, [2, 99, 3]);
});

test('all that was asked and answered is as GitHub describes it', () => assert.equal(faults, []));

const STATUSES = `/repos/acme/jobs/statuses/${HEAD}`;
const told = { status: 201, body: api.answerLike('POST', `${REPOSITORY}/statuses/{sha}`, 201, {}) };
const listed = { body: [listedPull(1)] };
const misfits: readonly (readonly [string, string, unknown, ApiAnswer, RegExp])[] = [
  ['POST', STATUSES, { state: 'error' }, told, /^$/],
  ['PUT', STATUSES, { state: 'error' }, told, /no operation of the description/],
  ['POST', '/repos/acme/status', {}, told, /no operation of the description/],
  ['POST', STATUSES, { state: 'running' }, told, /request\/state must be equal to one of the allowed values/],
  ['POST', STATUSES, { state: 'error', link: 'x' }, told, /request must NOT have additional properties/],
  ['POST', STATUSES, undefined, told, /the request has no body/],
  ['POST', STATUSES, { state: 'error' }, { status: 200 }, /an answer with status 200 is not described/],
  ['POST', STATUSES, { state: 'error' }, { status: 201 }, /answer must have required property/],
  ['GET', '/repos/acme/jobs/pulls?limit=50', undefined, listed, /no parameter is called limit/],
  ['GET', '/repos/acme/jobs/pulls?state=merged', undefined, listed, /state must be equal to one of the allowed values/],
];

test('what the description does not have is found', () => {
  for (const [method, path, json, answer, fault] of misfits)
    assert.match(api.faultsOf({ method, path, headers: {}, text: '', json }, answer).join('\n'), fault);
});

test.run();
