import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Agent } from 'undici';
import { CodedError } from '../../src/errors.ts';
import { post } from '../../src/notify/webhook.ts';
import { type ApiBehaviour, startApiServer } from '../support/api-server.ts';

const test = suite('a webhook');
const server = await startApiServer();
const dispatcher = new Agent();
const SECRET = 'T0K3N-in-the-path';
const signal = new AbortController().signal;

test.after(async () => {
  await dispatcher.destroy();
  await server.close();
});
test.before.each(() => void server.requests.splice(0));

const send = (url = `${server.url}/services/${SECRET}`, stop: AbortSignal = signal): Promise<void> =>
  post(
    {
      url,
      headers: { authorization: 'Bearer of-a-test' },
      json: { text: 'hello' },
      name: 'notification 1',
      userAgent: 'runledger/test',
      timeoutMs: 200,
    },
    dispatcher,
    stop,
  );

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
    return error;
  }
  return assert.unreachable('it succeeded') as never;
}

test('gets JSON, with its headers', async () => {
  server.answer(() => ({ status: 204, body: '' }));
  await send();
  const [request] = server.requests;
  assert.is(request?.method, 'POST');
  assert.equal(request?.json, { text: 'hello' });
  assert.is(request?.headers.authorization, 'Bearer of-a-test');
  assert.is(request?.headers['user-agent'], 'runledger/test');
});

const faults: readonly (readonly [string, ApiBehaviour, string])[] = [
  ['hangs', 'hang', 'transient Timeout'],
  ['drops', 'drop', 'transient ConnectionFailed'],
  ['is broken', { status: 500 }, 'transient ServerError'],
  ['is busy', { status: 429, headers: { 'retry-after': '7' } }, 'transient TooManyRequests'],
  ['refuses', { status: 404 }, 'terminal WebhookRefused'],
  ['redirects', { status: 302, headers: { location: 'https://evil.example/' } }, 'terminal WebhookRefused'],
];

for (const [name, behaviour, expected] of faults) {
  test(`one that ${name} is a coded error, and its address stays a secret`, async () => {
    server.answer(() => behaviour);
    const error = await failure(send());
    assert.is(`${error.errorClass} ${error.code}`, expected);
    assert.not.match(`${error.message} ${error.hint} ${String(error.cause)}`, SECRET);
    assert.is(error.retryAfterMs, name === 'is busy' ? 7_000 : undefined);
    assert.is(server.requests.length, 1);
  });
}

test('one that nobody listens at, and one that is given up', async () => {
  const error = await failure(send(`http://127.0.0.1:1/${SECRET}`));
  assert.is(error.code, 'ConnectionFailed');
  assert.not.match(error.message, SECRET);
  server.answer(() => 'hang');
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 20);
  assert.is((await failure(send(undefined, stop.signal))).code, 'Cancelled');
});

test.run();
