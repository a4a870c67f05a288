import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { CodedError, isCoded } from '../../src/errors.ts';
import { createGitHttp, type GitHttp, type GitHttpOptions } from '../../src/git/http.ts';
import { parseAdvertisement } from '../../src/git/remote-refs.ts';
import { parseGitUrl, shownUrl } from '../../src/git/url.ts';
import { selfSigned } from '../support/certificate.ts';
import { basicAuth, startGitServer, type Fault } from '../support/git-server.ts';
import { temporaryDirectory } from '../support/git.ts';

const test = suite('git over http');
const directory = await temporaryDirectory();
const certificate = selfSigned();
const open = await startGitServer({ root: directory.path });
const locked = await startGitServer({
  root: directory.path,
  auth: [basicAuth('ann', 's3cret/pw'), 'Bearer t0ken-bearer'],
});
const secure = await startGitServer({ root: directory.path, tls: certificate });
const repository = await open.createRepository('jobs.git');
const tip = await repository.commit({ 'a.yaml': 'a' });
const signal = new AbortController().signal;
const clients: GitHttp[] = [];

test.after(async () => {
  for (const client of clients) await client.close();
  for (const server of [open, locked, secure]) await server.close();
  await directory.remove();
});
test.after.each(() => {
  for (const server of [open, locked, secure]) server.forgetRequests();
});

async function client(options: GitHttpOptions = {}): Promise<GitHttp> {
  const made = await createGitHttp({ env: {}, ...options });
  clients.push(made);
  return made;
}

const mainOf = (bytes: Buffer): string | undefined => parseAdvertisement(bytes, 'x').refs.get('refs/heads/main');

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
    return error;
  }
  return assert.unreachable('it succeeded') as never;
}

const show = (error: CodedError): string => `${error.errorClass} ${error.code}`;

test('reads what a repository has', async () => {
  const found = parseAdvertisement(
    await (await client()).discover(`${repository.url}/`, 'git-upload-pack', signal),
    'x',
  );
  assert.is(found.refs.get('refs/heads/main'), tip);
  assert.is(found.defaultBranch, 'main');
});

const faults: readonly (readonly [string, Fault, string])[] = [
  ['forbidden', { kind: 'status', status: 403, body: 'token lacks the scope\n' }, 'terminal Forbidden'],
  ['not found', { kind: 'status', status: 404 }, 'terminal RepositoryNotFound'],
  ['unauthorized', { kind: 'status', status: 401 }, 'terminal Unauthorized'],
  ['server error', { kind: 'status', status: 500 }, 'transient ServerError'],
  ['bad gateway', { kind: 'status', status: 502, headers: { 'content-type': 'text/html' } }, 'transient ServerError'],
  ['too many', { kind: 'status', status: 429, headers: { 'retry-after': '7' } }, 'transient TooManyRequests'],
  ['odd status', { kind: 'status', status: 418 }, 'transient NotGit'],
  ['a web page', { kind: 'garbage' }, 'transient NotGit'],
  ['hang', { kind: 'hang' }, 'transient Timeout'],
  ['dropped in the middle', { kind: 'drop', afterBytes: 20 }, 'transient ConnectionFailed'],
];

for (const [name, fault, expected] of faults) {
  test(`${name}: ${expected}`, async () => {
    const http = await client({
      timeoutMs: 300,
      credentials: { kind: 'basic', username: 'ann', password: 's3cret/pw' },
    });
    const end = open.fault(fault);
    const url = repository.url.replace('://', '://bob:hunter2@');
    const error = await failure(http.discover(url, 'git-upload-pack', signal));
    end();
    assert.is(show(error), expected);
    assert.ok(error.message.includes(repository.url), error.message);
    const all = `${error.message} ${error.hint} ${String(error.cause)} ${JSON.stringify(error)}`;
    for (const secret of ['s3cret', 'hunter2', 'bob', basicAuth('bob', 'hunter2').slice(6)])
      assert.not.ok(all.includes(secret));
    if (error.code === 'TooManyRequests') assert.is(error.retryAfterMs, 7000);
    if (error.code === 'Forbidden') assert.match(error.message, 'token lacks the scope');
    assert.is(mainOf(await http.discover(url, 'git-upload-pack', signal)), tip, 'and works again afterwards');
  });
}

