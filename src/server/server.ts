import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { judgeWebhook } from './webhook.ts';

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
  /** The sources that take webhooks, with the secret of each. */
  readonly hooks: ReadonlyMap<string, { readonly secret: string; readonly received: () => void }>;
  readonly onHook: (source: string, verdict: string) => void;
}

export interface RunningServer {
  readonly address: string;
  close(): Promise<void>;
}

const MAX_HOOK_BYTES = 25 * 1024 * 1024; // what GitHub sends at most
const REQUEST_LIMIT_MS = 30_000;

/** Serves health, metrics and webhooks. Throws what listening throws: an address in use, for one. */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const server = createServer((request, response) => {
    handle(parts, request, response).catch(() => answer(response, 500, 'internal error'));
  });
  server.requestTimeout = REQUEST_LIMIT_MS;
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

async function handle(parts: ServerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const hook = /^\/hooks\/([^/]+)$/.exec(pathname)?.[1];
  if (hook !== undefined) return webhook(parts, decodeURIComponent(hook), request, response);
  if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'only GET');
  if (pathname === '/healthz')
    return parts.healthy() ? answer(response, 200, 'ok') : answer(response, 500, 'not healthy');
  if (pathname === '/readyz') {
    const trouble = parts.notReady();
    return trouble === null ? answer(response, 200, 'ok') : answer(response, 503, trouble);
  }
  if (pathname === '/metrics') {
    const { contentType, text } = await parts.metrics();
    return answer(response, 200, text, contentType);
  }
  return answer(response, 404, 'there are /healthz, /readyz, /metrics and /hooks/<source>');
}

async function webhook(
  parts: ServerParts,
  source: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'POST') return answer(response, 405, 'only POST');
  const hook = parts.hooks.get(source);
  const body = await readBody(request);
  if (body === null) return answer(response, 413, 'too large');
  // An unknown source and one without a secret answer alike: nothing is told to whoever guesses names.
  const verdict = hook ? judgeWebhook(request.headers, body, hook.secret) : 'unknownSource';
  parts.onHook(hook ? source : 'unknown', verdict);
  if (!hook || verdict !== 'accepted') return answer(response, verdict === 'unsigned' ? 401 : 403, 'refused');
  hook.received();
  return answer(response, 202, 'accepted');
}

async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_HOOK_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answer(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
  response.end(`${text}\n`);
}
