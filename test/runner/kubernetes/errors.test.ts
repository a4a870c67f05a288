import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { terminalError, transientError, usageError, waitingError, type CodedError } from '../../../src/errors.ts';
import { apiError, networkError, retryAfterMs } from '../../../src/runner/kubernetes/errors.ts';
import { backOffMs, createError, mayRetry, withRetries } from '../../../src/runner/kubernetes/retry.ts';
import type { Clock } from '../../../src/runner/kubernetes/clock.ts';

const asked = { doing: 'creating Pod "x" in namespace "jobs"', server: 'https://cluster' };
const status = (code: number, reason: string, message: string, details: object = {}): CodedError =>
  apiError({ status: code, body: JSON.stringify({ kind: 'Status', reason, message, details, code }) }, asked);

const answers = suite('answers of the API server');

const cases: readonly [name: string, error: CodedError, errorClass: string, code: string][] = [
  [
    'an exhausted quota',
    status(
      403,
      'Forbidden',
      'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
    ),
    'terminal',
    'QuotaExceeded',
  ],
  [
    'a verb that is not allowed',
    status(
      403,
      'Forbidden',
      'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "jobs"',
    ),
    'terminal',
    'Forbidden',
  ],
  [
    'Pod Security',
    status(403, 'Forbidden', 'pods "x" is forbidden: violates PodSecurity "restricted:latest": …'),
    'terminal',
    'AdmissionDenied',
  ],
  [
    'a webhook that chose 400',
    status(400, 'BadRequest', 'admission webhook "w.example.com" denied the request: no'),
    'terminal',
    'AdmissionDenied',
  ],
  [
    'a webhook that chose 429',
    status(429, 'TooManyRequests', 'admission webhook "w" denied the request: no'),
    'terminal',
    'AdmissionDenied',
  ],
  [
    'an admission policy',
    status(
      422,
      'Invalid',
      "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
    ),
    'terminal',
    'AdmissionDenied',
  ],
  [
    'a namespace on its way out',
    status(403, 'Forbidden', 'pods "x" is forbidden: unable to create new content', {
      causes: [{ reason: 'NamespaceTerminating' }],
    }),
    'terminal',
    'NamespaceTerminating',
  ],
  [
    'a missing namespace',
    status(404, 'NotFound', 'namespaces "jobs" not found', { kind: 'namespaces', name: 'jobs' }),
    'terminal',
    'NamespaceMissing',
  ],
  ['a missing pod', status(404, 'NotFound', 'pods "x" not found', { kind: 'pods', name: 'x' }), 'terminal', 'NotFound'],
  ['a name that is taken', status(409, 'AlreadyExists', 'pods "x" already exists'), 'terminal', 'AlreadyExists'],
  [
    'an object that was changed meanwhile',
    status(409, 'Conflict', 'the object has been modified', { kind: 'pods' }),
    'terminal',
    'Conflict',
  ],
  [
    'a quota that others count on',
    status(409, 'Conflict', 'the object has been modified', { kind: 'resourcequotas' }),
    'transient',
    'QuotaBusy',
  ],
  ['a version that is too old', status(410, 'Expired', 'too old resource version'), 'terminal', 'Expired'],
  [
    'an invalid object',
    status(422, 'Invalid', 'Pod "x" is invalid: spec.containers: Required value'),
    'terminal',
    'Invalid',
  ],
  [
    'a field that does not exist',
    status(400, 'BadRequest', 'strict decoding error: unknown field "spec.imge"'),
    'terminal',
    'Invalid',
  ],
  [
    'a container that has not begun',
    status(400, 'BadRequest', 'container "c" in pod "x" is waiting to start: ContainerCreating'),
    'waiting',
    'ContainerWaiting',
  ],
  [
    'a container that the kubelet does not know yet',
    status(400, 'BadRequest', 'container "c" in pod "x" is not available'),
    'waiting',
    'ContainerWaiting',
  ],
  ['a method that is not there', status(405, 'MethodNotAllowed', 'no'), 'terminal', 'MethodNotAllowed'],
  ['credentials that are refused', status(401, 'Unauthorized', 'Unauthorized'), 'usage', 'Unauthorized'],
  ['too many requests', status(429, 'TooManyRequests', 'slow down'), 'transient', 'TooManyRequests'],
  ['a server that starts', status(503, 'ServiceUnavailable', 'later'), 'transient', 'ServerUnavailable'],
  ['a server with a fault', status(500, 'InternalError', 'etcd has no leader'), 'transient', 'ServerError'],
  [
    'a webhook that is down',
    status(500, 'InternalError', 'Internal error occurred: failed calling webhook "w.example.com": failed to call: …'),
    'transient',
    'WebhookUnavailable',
  ],
  [
    'a quota that was not counted yet',
    status(403, 'Forbidden', 'pods "x" is forbidden: status unknown for quota: q, resources: pods'),
    'transient',
    'NamespaceNotReady',
  ],
  [
    'a namespace whose account is being made',
    status(
      403,
      'Forbidden',
      'pods "x" is forbidden: error looking up service account jobs/default: serviceaccount "default" not found',
    ),
    'transient',
    'NamespaceNotReady',
  ],
  [
    'an account of a job that is not there',
    status(
      403,
      'Forbidden',
      'pods "x" is forbidden: error looking up service account jobs/nobody: serviceaccount "nobody" not found',
    ),
    'terminal',
    'AdmissionDenied',
  ],
];