test('what an advertisement holds may be nonsense, or cut off', async () => {
  const http = await client();
  const type = 'application/x-git-upload-pack-advertisement';
  for (const fault of [
    { kind: 'garbage', contentType: type },
    { kind: 'truncate', afterBytes: 80 },
  ] as const) {
    const end = open.fault(fault);
    const bytes = await http.discover(repository.url, 'git-upload-pack', signal);
    end();
    assert.throws(
      () => parseAdvertisement(bytes, 'x'),
      (error: unknown) => isCoded(error, 'NotGit'),
    );
  }
});

test('unknown host, refused connection, and the caller who goes away', async () => {
  const http = await client();
  assert.is(
    show(await failure(http.discover('http://git.invalid/x', 'git-upload-pack', signal))),
    'transient ConnectionFailed',
  );
  assert.is(
    show(await failure(http.discover('http://127.0.0.1:1/x', 'git-upload-pack', signal))),
    'transient ConnectionFailed',
  );
  const stop = new AbortController();
  const end = open.fault({ kind: 'hang' });
  setTimeout(() => stop.abort(), 50);
  assert.is(show(await failure(http.discover(repository.url, 'git-upload-pack', stop.signal))), 'transient Cancelled');
  end();
});

test('the whole request has a limit too, whatever trickles in', async () => {
  const http = await client({ totalTimeoutMs: 200, timeoutMs: 10_000 });
  const end = open.fault({ kind: 'hang' });
  assert.is(show(await failure(http.discover(repository.url, 'git-upload-pack', signal))), 'transient Timeout');
  end();
});

test('credentials: basic, in the URL, a token as password or as bearer; wrong and missing ones are told apart', async () => {
  const url = `${locked.url}/jobs.git`;
  const basic = await client({ credentials: { kind: 'basic', username: 'ann', password: 's3cret/pw' } });
  assert.is(mainOf(await basic.discover(url, 'git-upload-pack', signal)), tip);
  const none = await client();
  assert.is(mainOf(await none.discover(url.replace('://', '://ann:s3cret%2Fpw@'), 'git-upload-pack', signal)), tip);
  const token = await client({ credentials: { kind: 'token', token: 't0ken-bearer' } });
  assert.is(mainOf(await token.discover(url, 'git-upload-pack', signal)), tip);
  locked.forgetRequests();
  await token.discover(url, 'git-upload-pack', signal);
  assert.is(locked.requests.length, 1, 'the form that the server took is remembered');
  const missing = await failure(none.discover(url, 'git-upload-pack', signal));
  assert.is(show(missing), 'terminal Unauthorized');
  assert.match(missing.message, 'none were given');
  const wrong = await client({ credentials: { kind: 'token', token: 'expired-token' } });
  const refused = await failure(wrong.discover(url, 'git-upload-pack', signal));
  assert.is(show(refused), 'terminal Unauthorized');
  assert.match(refused.message, 'refused');
  assert.not.match(refused.message, 'expired-token');
});

test('a redirect of the first request is followed, and later requests go straight to where it led', async () => {
  const http = await client();
  const end = open.fault({ kind: 'redirect', to: `${open.url}/jobs.git` }, { matching: /\/moved\.git/ });
  const moved = `${open.url}/moved.git`;
  assert.is(mainOf(await http.discover(moved, 'git-upload-pack', signal)), tip);
  assert.equal(
    open.requests.map(({ url }) => url),
    ['/moved.git/info/refs?service=git-upload-pack', '/jobs.git/info/refs?service=git-upload-pack'],
  );
  open.forgetRequests();
  await http.discover(moved, 'git-upload-pack', signal);
  await http.post({ url: moved, service: 'git-upload-pack', body: Buffer.from('0000'), signal });
  assert.ok(
    open.requests.every(({ url }) => url.startsWith('/jobs.git/')),
    'later ones too',
  );
  end();
  // The repository moves on: the redirect is asked for again.
  const end2 = open.fault({ kind: 'redirect', to: `${open.url}/jobs.git` }, { matching: /\/moved\.git/ });
  const gone = open.fault({ kind: 'status', status: 404 }, { matching: /GET \/jobs\.git/, times: 1 });
  assert.is(mainOf(await http.discover(moved, 'git-upload-pack', signal)), tip);
  end2();
  gone();
});

test('redirects in circles, and of a POST, are not followed', async () => {
  const http = await client();
  const end = open.fault({ kind: 'redirect', to: `${open.url}/jobs.git` });
  assert.is(show(await failure(http.discover(repository.url, 'git-upload-pack', signal))), 'transient NotGit');
  const body = Buffer.from('0000');
  assert.is(
    show(await failure(http.post({ url: repository.url, service: 'git-receive-pack', body, signal }))),
    'transient NotGit',
  );
  end();
  assert.is(open.requests.filter(({ method }) => method === 'POST').length, 1);
});

