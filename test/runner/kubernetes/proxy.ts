import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';

/** What goes wrong with a request. */
export type Fault =
  /** The connection ends before the server sees the request. */
  | { readonly kind: 'drop' }
  /** The server carries the request out, and the connection ends before the answer. */
  | { readonly kind: 'lostAnswer' }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string; readonly body?: string }
  /** An answer that never comes. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** Another URL is asked for instead, and every byte of the answer comes so much later. */
  | { readonly kind: 'stale'; readonly url: string; readonly ms: number };

/** What goes wrong in the middle of a watch or log, with the next bytes that pass by. */
export type StreamFault = 'cutMidLine' | 'garbageLine' | 'goneEvent' | 'silence' | 'end';

export interface Proxy {
  readonly url: string;
  readonly kubeconfig: string;
  /** Method and URL of every request so far. */
  readonly requests: string[];
  /** Connections that clients have made so far. */
  connections(): number;
  /** The fault for a request, if any. */
  fault: (method: string, url: string) => Fault | undefined;
  /** The fault of the stream that brings bytes next; it is then forgotten. */
  streamFault: StreamFault | undefined;
  /** Ends the connection of every stream that is open. */
  cutStreams(): void;
  readonly streams: ReadonlySet<ServerResponse>;
  close(): Promise<void>;
}

export const gone = JSON.stringify({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  message: 'too old resource version: 1 (2)',
  reason: 'Expired',
  code: 410,
});

const isStream = (url: string): boolean => /[?&](watch|follow)=true/.test(url);

function applyStreamFault(fault: StreamFault, chunk: Buffer, response: ServerResponse): void {
  switch (fault) {
    case 'cutMidLine':
      response.write(chunk.subarray(0, Math.floor(chunk.length / 2)), () => response.socket?.destroy());
      return;
    case 'garbageLine':
      response.write('{"type":"MODIFIED","obj\n');
      response.write(chunk);
      return;
    case 'goneEvent':
      response.end(`{"type":"ERROR","object":${gone}}\n`);
      return;
    case 'end':
      response.end();
      return;
    case 'silence':
  }
}

/** A plain HTTP server before an API server, which it reaches with the credentials of a kubeconfig. */
export async function startProxy(kubeconfig: string): Promise<Proxy> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const upstream: RequestOptions = {};
  await config.applyToHTTPSOptions(upstream);
  const origin = new URL(config.getCurrentCluster()!.server);
  const sockets = new Set<Socket>();
  const streams = new Set<ServerResponse>();
  let connections = 0;

  const forward = (
    request: IncomingMessage,
    response: ServerResponse,
    { loseAnswer = false, url = request.url!, lateMs = 0 } = {},
  ): void => {
    const { host: _, ...headers } = request.headers;
    const target = {
      ...upstream,
      host: origin.hostname,
      port: origin.port,
      path: url,
      method: request.method!,
    };
    const outgoing = httpsRequest(
      { ...target, headers: { ...headers, ...(upstream.headers as OutgoingHttpHeaders) } },
      (answer) => {
        if (loseAnswer) {
          answer.resume();
          answer.on('end', () => request.socket.destroy());
          return;
        }
        response.writeHead(answer.statusCode!, answer.headers);
        response.flushHeaders();
        const streaming = isStream(request.url!);
        if (streaming) streams.add(response);
        let silent = false;
        answer.on('data', (chunk: Buffer) => {
          const fault = streaming ? proxy.streamFault : undefined;
          if (fault !== undefined) {
            proxy.streamFault = undefined;
            silent ||= fault === 'silence' || fault === 'goneEvent' || fault === 'end';
            applyStreamFault(fault, chunk, response);
          } else if (lateMs > 0) setTimeout(() => response.write(chunk), lateMs);
          else if (!silent && !response.writableEnded) response.write(chunk);
        });
        answer.on('end', () => (lateMs > 0 ? setTimeout(() => response.end(), lateMs) : response.end()));
        answer.on('error', () => response.destroy());
        response.on('close', () => {
          streams.delete(response);
          answer.destroy();
        });
      },
    );
    outgoing.on('error', () => response.destroy());
    request.pipe(outgoing);
  };

  const server = createServer((request, response) => {
    const method = request.method!;
    proxy.requests.push(`${method} ${request.url!}`);
    const fault = proxy.fault(method, request.url!);
    switch (fault?.kind) {
      case 'drop':
        request.socket.destroy();
        return;
      case 'hang':
        return;
      case 'status':
        request.resume();
        response.writeHead(fault.status, {
          'content-type': 'application/json',
          ...(fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter }),
        });
        response.end(fault.body ?? '');
        return;
      case 'delay':
        setTimeout(() => forward(request, response), fault.ms);
        return;
      case 'lostAnswer':
        forward(request, response, { loseAnswer: true });
        return;
      case 'stale':
        forward(request, response, { url: fault.url, lateMs: fault.ms });
        return;
      case undefined:
        forward(request, response);
    }
  });
  /** A WebSocket: bytes go both ways. A fault of any kind cuts it. */
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const method = request.method!;
    const url = request.url!;
    proxy.requests.push(`${method} ${url}`);
    socket.on('error', () => undefined);
    if (proxy.fault(method, url)) {
      socket.destroy();
      return;
    }
    const { host: _, ...headers } = request.headers;
    const outgoing = httpsRequest({
      ...upstream,
      host: origin.hostname,
      port: origin.port,
      path: url,
      method,
      headers: { ...headers, ...(upstream.headers as OutgoingHttpHeaders) },
    });
    outgoing.on('upgrade', (answer, other, first: Buffer) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      socket.write(first);
      other.write(head);
      other.on('error', () => socket.destroy());
      socket.on('close', () => other.destroy());
      other.on('close', () => socket.destroy());
      other.pipe(socket).pipe(other);
    });
    outgoing.on('response', ({ statusCode }) => socket.end(`HTTP/1.1 ${statusCode} No\r\ncontent-length: 0\r\n\r\n`));
    outgoing.on('error', () => socket.destroy());
    outgoing.end();
  });
  server.on('connection', (socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = await mkdtemp(path.join(tmpdir(), 'runledger-test-'));
  const file = path.join(folder, 'config');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await writeFile(file, kubeconfigFor(url, { 'insecure-skip-tls-verify': true }));

  const proxy: Proxy = {
    url,
    kubeconfig: file,
    requests: [],
    connections: () => connections,
    fault: () => undefined,
    streamFault: undefined,
    streams,
    cutStreams() {
      for (const response of streams) response.socket?.destroy();
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return proxy;
}

/** A kubeconfig with one context, `test`, for a server. */
export const kubeconfigFor = (server: string, cluster: object = {}, user: object = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'jobs' } }],
    clusters: [{ name: 'test', cluster: { server, ...cluster } }],
    users: [{ name: 'test', user }],
  });

/** The next `count` requests that match have the fault; all others none. */
export function failNext(
  proxy: Proxy,
  count: number,
  match: (method: string, url: string) => boolean,
  fault: Fault,
): void {
  let left = count;
  proxy.fault = (method, url) => (left > 0 && match(method, url) ? (left--, fault) : undefined);
}
