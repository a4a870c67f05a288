import { spawn } from 'node:child_process';
import { createServer as createHttp, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import path from 'node:path';
import { commitFiles, git, gitEnv, initBare, initRepository } from './git.ts';

/** What goes wrong with a request. */
export type Fault =
  | { readonly kind: 'hang' }
  /** Ends the connection after so many bytes of the answer. */
  | { readonly kind: 'drop'; readonly afterBytes: number }
  /** Ends the answer early, but in good form, as a broken proxy would. */
  | { readonly kind: 'truncate'; readonly afterBytes: number }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** Status 200 with a web page; or with the right content type and nonsense in it. */
  | { readonly kind: 'garbage'; readonly contentType?: string }
  /** The request is carried out, and the connection ends before the answer. */
  | { readonly kind: 'lostAnswer' }
  | { readonly kind: 'redirect'; readonly to: string; readonly status?: number }
  | { readonly kind: 'slow'; readonly ms: number }
  /** receive-pack says that it could not take in the pack. */
  | { readonly kind: 'unpackError'; readonly ref: string };

export interface ServedRequest {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly authorization: string | undefined;
  /** Bytes of the answer's body so far. */
  answered: number;
}

export interface GitServerOptions {
  /** The directory that holds the bare repositories. */
  readonly root: string;
  /** Accepted Authorization headers; without it everybody may do everything. */
  readonly auth?: readonly string[];
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface GitServer {
  readonly url: string;
  readonly requests: readonly ServedRequest[];
  forgetRequests(): void;
  /** The next `times` requests whose method and URL match go wrong; returns how to end it earlier. */
  fault(fault: Fault, when?: { readonly matching?: RegExp; readonly times?: number }): () => void;
  /** Makes a bare repository; its URL is `<url>/<name>`. */
  createRepository(name: string): Promise<Repository>;
  close(): Promise<void>;
}

export interface Repository {
  readonly url: string;
  readonly directory: string;
  /** Commits files on a branch by way of a clone, and pushes (with force when `amend`, which rewrites the last commit). */
  commit(files: Readonly<Record<string, string | Uint8Array | null>>, options?: CommitOptions): Promise<string>;
  /** Runs git in the bare repository. */
  git(...args: readonly string[]): Promise<string>;
}

export interface CommitOptions {
  readonly branch?: string;
  readonly message?: string;
  readonly amend?: boolean;
}

export const basicAuth = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Starts an HTTP server on 127.0.0.1 in front of git's own `http-backend`. */
export async function startGitServer(options: GitServerOptions): Promise<GitServer> {
  const requests: ServedRequest[] = [];
  const faults: { readonly fault: Fault; readonly matching: RegExp; left: number }[] = [];
  const sockets = new Set<Socket>();

  const takeFault = (line: string): Fault | undefined => {
    const found = faults.find(({ matching, left }) => left > 0 && matching.test(line));
    if (!found) return undefined;
    found.left -= 1;
    return found.fault;
  };

  const listener: RequestListener = (request, response) => {
    const { method = 'GET', url = '/' } = request;
    const served: ServedRequest = { method, url, authorization: request.headers.authorization, answered: 0 };
    requests.push(served);
    const fault = takeFault(`${method} ${url}`);
    if (options.auth && !options.auth.includes(request.headers.authorization ?? '')) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    if (fault && answerFaulty(fault, request, response)) return;
    const start = (): void => serve(options.root, request, response, served, fault);
    if (fault?.kind === 'slow') setTimeout(start, fault.ms);
    else start();
  };

  const server = options.tls ? createHttps(options.tls, listener) : createHttp(listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `${options.tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    requests,
    forgetRequests() {
      requests.length = 0;
    },
    fault(fault, { matching = /./, times = Number.POSITIVE_INFINITY } = {}) {
      const entry = { fault, matching, left: times };
      faults.push(entry);
      return () => {
        entry.left = 0;
      };
    },
    createRepository: (name) => createRepository(options.root, url, name),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers without git; false when git is to answer. */
function answerFaulty(fault: Fault, request: IncomingMessage, response: ServerResponse): boolean {
  const { url = '' } = request;
  switch (fault.kind) {
    case 'hang':
      return true;
    case 'status':
      response.writeHead(fault.status, { 'content-type': 'text/plain', ...fault.headers }).end(fault.body ?? '');
      return true;
    case 'garbage':
      response.writeHead(200, { 'content-type': fault.contentType ?? 'text/html' }).end('<html>Welcome</html>');
      return true;
    case 'redirect':
      response.writeHead(fault.status ?? 302, { location: fault.to + url.slice(url.indexOf('/info/refs')) }).end();
      return true;
    case 'unpackError':
      request.resume().on('end', () => {
        const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
        const report = `${line('unpack index-pack abnormal exit\n')}${line(`ng ${fault.ref} unpacker error\n`)}0000`;
        response.writeHead(200, { 'content-type': 'application/x-git-receive-pack-result' });
        response.end(`${line(`\u0001${report}`)}0000`);
      });
      return true;
    case 'drop':
    case 'truncate':
    case 'lostAnswer':
    case 'slow':
      return false;
  }
}

/** Runs `git http-backend` for a request: CGI, RFC 3875. */
function serve(
  root: string,
  request: IncomingMessage,
  response: ServerResponse,
  served: ServedRequest,
  fault: Fault | undefined,
): void {
  const url = new URL(served.url, 'http://localhost');
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...gitEnv,
      GIT_PROJECT_ROOT: path.resolve(root),
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: served.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      CONTENT_LENGTH: request.headers['content-length'] ?? '',
      REMOTE_USER: 'tester',
      REMOTE_ADDR: '127.0.0.1',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const parts: Buffer[] = [];
  backend.stdin.on('error', () => undefined);
  request.pipe(backend.stdin);
  backend.stdout.on('data', (part: Buffer) => parts.push(part));
  backend.on('close', () => {
    const output = Buffer.concat(parts);
    const end = output.indexOf('\r\n\r\n');
    const headers = Object.fromEntries(
      output
        .toString('latin1', 0, Math.max(end, 0))
        .split('\r\n')
        .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    const body = output.subarray(end + 4);
    served.answered = body.length;
    if (fault?.kind === 'lostAnswer') return void response.destroy();
    const { status = '200', ...rest } = headers;
    response.writeHead(Number.parseInt(status, 10), {
      ...rest,
      ...(fault?.kind === 'drop' ? { 'content-length': body.length } : {}),
    });
    if (fault?.kind === 'truncate') return void response.end(body.subarray(0, fault.afterBytes));
    if (fault?.kind !== 'drop') return void response.end(body);
    response.write(body.subarray(0, fault.afterBytes), () => response.destroy());
  });
}

async function createRepository(root: string, serverUrl: string, name: string): Promise<Repository> {
  const directory = await initBare(path.join(root, name));
  const workTree = await initRepository(`${directory}.work`);
  await git(workTree, 'remote', 'add', 'origin', directory);
  return {
    url: `${serverUrl}/${name}`,
    directory,
    async commit(files, { branch = 'main', message = 'change', amend = false } = {}) {
      await git(workTree, 'fetch', '--quiet', 'origin');
      const known = (await git(workTree, 'branch', '--remotes', '--list', `origin/${branch}`)) !== '';
      await git(
        workTree,
        'checkout',
        '--quiet',
        ...(known ? ['-B', branch, `origin/${branch}`] : ['--orphan', branch]),
      );
      if (amend) await git(workTree, 'update-ref', '-d', 'HEAD');
      const commit = await commitFiles(workTree, files, message);
      await git(workTree, 'push', '--quiet', '--force', 'origin', branch);
      await git(workTree, 'checkout', '--quiet', '--detach');
      return commit;
    },
    git: (...args) => git(directory, ...args),
  };
}
