import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { AddressInfo } from 'node:net';

export interface ApiRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

export interface ApiAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string goes out as it is, all else as JSON. */
  readonly body?: unknown;
}

/** `hang`: never answers; `drop`: cuts the connection. */
export type ApiBehaviour = ApiAnswer | 'hang' | 'drop';

/** A server that answers as the test says, and remembers what it was asked. */
export interface ApiServer {
  readonly url: string;
  readonly requests: ApiRequest[];
  /** What is answered to everything from now on. */
  answer(behaviour: (request: ApiRequest) => ApiBehaviour): void;
  close(): Promise<void>;
}

export async function startApiServer(): Promise<ApiServer> {
  const requests: ApiRequest[] = [];
  const hanging = new Set<ServerResponse>();
  let behave: (request: ApiRequest) => ApiBehaviour = () => ({ status: 404 });
  const server = createServer((incoming, response) => {
    void (async () => {
      const body = await text(incoming);
      const { method = '', url = '', headers } = incoming;
      const isJson = headers['content-type']?.includes('json') === true;
      const json: unknown = isJson && body !== '' ? JSON.parse(body) : undefined;
      const request: ApiRequest = { method, path: url, headers, text: body, json };
      requests.push(request);
      const answer = behave(request);
      if (answer === 'hang') return void hanging.add(response);
      if (answer === 'drop') return void incoming.socket.destroy();
      const sent = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {});
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers });
      response.end(sent);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer(next) {
      behave = next;
    },
    async close() {
      for (const response of hanging) response.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