test('credentials do not follow a redirect to another server', async () => {
  const http = await client({ credentials: { kind: 'basic', username: 'ann', password: 's3cret/pw' } });
  const end = locked.fault({ kind: 'redirect', to: `${open.url}/jobs.git` });
  assert.is(mainOf(await http.discover(`${locked.url}/jobs.git`, 'git-upload-pack', signal)), tip);
  end();
  assert.ok(locked.requests[0]?.authorization);
  assert.ok(open.requests.length > 0 && open.requests.every(({ authorization }) => authorization === undefined));
  const there = open.fault({ kind: 'redirect', to: `${locked.url}/jobs.git` });
  const error = await failure(http.discover(`${open.url}/other.git`, 'git-upload-pack', signal));
  there();
  assert.is(show(error), 'terminal Unauthorized');
  assert.match(error.hint ?? '', 'not sent to another server');
});

test('a certificate of our own making needs the file of its authority', async () => {
  const url = `${secure.url}/jobs.git`;
  const error = await failure((await client()).discover(url, 'git-upload-pack', signal));
  assert.is(show(error), 'terminal CertificateInvalid');
  assert.match(error.hint ?? '', 'caFile');
  const caFile = path.join(directory.path, 'ca.pem');
  await writeFile(caFile, certificate.cert);
  assert.is(mainOf(await (await client({ caFile })).discover(url, 'git-upload-pack', signal)), tip);
  assert.is((await failure(client({ caFile: `${caFile}.none` }))).code, 'CaFileUnreadable');
});

/** A proxy that forwards plain requests and tunnels CONNECT; it counts both. */
async function startProxy() {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request: IncomingMessage, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    const onward = httpRequest(request.url!, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    seen.push(`CONNECT ${request.url}`);
    const { hostname, port } = new URL(`http://${request.url}`);
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const one of [onward, socket]) one.on('error', () => undefined);
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    seen,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('goes through the proxies of the usual variables, and not where NO_PROXY says', async () => {
  const proxy = await startProxy();
  const caFile = path.join(directory.path, 'ca.pem');
  await writeFile(caFile, certificate.cert);
  const url = `http://127.0.0.1:${proxy.port}`;
  const through = await client({ caFile, env: { HTTP_PROXY: url.replace('://', '://u:p@'), https_proxy: url } });
  assert.is(mainOf(await through.discover(repository.url, 'git-upload-pack', signal)), tip);
  assert.is(mainOf(await through.discover(`${secure.url}/jobs.git`, 'git-upload-pack', signal)), tip);
  assert.is(proxy.seen.length, 2);
  assert.match(proxy.seen[0]!, /jobs\.git\/info\/refs.*Basic /);
  assert.match(proxy.seen[1]!, /^CONNECT 127\.0\.0\.1:/);
  const around = await client({ env: { HTTP_PROXY: url, NO_PROXY: '127.0.0.1' } });
  await around.discover(repository.url, 'git-upload-pack', signal);
  assert.is(proxy.seen.length, 2);
  proxy.close();
  assert.is(
    show(await failure(through.discover(`${secure.url}/x`, 'git-upload-pack', signal))),
    'transient ConnectionFailed',
  );
});

test('URLs: ssh is not supported and told so, credentials are taken out', () => {
  for (const url of ['ssh://git@host/x.git', 'git@host:x/y.git', 'git+ssh://host/x']) {
    assert.throws(
      () => parseGitUrl(url),
      (error: unknown) => isCoded(error, 'SshUnsupported') && error.errorClass === 'usage',
    );
  }
  for (const url of ['ftp://host/x', 'http://', 'host/x']) {
    assert.throws(
      () => parseGitUrl(url),
      (error: unknown) => isCoded(error, 'UrlInvalid'),
    );
  }
  assert.equal(parseGitUrl('https://a%40b:p%3Aw@Host:443/x.git//'), {
    url: 'https://host/x.git',
    origin: 'https://host',
    credentials: { kind: 'basic', username: 'a@b', password: 'p:w' },
  });
  assert.equal(parseGitUrl('https://t0k@host/x').credentials, { kind: 'token', token: 't0k' });
  assert.is(shownUrl('https://u:p@w@host/x?token=1#f'), 'https://host/x');
});

test.run();
