import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMetrics } from '../../src/server/metrics.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';

interface World {
  server: RunningServer;
  received: string[];
  state: { healthy: boolean; notReady: string | null };
}

const test = suite<World>('health, metrics and webhooks');
const SECRET = 'a shared secret';
const BODY = JSON.stringify({ ref: 'refs/heads/main' });
const hmac = (secret: string, body = BODY): string => createHmac('sha256', secret).update(body).digest('hex');

test.before.each(async (context) => {
  const received: string[] = [];
  const state: World['state'] = { healthy: true, notReady: null };
  const metrics = createMetrics('1.2.3');
  const hook = (name: string, branch?: string) =>
    [name, { secret: SECRET, branch, ledger: 'runledger/status', received: () => void received.push(name) }] as const;
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    healthy: () => state.healthy,
    notReady: () => state.notReady,
    metrics: () => metrics.text(),
    queue: () => [{ source: 'platform', leads: true, waiting: [{ job: 'a', run: 2, waits: 'for x, position 1' }] }],
    hooks: new Map([hook('platform', 'main'), hook('whatever')]),
    onHook: (source, verdict) => metrics.source(source).hook(verdict),
  });
  Object.assign(context, { server, received, state });
});

test.after.each(({ server }) => server.close());

const post = async (
  { server }: World,
  headers: Record<string, string>,
  source = 'platform',
  body: string | Uint8Array<ArrayBuffer> = BODY,
): Promise<number> => (await fetch(`${server.address}/hooks/${source}`, { method: 'POST', body, headers })).status;

const counted = async ({ server }: World): Promise<string> => (await fetch(`${server.address}/metrics`)).text();

