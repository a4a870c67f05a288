// test-timeout: 240s
/** A cluster that can't be used: `reconcile` and `controller` say so, once, and end. */
import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kubeconfigFor } from '../runner/kubernetes/proxy.ts';
import { EXPIRED, selfSigned } from '../support/certificate.ts';
import { cli, type CliResult } from '../support/cli.ts';
import { createAccount, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { commitFiles, initRepository, temporaryDirectory } from '../support/git.ts';
import { connectAs, manifestOf } from '../runner/kubernetes/world.ts';

interface World {
  folder: string;
  remove: () => Promise<void>;
  /** What has come to the servers: requests, or connections of those that answer none. */
  asked: string[];
  serve: (listener: RequestListener, tls?: { cert: string; key: string }) => Promise<string>;
  /** Takes connections and says nothing. */
  mute: () => Promise<string>;
  both: (kubeconfig: string, options?: { readonly namespace?: string }) => Promise<readonly CliResult[]>;
}

const PLAIN = { 'insecure-skip-tls-verify': true };
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const test = suite<World>('a cluster that can not be used');

test.before.each(async (world) => {
  const { path, remove } = await temporaryDirectory();
  const repository = await initRepository(join(path, 'jobs'));
  await commitFiles(repository, { 'any.yaml': manifestOf('any', { run: 'true' }) });
  const servers: Server[] = [];
  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const asked: string[] = [];
  Object.assign(world, {
    folder: path,
    asked,
    serve: async (listener: RequestListener, tls?: { cert: string; key: string }) => {
      const counted: RequestListener = (request, response) => {
        asked.push(`${request.method} ${request.url}`);
        listener(request, response);
      };
      const server = tls ? createHttps(tls, counted) : createServer(counted);
      return `${tls ? 'https' : 'http'}://127.0.0.1:${await listen(server)}`;
    },
    mute: async () => {
      const server = createTcp((socket) => {
        asked.push('connection');
        socket.on('error', () => undefined);
      });
      return `https://127.0.0.1:${await listen(server)}`;
    },
    both: async (kubeconfig: string, { namespace = 'jobs' }: { readonly namespace?: string } = {}) => {
      const env = { RUNLEDGER_URL: 'http://127.0.0.1:1/jobs.git', RUNLEDGER_NAMESPACE: namespace };
      const to = ['--kubeconfig', kubeconfig];
      return Promise.all([
        cli(['reconcile', repository, '--runner', 'kubernetes', '-n', namespace, ...to], { cwd: path }),
        cli(['controller', '--listen', '127.0.0.1:0', '--lease-namespace', namespace, ...to], { cwd: path, env }),
      ]);
    },
    remove: async () => {
      for (const server of servers) {
        server.close();
        if ('closeAllConnections' in server) (server as { closeAllConnections(): void }).closeAllConnections();
      }
      await remove();
    },
  } satisfies World & { remove: unknown });
});

test.after.each(({ remove }) => remove());

/** Both commands end with 2 and one error that says this; nobody gets a stack. */
function assertRefused(results: readonly CliResult[], ...words: readonly (string | RegExp)[]): void {
  for (const { code, stderr, stdout } of results) {
    assert.is(code, 2, stderr);
    assert.is(stderr.match(/^error: /gm)?.length, 1, stderr);
    assert.match(stderr, /^hint: {2}/m);
    for (const word of words) assert.match(stderr, word);
    assert.not.match(stdout + stderr, /^\s+at \S+ \(|hunter2/m);
  }
}

test('a kubeconfig that is missing, no YAML, without a current context, with a certificate that has expired', async (w) => {
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(w.folder, name), text);
    return join(w.folder, name);
  };
  assertRefused(await w.both(join(w.folder, 'none')), `the kubeconfig ${w.folder}/none does not exist`);
  assertRefused(await w.both(await file('text', 'hunter2: [')), /text can't be read: it is not valid YAML/);
  const whole = JSON.parse(kubeconfigFor('https://127.0.0.1:1')) as Record<string, unknown>;
  const contextless = await file('contextless', JSON.stringify({ ...whole, 'current-context': '' }));
  assertRefused(await w.both(contextless), /contextless has no current context/);
  const user = { 'client-certificate-data': base64(EXPIRED), 'client-key-data': base64('x') };
  const expired = await file('expired', kubeconfigFor('https://127.0.0.1:1', {}, user));
  assertRefused(await w.both(expired), /client certificate of user "test" .* expired on/);
});

test('a server that refuses the token, the connection, or keeps silent; asked no more than twice', async (w) => {
  const config = async (server: string, cluster: object = {}, user: object = {}): Promise<string> => {
    const file = join(w.folder, `config-${Math.random().toString(36).slice(2)}`);
    await writeFile(file, kubeconfigFor(server, cluster, user));
    return file;
  };
  const body = '{"kind":"Status","reason":"Unauthorized","message":"Unauthorized"}';
  const strict = await w.serve((_, response) => response.writeHead(401).end(body));
  assertRefused(
    await w.both(await config(strict, PLAIN, { token: 'hunter2' })),
    /Unauthorized/,
    /token or certificate/,
  );
  assert.ok(w.asked.length <= 4, w.asked.join('\n'));

  assertRefused(await w.both(await config('https://127.0.0.1:1')), /127\.0\.0\.1:1 could not be reached: .* refused/);

  const stranger = await w.serve((_, response) => response.end('{"gitVersion":"v1.34.0"}'), selfSigned());
  w.asked.length = 0;
  assertRefused(await w.both(await config(stranger)), /certificate of https:\S+ is not trusted/);
  assert.is(w.asked.length, 0);

  const mute = await w.mute();
  assertRefused(await w.both(await config(mute)), /https:\S+ (could not be reached|did not answer in time)/);
  assert.ok(w.asked.length <= 4, w.asked.join('\n'));
});

function addTests(it: TestCluster): void {
  test('a namespace that is not there', async (w) => {
    const results = await w.both(it.kubeconfig, { namespace: 'rl-there-is-none' });
    assertRefused(results, /namespaces "rl-there-is-none" not found/, /kubectl create namespace rl-there-is-none/);
  });

  test('an account that may do nothing: what it lacks is named', async (w) => {
    const { name, token } = await createAccount(it, []);
    const restricted = await connectAs(it, w.folder, token);
    await restricted.close();
    const results = await w.both(join(w.folder, 'kubeconfig'), { namespace: it.namespace });
    assertRefused(
      results,
      new RegExp(`User "system:serviceaccount:${it.namespace}:${name}" cannot \\w+ resource "\\w+"`),
      /Bind a Role to .* that allows \w+ on \w+/,
    );
  });
}

const world = await openTestCluster('cli');
if (world !== undefined) {
  test.after(() => world.remove());
  addTests(world);
}
test.run();
