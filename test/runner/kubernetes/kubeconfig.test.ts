import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CodedError } from '../../../src/errors.ts';
import { openCluster, type Cluster, type ClusterOptions } from '../../../src/runner/kubernetes/client.ts';
import { EXPIRED, selfSigned } from '../../support/certificate.ts';
import { kubeconfigFor } from './proxy.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface World {
  folder: string;
  servers: Server[];
  /** Writes a file and returns its path. */
  write: (name: string, text: string) => Promise<string>;
  /** Serves HTTP, or HTTPS with the certificate; returns the URL. */
  serve: (listener: RequestListener, tls?: { cert: string; key: string }) => Promise<string>;
}

const test = suite<World>('kubeconfig');

test.before.each(async (world) => {
  world.folder = await mkdtemp(path.join(tmpdir(), 'runledger-test-'));
  world.servers = [];
  world.write = async (name, text) => {
    const file = path.join(world.folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  };
  world.serve = async (listener, tls) => {
    const server = tls === undefined ? createServer(listener) : createHttps(tls, listener);
    world.servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
});

test.after.each(async ({ folder, servers }) => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true, force: true });
});

const plain = { 'insecure-skip-tls-verify': true };
const version: RequestListener = (_, response) => response.end('{"gitVersion":"v1.34.0"}');
const open = (options: Partial<ClusterOptions>): Promise<Cluster> =>
  openCluster({
    userAgent: 'runledger/0',
    signal: new AbortController().signal,
    env: {},
    timeoutMs: 3_000,
    ...options,
  });

async function refusal(options: Partial<ClusterOptions>): Promise<CodedError> {
  try {
    await (await open(options)).close();
  } catch (error) {
    assert.instance(error, CodedError);
    assert.is((error as CodedError).errorClass, 'usage');
    return error as CodedError;
  }
  throw new Error('it was opened');
}

test('says who we are, where, and which version answers', async ({ write, serve }) => {
  const seen: unknown[] = [];
  const server = await serve((request, response) => {
    seen.push([request.url, request.headers['user-agent'], request.headers.authorization]);
    version(request, response);
  });
  const kubeconfig = await write('config', kubeconfigFor(`${server}/prefix/`, plain, { token: 'secret' }));
  const cluster = await open({ kubeconfig });
  assert.equal(seen, [['/prefix/version', 'runledger/0', 'Bearer secret']]);
  assert.is(cluster.server, `${server}/prefix`);
  assert.is(cluster.context, 'test');
  assert.is(cluster.namespace, 'jobs');
  assert.is(cluster.version, 'v1.34.0');
  await cluster.close();
});

test('a file that is missing, empty, no YAML or no kubeconfig', async ({ folder, write }) => {
  const missing = await refusal({ kubeconfig: path.join(folder, 'none') });
  assert.is(missing.code, 'KubeconfigMissing');
  assert.match(missing.message, /\/none does not exist/);
  const none = await refusal({ env: { HOME: folder }, root: folder });
  assert.is(none.code, 'KubeconfigMissing');
  for (const text of ['', 'a: [', '- a', 'hello']) {
    const invalid = await refusal({ kubeconfig: await write('config', text) });
    assert.is(invalid.code, 'KubeconfigInvalid', text);
    assert.match(invalid.message, /\/config /);
  }
});

test('a parse error does not show what the file holds', async ({ write }) => {
  const error = await refusal({ kubeconfig: await write('config', 'clusters: []\nusers: [token: "hunter2') });
  assert.not.match(`${error.message} ${error.hint}`, /hunter2/);
});

test('a context that is not there names those that are', async ({ write }) => {
  const kubeconfig = await write('config', kubeconfigFor('https://127.0.0.1:1'));
  const error = await refusal({ kubeconfig, context: 'prod' });
  assert.is(error.code, 'ContextUnknown');
  assert.match(error.message, /has no context "prod"/);
  assert.match(error.hint!, /test/);
  const current = await write('config', kubeconfigFor('https://127.0.0.1:1').replace('"current-context":"test",', ''));
  assert.is((await refusal({ kubeconfig: current })).code, 'ContextUnknown');
});

test('a context whose cluster or user has no entry', async ({ write }) => {
  const whole = kubeconfigFor('https://127.0.0.1:1');
  const noCluster = await refusal({
    kubeconfig: await write('a', whole.replace('"clusters":[{"name":"test"', '"clusters":[{"name":"x"')),
  });
  assert.match(noCluster.message, /names cluster "test"/);
  const noUser = await refusal({
    kubeconfig: await write('b', whole.replace('"users":[{"name":"test"', '"users":[{"name":"x"')),
  });
  assert.match(noUser.message, /names user "test"/);
});

test('several files of KUBECONFIG count as one, the first word wins', async ({ write, serve }) => {
  const server = await serve(version);
  const first = await write(
    'a',
    'contexts: [{name: test, context: {cluster: test, user: test, namespace: first}}]\ncurrent-context: test\n',
  );
  const second = await write('b', kubeconfigFor(server, plain));
  const cluster = await open({ env: { KUBECONFIG: [first, '/nonexistent/config', second].join(path.delimiter) } });
  assert.is(cluster.namespace, 'first');
  await cluster.close();
});