for (const [name, error, errorClass, code] of cases) {
  answers(name, () => {
    assert.is(error.code, code);
    assert.is(error.errorClass, errorClass);
    assert.match(error.message, /^creating Pod "x" in namespace "jobs": /);
  });
}

answers('the wait that the server asks for is kept, from the header or from the Status', () => {
  assert.is(apiError({ status: 429, retryAfter: '3', body: '' }, asked).retryAfterMs, 3000);
  assert.is(status(503, 'x', 'y', { retryAfterSeconds: 2 }).retryAfterMs, 2000);
  assert.is(retryAfterMs('Thu, 01 Jan 1970 00:00:05 GMT', 1000), 4000);
  assert.is(retryAfterMs('soon'), undefined);
});

answers("a forbidden verb's hint names whom to give which right", () => {
  assert.match(cases[1]![1].hint!, /Bind a Role to "u" that allows create on pods/);
});

answers('a proxy that answers in plain text is quoted, one that answers with a page is not', () => {
  const text = apiError({ status: 502, contentType: 'text/plain', body: 'no backend\nat all' }, asked);
  assert.match(text.message, /HTTP status 502 \("no backend"\)$/);
  const page = apiError({ status: 502, contentType: 'text/html', body: '<html>' }, asked);
  assert.match(page.message, /HTTP status 502$/);
});

answers.run();

const networks = suite('errors of the network');
const failed = (fields: object): Error => Object.assign(new Error('failed'), fields);

networks('only what proves that nothing was sent is ConnectionFailed', () => {
  assert.is(networkError(failed({ code: 'ECONNREFUSED', syscall: 'connect' }), asked, false).code, 'ConnectionFailed');
  assert.is(networkError(failed({ code: 'ECONNRESET', syscall: 'connect' }), asked, false).code, 'ConnectionFailed');
  assert.is(networkError(failed({ code: 'ECONNRESET', syscall: 'read' }), asked, false).code, 'ConnectionLost');
  assert.is(networkError(failed({ code: 'UND_ERR_SOCKET' }), asked, false).code, 'ConnectionLost');
  assert.is(networkError(failed({ code: 'UND_ERR_CONNECT_TIMEOUT' }), asked, false).code, 'ConnectionFailed');
  assert.is(
    networkError(new AggregateError([failed({ code: 'ECONNREFUSED' })]), asked, false).code,
    'ConnectionFailed',
  );
  assert.is(networkError(failed({ code: 'ECONNREFUSED', syscall: 'connect' }), asked, true).code, 'Timeout');
});

