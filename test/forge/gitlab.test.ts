import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openForge } from '../../src/forge/open.ts';
import { type ApiAnswer, type ApiRequest, startApiServer } from '../support/api-server.ts';

const test = suite('GitLab');
const server = await startApiServer();
const [HEAD, TIP] = ['a'.repeat(40), 'c'.repeat(40)];
const signal = new AbortController().signal;
const gitlab = await openForge({
  remote: 'https://gitlab.com/acme/team/jobs.git',
  api: `${server.url}/api/v4`,
  token: async () => 'glpat-of-a-test',
  userAgent: 'runledger/test',
  env: {},
});
const BASE = '/api/v4/projects/acme%2Fteam%2Fjobs';

test.after(async () => {
  await gitlab.close();
  await server.close();
});
test.before.each(() => void server.requests.splice(0));

const route = (routes: Readonly<Record<string, (request: ApiRequest) => ApiAnswer>>): void =>
  server.answer((request) => routes[`${request.method} ${request.path}`]?.(request) ?? { status: 404 });

const merge = (iid: number, from: number | null, more: object = {}) => ({
  iid,
  title: 'A change',
  author: { username: 'ada' },
  state: 'opened',
  updated_at: '2026-01-01T00:00:00Z',
  web_url: `https://gitlab.com/acme/team/jobs/-/merge_requests/${iid}`,
  sha: HEAD,
  source_branch: 'change',
  target_branch: 'main',
  source_project_id: from,
  target_project_id: 1,
  ...more,
});
const lookUps = {
  [`GET ${BASE}/repository/branches/main`]: () => ({ body: { commit: { id: TIP } } }),
  'GET /api/v4/projects/1': () => ({ body: { http_url_to_repo: 'https://gitlab.com/acme/team/jobs.git' } }),
};

test('a merge request is a pull request', async () => {
  route({ ...lookUps, [`GET ${BASE}/merge_requests/4`]: () => ({ body: merge(4, 1) }) });
  assert.equal(await gitlab.pullRequest(4, signal), {
    number: 4,
    title: 'A change',
    author: 'ada',
    url: 'https://gitlab.com/acme/team/jobs/-/merge_requests/4',
    head: {
      sha: HEAD,
      ref: 'change',
      repository: 'https://gitlab.com/acme/team/jobs.git',
      fetchRef: 'refs/merge-requests/4/head',
    },
    base: { sha: TIP, ref: 'main' },
    isFork: false,
    isOpen: true,
    updated: '2026-01-01T00:00:00Z',
  });
  assert.is(server.requests[0]?.headers.authorization, 'Bearer glpat-of-a-test');
});

test('a list looks up each branch and project once; a private or deleted fork has no address', async () => {
  const list = `GET ${BASE}/merge_requests?state=opened&per_page=100&page=`;
  route({
    ...lookUps,
    [`${list}1`]: () => ({ headers: { link: '<https://x/?page=2>; rel="next"' }, body: [merge(4, 1), merge(5, 1)] }),
    [`${list}2`]: () => ({ body: [merge(6, 2), merge(7, null)] }),
  });
  const found = await gitlab.openPullRequests(signal);
  assert.equal(
    found.map(({ number, isFork, head }) => [number, isFork, head.repository !== null]),
    [
      [4, false, true],
      [5, false, true],
      [6, true, false],
      [7, true, false],
    ],
  );
  assert.is(server.requests.length, 5);
});

test('files, and whether they are all', async () => {
  route({
    [`GET ${BASE}/merge_requests/4/diffs?per_page=100&page=1`]: () => ({
      body: [
        { new_path: 'a', old_path: 'a' },
        { new_path: 'c', old_path: 'b' },
      ],
    }),
    [`GET ${BASE}/merge_requests/4`]: () => ({ body: merge(4, 1, { changes_count: '1000+' }) }),
  });
  assert.equal(await gitlab.changedFiles(4, signal), { paths: ['a', 'c', 'b'], isComplete: false });
});

test('a status has the fields that GitLab takes, and one that is there already is none of ours to fix', async () => {
  const status = { sha: HEAD, context: 'runledger/a', description: 'x', targetUrl: 'https://l/' };
  server.answer(() => ({ status: 201 }));
  await gitlab.setStatus({ ...status, state: 'running' }, signal);
  await gitlab.setStatus({ ...status, state: 'error' }, signal);
  assert.equal(
    server.requests.map(({ path, json }) => [path, json]),
    ['running', 'failed'].map((state) => [
      `${BASE}/statuses/${HEAD}`,
      { state, name: 'runledger/a', description: 'x', target_url: 'https://l/' },
    ]),
  );
  server.answer(() => ({ status: 400, body: { message: 'Cannot transition status via :run from :running' } }));
  await gitlab.setStatus({ ...status, state: 'running' }, signal);
});

test('the statuses of a commit', async () => {
  route({
    [`GET ${BASE}/repository/commits/${HEAD}/statuses?per_page=100&page=1`]: () => ({
      body: [
        { id: 1, name: 'a', status: 'success' },
        { id: 2, name: 'b', status: 'canceled' },
        { id: 3, name: 'c', status: 'running' },
      ],
    }),
  });
  assert.equal(Object.fromEntries(await gitlab.statusesOf(HEAD, signal)), { a: 'success', b: 'error', c: 'running' });
});

test('developers may write', async () => {
  const user = (id: number) => () => ({ body: [{ id }] });
  route({
    'GET /api/v4/users?username=dev&per_page=100&page=1': user(1),
    'GET /api/v4/users?username=guest&per_page=100&page=1': user(2),
    'GET /api/v4/users?username=other&per_page=100&page=1': user(3),
    'GET /api/v4/users?username=nobody&per_page=100&page=1': () => ({ body: [] }),
    [`GET ${BASE}/members/all/1`]: () => ({ body: { access_level: 30 } }),
    [`GET ${BASE}/members/all/2`]: () => ({ body: { access_level: 20 } }),
  });
  const found = await Promise.all(['dev', 'guest', 'other', 'nobody'].map((who) => gitlab.permissionOf(who, signal)));
  assert.equal(found, ['write', 'read', 'none', 'none']);
});

test("comments are notes, without GitLab's own", async () => {
  const at = { created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z' };
  const note = (id: number, username: string, body: string, more = {}) => ({
    id,
    author: { username },
    body,
    ...at,
    ...more,
  });
  const path = `${BASE}/merge_requests/4/notes`;
  route({
    [`GET ${path}?sort=asc&order_by=created_at&per_page=100&page=1`]: () => ({
      body: [note(1, 'ada', 'added 1 commit', { system: true }), note(2, 'bot', '<!-- m --> old')],
    }),
    'GET /api/v4/user': () => ({ body: { username: 'bot' } }),
    [`PUT ${path}/2`]: ({ json }) => ({ body: note(2, 'bot', (json as { body: string }).body) }),
  });
  assert.is((await gitlab.comments(4, signal)).length, 1);
  assert.is((await gitlab.upsertComment(4, '<!-- m -->', '<!-- m --> new', signal)).body, '<!-- m --> new');
});

test.run();
