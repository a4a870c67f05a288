import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ATTEMPT_LIMIT_MS, type AttemptDesk, createAttemptTaker, type TakeAttempt } from './attempts.ts';
import { createHookTaker, type Hook, type HookVerdict } from './hooks.ts';

export interface ServerParts {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Whether the process works at all: not so, it is restarted. */
  readonly healthy: () => boolean;
  /** What keeps it from taking part, as a sentence; null when nothing does. */
  readonly notReady: () => string | null;
  /** In the text format of Prometheus. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** What waits now, of every source; JSON. */
  readonly queue: () => unknown;
  /** The sources that take webhooks. */
  readonly hooks: ReadonlyMap<string, Hook>;
  /** Serves the pods of attempts; absent: they are not served. */
  readonly attempts?: AttemptDesk | undefined;
  /** Told of every webhook; `unknown` stands for every source that takes none. */
  readonly onHook: (source: string, verdict: HookVerdict) => void;
}

export interface RunningServer {
  readonly address: string;
  close(): Promise<void>;
}

const REQUEST_LIMIT_MS = 30_000;

/** Serves health, metrics and webhooks. Throws what listening throws: an address in use, for one. */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const takeHook = createHookTaker();
  const takeAttempt = parts.attempts ? createAttemptTaker(parts.attempts) : async () => false;
  const server = createServer((request, response) => {
    handle(parts, takeHook, takeAttempt, request, response).catch(() => answer(response, 500, 'internal error'));
  });
  // Archives take longer than webhooks, which have a limit of their own.
  server.requestTimeout = ATTEMPT_LIMIT_MS;
  server.headersTimeout = REQUEST_LIMIT_MS;
  await listen(server, parts.port, parts.host);
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `http://${address.includes(':') ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function handle(
  parts: ServerParts,
  takeHook: ReturnType<typeof createHookTaker>,
  takeAttempt: TakeAttempt,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = /^[^?#]*/.exec(request.url ?? '/')?.[0] ?? '/';
  if (await takeAttempt(path, request, response)) return;
  const limit = setTimeout(() => request.destroy(), REQUEST_LIMIT_MS).unref();
  request.once('close', () => clearTimeout(limit));
  const source = /^\/hooks\/([^/]+)$/.exec(path)?.[1];
  if (source !== undefined) {
    if (request.method !== 'POST') return answer(response, 405, 'only POST');
    // Names of sources need no escapes.
    const hook = parts.hooks.get(source);
    const { verdict, status, text } = await takeHook(hook, request);
    parts.onHook(hook ? source : 'unknown', verdict);
    // What was not read of the body is not read as a next request.
    if (!request.complete) response.setHeader('connection', 'close');
    return answer(response, status, text);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'only GET');
  if (path === '/healthz') return parts.healthy() ? answer(response, 200, 'ok') : answer(response, 500, 'not healthy');
  if (path === '/readyz') {
    const trouble = parts.notReady();
    return trouble === null ? answer(response, 200, 'ok') : answer(response, 503, trouble);
  }
  if (path === '/metrics') {
    const { contentType, text } = await parts.metrics();
    return answer(response, 200, text, contentType);
  }
  if (path === '/queue') return answer(response, 200, JSON.stringify(parts.queue()), 'application/json');
  return answer(response, 404, 'there are /healthz, /readyz, /metrics, /queue and /hooks/<source>');
}

function answer(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
  response.end(`${text}\n`);
}
