import { createHmac } from 'node:crypto';
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
const hmac = (secret: string): string => createHmac('sha256', secret).update(BODY).digest('hex');

test.before.each(async (context) => {
  const received: string[] = [];
  const state: World['state'] = { healthy: true, notReady: null };
  const metrics = createMetrics();
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    healthy: () => state.healthy,
    notReady: () => state.notReady,
    metrics: () => metrics.text(),
    hooks: new Map([['platform', { secret: SECRET, received: () => received.push('platform') }]]),
    onHook: (source, verdict) => metrics.hook(source, verdict),
  });
  Object.assign(context, { server, received, state });
});

test.after.each(({ server }) => server.close());

const post = async ({ server }: World, headers: Record<string, string>, source = 'platform'): Promise<number> =>
  (await fetch(`${server.address}/hooks/${source}`, { method: 'POST', body: BODY, headers })).status;

test('webhooks of GitHub, Gitea and GitLab are taken with the right proof only', async (world) => {
  assert.is(await post(world, { 'X-Hub-Signature-256': `sha256=${hmac(SECRET)}` }), 202);
  assert.is(await post(world, { 'X-Gitea-Signature': hmac(SECRET) }), 202);
  assert.is(await post(world, { 'X-Gitlab-Token': SECRET }), 202);
  assert.is(world.received.length, 3);
  assert.is(await post(world, {}), 401);
  assert.is(await post(world, { 'X-Hub-Signature-256': `sha256=${hmac('another')}` }), 403);
  assert.is(await post(world, { 'X-Hub-Signature-256': hmac(SECRET) }), 403);
  assert.is(await post(world, { 'X-Gitlab-Token': 'x' }), 403);
  assert.is(await post(world, { 'X-Hub-Signature-256': `sha256=${hmac(SECRET)}`, 'X-Gitea-Signature': 'no' }), 403);
  assert.is(await post(world, { 'X-Gitlab-Token': SECRET }, 'other'), 403);
  assert.is((await fetch(`${world.server.address}/hooks/platform`)).status, 405);
  assert.is(world.received.length, 3);
  const metrics = await (await fetch(`${world.server.address}/metrics`)).text();
  assert.match(metrics, /runledger_webhooks_total\{source="platform",verdict="accepted"\} 3/);
  assert.match(metrics, /runledger_webhooks_total\{source="unknown",verdict="unknownSource"\} 1/);
});

test('health and readiness tell what is wrong', async ({ server, state }) => {
  const get = async (path: string): Promise<string> => {
    const answer = await fetch(server.address + path);
    return `${answer.status} ${(await answer.text()).trim()}`;
  };
  assert.is(await get('/healthz'), '200 ok');
  assert.is(await get('/readyz'), '200 ok');
  state.notReady = 'the source platform was not read yet';
  state.healthy = false;
  assert.is(await get('/readyz'), '503 the source platform was not read yet');
  assert.is(await get('/healthz'), '500 not healthy');
  assert.match(await get('/nothing'), /^404 /);
});

test.run();