/** What is written to the connection as it is; returns the status line of the answer. */
function raw({ server }: World, text: string): Promise<string> {
  const { hostname, port } = new URL(server.address);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.once('data', (data) => {
      resolve(data.toString().split('\r\n')[0] ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

test('what waits is told as JSON', async ({ server }) => {
  const answer = await fetch(`${server.address}/queue`);
  assert.equal([answer.status, answer.headers.get('content-type')], [200, 'application/json']);
  const waiting = [{ job: 'a', run: 2, waits: 'for x, position 1' }];
  assert.equal(await answer.json(), [{ source: 'platform', leads: true, waiting }]);
});

test('webhooks of GitHub, Gitea and GitLab are taken with the right proof only', async (world) => {
  assert.is(await post(world, { 'X-Hub-Signature-256': `sha256=${hmac(SECRET)}` }), 202);
  assert.is(await post(world, { 'X-Gitea-Signature': hmac(SECRET) }), 202);
  assert.is(await post(world, { 'X-Gitlab-Token': SECRET }), 202);
  assert.is(world.received.length, 3);
  assert.is(await post(world, {}), 401);
  assert.is(await post(world, { 'X-Hub-Signature-256': '' }), 401);
  assert.is(await post(world, { 'X-Hub-Signature-256': `sha256=${hmac('another')}` }), 403);
  assert.is(await post(world, { 'X-Hub-Signature-256': `sha256=${hmac(SECRET)}` }, 'platform', `${BODY} `), 403);
  assert.is(await post(world, { 'X-Hub-Signature-256': hmac(SECRET) }), 403);
  assert.is(await post(world, { 'X-Gitlab-Token': 'x' }), 403);
  assert.is(await post(world, { 'X-Hub-Signature-256': `sha256=${hmac(SECRET)}`, 'X-Gitea-Signature': 'no' }), 403);
  assert.is((await fetch(`${world.server.address}/hooks/platform`)).status, 405);
  assert.is(world.received.length, 3);
  const metrics = await counted(world);
  assert.match(metrics, /runledger_webhooks_total\{source="platform",verdict="accepted"\} 3/);
  assert.match(metrics, /runledger_webhooks_total\{source="platform",verdict="wrongSignature"\} 5/);
});

test('a source that there is not, or that takes no webhooks, is not found', async (world) => {
  for (const name of ['other', '%70latform', '%zz', '__proto__'])
    assert.is(await post(world, { 'X-Gitlab-Token': SECRET }, name), 404, name);
  assert.is(world.received.length, 0);
  assert.match(await counted(world), /runledger_webhooks_total\{source="unknown",verdict="unknownSource"\} 4/);
});

test('a webhook about another branch or a tag wakes nobody', async (world) => {
  const send = (payload: object, source = 'platform'): Promise<number> =>
    post(world, { 'X-Gitlab-Token': SECRET }, source, JSON.stringify(payload));
  assert.is(await send({ ref: 'refs/heads/runledger/status' }), 200);
  assert.is(await send({ ref: 'refs/heads/main' }), 202);
  // The one that names no branch follows the default branch.
  const repository = { default_branch: 'trunk' };
  assert.is(await send({ ref: 'refs/heads/main', repository }, 'whatever'), 200);
  assert.is(await send({ ref: 'refs/heads/trunk', repository }, 'whatever'), 202);
  assert.equal(world.received, ['platform', 'whatever']);
  assert.match(await counted(world), /runledger_webhooks_total\{source="platform",verdict="otherBranch"\} 1/);
});

test('a body may be large, to a limit, and is not read where nothing says that it comes from the forge', async (world) => {
  const mib = 1024 * 1024;
  const signed = { 'X-Gitlab-Token': SECRET };
  const large = JSON.stringify({ ref: 'refs/heads/main', commits: 'x'.repeat(2 * mib) });
  assert.is(await post(world, { 'X-Gitea-Signature': hmac(SECRET, large) }, 'platform', large), 202);
  const lengthOf = (bytes: number, headers = ''): string =>
    `POST /hooks/platform HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${bytes}\r\n\r\n`;
  const token = `X-Gitlab-Token: ${SECRET}\r\n`;
  assert.match(await raw(world, lengthOf(26 * mib, token)), /^HTTP\/1.1 413 /);
  assert.match(await raw(world, lengthOf(mib)), /^HTTP\/1.1 401 /);
  // Without a length, it shows as it comes.
  let left = 30;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      if (left-- > 0) controller.enqueue(new Uint8Array(mib));
      else controller.close();
    },
  });
  const url = `${world.server.address}/hooks/platform`;
  const init = { method: 'POST', body: stream, headers: signed, duplex: 'half' } as RequestInit;
  // The connection may end before the client has read why.
  const answer = await fetch(url, init).catch(() => null);
  assert.ok(answer === null || answer.status === 413);
  assert.is(world.received.length, 1);
  assert.match(await counted(world), /runledger_webhooks_total\{source="platform",verdict="tooLarge"\} 2/);
});

test('slow bodies keep neither health checks nor the memory', async (world) => {
  const { hostname, port } = new URL(world.server.address);
  const head = 'POST /hooks/platform HTTP/1.1\r\nHost: x\r\nX-Gitlab-Token: no\r\nContent-Length: 9\r\n\r\nfour';
  const slow = Array.from({ length: 64 }, () => connect(Number(port), hostname));
  try {
    await Promise.all(slow.map((socket) => new Promise((resolve) => socket.write(head, resolve))));
    const until = performance.now() + 10_000;
    while ((await post(world, { 'X-Gitlab-Token': SECRET })) !== 503) assert.ok(performance.now() < until);
    assert.is((await fetch(`${world.server.address}/healthz`)).status, 200);
  } finally {
    for (const socket of slow) socket.destroy();
  }
  const until = performance.now() + 10_000;
  while ((await post(world, { 'X-Gitlab-Token': SECRET })) !== 202) assert.ok(performance.now() < until);
});

test('health and readiness tell what is wrong', async (world) => {
  const { server, state } = world;
  const get = async (path: string): Promise<string> => {
    const answer = await fetch(server.address + path);
    return `${answer.status} ${(await answer.text()).trim()}`;
  };
  assert.is(await get('/healthz'), '200 ok');
  assert.is(await get('/readyz?verbose'), '200 ok');
  state.notReady = 'the source platform was not read yet';
  state.healthy = false;
  assert.is(await get('/readyz'), '503 the source platform was not read yet');
  assert.is(await get('/healthz'), '500 not healthy');
  assert.match(await get('/nothing'), /^404 /);
  assert.match(await raw(world, 'GET // HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1.1 404 /);
  assert.match(await raw(world, 'DELETE /healthz HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1.1 405 /);
});

test.run();