networks('a certificate that has expired or is not trusted is for a person to mend', () => {
  const expired = networkError(failed({ code: 'CERT_HAS_EXPIRED' }), asked, false);
  assert.is(expired.code, 'CertificateExpired');
  assert.is(expired.errorClass, 'usage');
  assert.is(networkError(failed({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }), asked, false).code, 'CertificateInvalid');
});

networks.run();

const retries = suite('retries');

/** A clock whose sleeps pass at once; it writes them down. */
function fakeClock(): Clock & { readonly slept: number[] } {
  let time = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => time,
    monotonic: () => time,
    random: () => 0,
    async sleep(ms) {
      slept.push(ms);
      time += ms;
    },
  };
}
const { signal } = new AbortController();
const policy = { attempts: 5, withinMs: 60_000 };

retries(
  'what harms nobody is tried again after any trouble; what may only happen once, after proof that nothing did',
  () => {
    for (const code of ['TooManyRequests', 'ConnectionFailed', 'QuotaBusy']) {
      assert.ok(mayRetry(transientError(code, ''), 'safe'));
      assert.ok(mayRetry(transientError(code, ''), 'unsafe'));
    }
    for (const code of ['ServerError', 'ServerUnavailable', 'ConnectionLost', 'Timeout']) {
      assert.ok(mayRetry(transientError(code, ''), 'safe'));
      assert.not(mayRetry(transientError(code, ''), 'unsafe'));
    }
    assert.not(mayRetry(terminalError('Invalid', ''), 'safe'));
    assert.not(mayRetry(usageError('Unauthorized', ''), 'safe'));
    assert.not(mayRetry(waitingError('ContainerWaiting', ''), 'safe'));
    assert.not(mayRetry(transientError('Cancelled', ''), 'safe'));
    assert.not(mayRetry(transientError('TooManyRequests', '', { retryAfterMs: 3_600_000 }), 'safe'));
  },
);

retries('the pause doubles up to five seconds and never undercuts what the server asked for', () => {
  assert.equal(
    [1, 2, 3, 10].map((n) => backOffMs(n, 1)),
    [100, 200, 400, 5000],
  );
  assert.equal(
    [1, 2, 3, 10].map((n) => backOffMs(n, 0)),
    [50, 100, 200, 2500],
  );
  assert.is(backOffMs(1, 0, 3000), 3050);
});

retries('a request is tried five times at most, and the last error told', async () => {
  const clock = fakeClock();
  let tries = 0;
  const work = async (): Promise<void> => {
    throw transientError('ServerError', `try ${++tries}`);
  };
  try {
    await withRetries(work, { policy, repeat: 'safe', clock, signal, doing: 'x' });
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, 'try 5');
  }
  assert.equal(clock.slept, [50, 100, 200, 400]);
});

retries('no try begins after the time for all of them', async () => {
  const clock = fakeClock();
  let tries = 0;
  const work = async (): Promise<void> => {
    tries++;
    throw transientError('TooManyRequests', '', { retryAfterMs: 25_000 });
  };
  await withRetries(work, { policy, repeat: 'safe', clock, signal, doing: 'x' }).catch(() => undefined);
  assert.is(tries, 3);
});

retries('a create that may have happened says so', () => {
  const lost = createError(transientError('ConnectionLost', 'the connection was cut off'), 'creating it');
  assert.is(lost.code, 'CreateUncertain');
  assert.is(lost.errorClass, 'transient');
  assert.is(createError(transientError('TooManyRequests', ''), 'creating it').code, 'TooManyRequests');
  assert.is(createError(terminalError('Invalid', ''), 'creating it').code, 'Invalid');
});

retries.run();
