import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CodedError } from '../../src/errors.ts';
import type { Forge } from '../../src/forge/port.ts';
import { type ForgeOptions, openForge } from '../../src/forge/open.ts';
import { type ApiBehaviour, startApiServer } from '../support/api-server.ts';

const test = suite('a forge over http');
const server = await startApiServer();
const TOKEN = 'ghp_s3cretTokenOfATest';
const SHA = 'a'.repeat(40);
const signal = new AbortController().signal;
const opened: Forge[] = [];

test.after(async () => {
  for (const forge of opened) await forge.close();
  await server.close();
});
test.before.each(() => void server.requests.splice(0));

async function forge(options: Partial<ForgeOptions> = {}): Promise<Forge> {
  const made = await openForge({
    remote: `${server.url}/acme/jobs.git`,
    kind: 'github',
    api: `${server.url}/api/v3`,
    token: async () => TOKEN,
    userAgent: 'runledger/test',
    env: {},
    ...options,
  });
  opened.push(made);
  return made;
}

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
    return error;
  }
  return assert.unreachable('it succeeded') as never;
}

const always = (answer: ApiBehaviour): void => server.answer(() => answer);
const status = { sha: SHA, context: 'runledger/a', state: 'success', description: 'ok' } as const;

const faults: readonly (readonly [string, ApiBehaviour, string, RegExp])[] = [
  ['bad token', { status: 401, body: { message: 'Bad credentials' } }, 'terminal ForgeUnauthorized', /expired/],
  [
    'no right',
    { status: 403, body: { message: 'Resource not accessible' } },
    'terminal ForgeForbidden',
    /Commit statuses: write/,
  ],
  ['nothing there', { status: 404, body: { message: 'Not Found' } }, 'terminal ForgeNotFound', /lacks a right/],
  [
    'refused',
    { status: 422, body: { message: 'No commit', errors: [{ message: TOKEN }] } },
    'terminal ForgeRefused',
    /^$/,
  ],
  ['server error', { status: 502, body: 'bad gateway' }, 'transient ServerError', /^$/],
  ['a web page', { body: '<html>' }, 'transient NotForge', /address of the API/],
  ['dropped', 'drop', 'transient ConnectionFailed', /^$/],
  ['hang', 'hang', 'transient Timeout', /^$/],
  ['elsewhere', { status: 302, headers: { location: 'https://evil.example/' } }, 'terminal ForgeMoved', /has now/],
  ['limited', { status: 429, headers: { 'retry-after': '9' } }, 'transient ForgeLimited', /^$/],
];

for (const [name, behaviour, expected, hint] of faults) {
  test(`a fault is a coded error that says what to do: ${name}`, async () => {
    always(behaviour);
    const github = await forge(name === 'hang' ? { totalTimeoutMs: 150 } : {});
    const error = await failure(github.setStatus(status, signal));
    assert.is(`${error.errorClass} ${error.code}`, expected);
    assert.match(error.hint ?? '', hint);
    assert.not.match(`${error.message} ${error.hint} ${String(error.cause)}`, TOKEN);
    assert.is(server.requests.length, 1);
  });
}

test('without a token, it says where one is given', async () => {
  always({ status: 401 });
  const error = await failure((await forge({ token: async () => undefined })).pullRequest(1, signal));
  assert.match(error.hint ?? '', /forge\.tokenFrom/);
  assert.is(server.requests[0]?.headers.authorization, undefined);
});

test('a call ends when its signal aborts', async () => {
  const stop = new AbortController();
  server.answer(() => {
    setImmediate(() => stop.abort());
    return 'hang';
  });
  const error = await failure((await forge()).openPullRequests(stop.signal));
  assert.is(error.code, 'Cancelled');
});

test('while a limit lasts, nothing is sent', async () => {
  const reset = String(Math.ceil(Date.now() / 1_000) + 50);
  always({ status: 201, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset } });
  const github = await forge();
  await github.setStatus(status, signal);
  const error = await failure(github.setStatus(status, signal));
  assert.is(error.code, 'ForgeLimited');
  assert.ok((error.retryAfterMs ?? 0) > 40_000 && (error.retryAfterMs ?? 0) <= 51_000, String(error.retryAfterMs));
  assert.is(server.requests.length, 1);
});

test('who may wait for a limit waits, and asks again', async () => {
  server.answer(() =>
    server.requests.length === 1 ? { status: 403, headers: { 'retry-after': '0' } } : { status: 201 },
  );
  await (await forge({ waitAtMostMs: 5_000 })).setStatus(status, signal);
  assert.is(server.requests.length, 2);
});

test('a repository with a new name is followed on the same server', async () => {
  server.answer(({ path }) =>
    path.startsWith('/api/v3/repos/')
      ? { status: 301, headers: { location: '/api/v3/repositories/7/pulls' } }
      : { body: [] },
  );
  assert.equal(await (await forge()).openPullRequests(signal), []);
});

test('a token that was replaced counts from the next request on', async () => {
  let token = 'first-token';
  always({ status: 201 });
  const github = await forge({ token: async () => token });
  await github.setStatus(status, signal);
  token = 'second-token';
  await github.setStatus(status, signal);
  const sent = server.requests.map(({ headers }) => headers.authorization);
  assert.equal(sent, ['Bearer first-token', 'Bearer second-token']);
});

test.run();