test('a server that nobody listens at, and one that never answers', async ({ write, serve }) => {
  const dead = await refusal({ kubeconfig: await write('a', kubeconfigFor('https://127.0.0.1:1')) });
  assert.is(dead.code, 'ClusterUnreachable');
  assert.match(
    dead.message,
    /https:\/\/127\.0\.0\.1:1 could not be reached: the connection was refused \(context "test" of the kubeconfig/,
  );
  const silent = await serve(() => undefined);
  const mute = await refusal({ kubeconfig: await write('b', kubeconfigFor(silent, plain)), timeoutMs: 200 });
  assert.is(mute.code, 'ClusterUnreachable');
  assert.match(mute.message, /did not answer in time/);
});

test('a server that is no API server', async ({ write, serve }) => {
  const page = await serve((_, response) => response.setHeader('content-type', 'text/html').end('<html>Log in</html>'));
  assert.is((await refusal({ kubeconfig: await write('a', kubeconfigFor(page, plain)) })).code, 'NotKubernetes');
  const nothing = await serve((_, response) => response.writeHead(404).end());
  assert.is((await refusal({ kubeconfig: await write('b', kubeconfigFor(nothing, plain)) })).code, 'NotKubernetes');
});

test('http without encryption is refused unless the kubeconfig says so', async ({ write, serve }) => {
  const error = await refusal({ kubeconfig: await write('config', kubeconfigFor(await serve(version))) });
  assert.is(error.code, 'InsecureServer');
  assert.match(error.hint!, /insecure-skip-tls-verify/);
});

test('a certificate that the kubeconfig does not vouch for, and one that it does', async ({ write, serve }) => {
  const pair = selfSigned();
  const server = await serve(version, pair);
  assert.is((await refusal({ kubeconfig: await write('a', kubeconfigFor(server)) })).code, 'CertificateInvalid');
  await write('ca.crt', pair.cert);
  const trusted = await write('b', kubeconfigFor(server, { 'certificate-authority': 'ca.crt' }));
  await (await open({ kubeconfig: trusted })).close();
});

test('a client certificate that has expired is named before anything is asked', async ({ write }) => {
  const user = { 'client-certificate-data': base64(EXPIRED), 'client-key-data': base64('x') };
  const error = await refusal({ kubeconfig: await write('config', kubeconfigFor('https://127.0.0.1:1', {}, user)) });
  assert.is(error.code, 'CertificateExpired');
  assert.match(error.message, /user "test" .* expired on Jan {2}2 .* 2020/);
});

test('credentials that the server refuses', async ({ write, serve }) => {
  const server = await serve((_, response) =>
    response.writeHead(401).end('{"kind":"Status","reason":"Unauthorized","message":"Unauthorized"}'),
  );
  const error = await refusal({
    kubeconfig: await write('config', kubeconfigFor(server, plain, { token: 'hunter2' })),
  });
  assert.is(error.code, 'Unauthorized');
  assert.not.match(error.message, /hunter2/);
});

test('a credentials command that is missing, fails, or hangs; what it printed stays out of the error', async ({
  write,
}) => {
  const exec = (command: string, ...args: readonly string[]): string =>
    kubeconfigFor(
      'https://127.0.0.1:1',
      {},
      { exec: { apiVersion: 'client.authentication.k8s.io/v1', command, args } },
    );
  const missing = await refusal({ kubeconfig: await write('a', exec('no-such-command-here')) });
  assert.is(missing.code, 'CredentialsFailed');
  assert.match(missing.message, /from the command no-such-command-here/);
  const garbled = await refusal({ kubeconfig: await write('b', exec('echo', 'hunter2')) });
  assert.match(garbled.message, /not JSON/);
  assert.not.match(garbled.message, /hunter2/);
  const failing = await refusal({ kubeconfig: await write('c', exec('sh', '-c', 'echo log in first >&2; exit 1')) });
  assert.match(failing.message, /log in first/);
  const hanging = await refusal({ kubeconfig: await write('d', exec('sleep', '3')), timeoutMs: 200 });
  assert.is(hanging.errorClass, 'usage');
});

test('a token file is read, and read again once the server refuses the token', async ({ write, serve }) => {
  let valid = 'one';
  const server = await serve((request, response) => {
    if (request.headers.authorization === `Bearer ${valid}`) version(request, response);
    else response.writeHead(401).end();
  });
  await write('token', 'one\n');
  const kubeconfig = await write('config', kubeconfigFor(server, plain, { tokenFile: 'token' }));
  const cluster = await open({ kubeconfig });
  valid = 'two';
  await write('token', 'two\n');
  const call = { method: 'GET', path: '/version', doing: 'asking', repeat: 'safe' } as const;
  const { signal } = new AbortController();
  const both = await Promise.all([cluster.request({ ...call, signal }), cluster.request({ ...call, signal })]);
  assert.equal(both, [{ gitVersion: 'v1.34.0' }, { gitVersion: 'v1.34.0' }]);
  await cluster.close();
});

test("a pod's own service account", async ({ folder, write, serve }) => {
  const outside = await refusal({ inCluster: true, root: folder });
  assert.is(outside.code, 'NotInCluster');
  const pair = selfSigned();
  let authorization: string | undefined;
  const url = new URL(
    await serve((request, response) => {
      ({ authorization } = request.headers);
      version(request, response);
    }, pair),
  );
  const account = 'var/run/secrets/kubernetes.io/serviceaccount';
  await write(`${account}/token`, 'mine');
  await write(`${account}/namespace`, 'here');
  await write(`${account}/ca.crt`, pair.cert);
  const env = { KUBERNETES_SERVICE_HOST: url.hostname, KUBERNETES_SERVICE_PORT: url.port };
  Object.assign(process.env, env);
  const cluster = await open({ root: folder, env });
  assert.is(authorization, 'Bearer mine');
  assert.is(cluster.namespace, 'here');
  await cluster.close();
});

test.run();
