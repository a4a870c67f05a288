import { createHash } from 'node:crypto';
import type { AgentOptions, RequestOptions } from 'node:https';
import { Agent, ProxyAgent, type buildConnector, type Dispatcher } from 'undici';
import { CodedError, transientError } from '../../errors.ts';
import type { Clock } from './clock.ts';
import { credentialsFailed, type Target } from './kubeconfig.ts';

/** What a request needs to reach the server as who we are. */
export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  /** For calls that end: a bounded pool of kept-alive connections. */
  readonly calls: Dispatcher;
  /** For watches and logs, each of which keeps a connection for as long as it lasts. */
  readonly streams: Dispatcher;
}

export interface Connection {
  /** Headers and pools for the next request. Throws CodedError `CredentialsFailed`. */
  access(): Promise<Access>;
  /**
   * Reads the credentials anew, because the server did not accept these. False: that was done a moment ago, so another
   * try is pointless.
   */
  renew(refused: Access): Promise<boolean>;
  /** Ends every connection at once. */
  close(): Promise<void>;
}

export interface ConnectionOptionsOf {
  /** Reads the kubeconfig again. */
  readonly load: () => Promise<Target>;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** How many calls are under way at once; further ones wait. */
  readonly connections: number;
}

interface Pools {
  readonly key: string;
  readonly calls: Dispatcher;
  readonly streams: Dispatcher;
}

/** Certificates, keys and how to check the server's. */
type TlsMaterial = buildConnector.BuildOptions;

interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
}

/** Files of tokens and certificates are looked at again this often: rotation is noticed without a read per request. */
const FRESH_MS = 10_000;
const RENEW_EVERY_MS = 10_000;
/** Below the 90 s after which an API server closes an idle connection, and below what load balancers allow. */
const KEEP_ALIVE_MS = 30_000;
const CONNECT_MS = 10_000;
const TLS_FIELDS = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'rejectUnauthorized', 'servername'] as const;

/**
 * Asks client-node for the credentials: it knows token files, exec plugins, OIDC, client certificates. It would also
 * open a connection per request; we take the material only, and keep the connections.
 */
async function readCredentials({ config }: Target): Promise<Credentials> {
  const found: RequestOptions = {};
  await config.applyToHTTPSOptions(found);
  const headers: Record<string, string> = {};
  // Token files may end with a line feed, which no header may hold.
  for (const [name, value] of Object.entries(found.headers ?? {})) headers[name.toLowerCase()] = String(value).trim();
  if (typeof found.auth === 'string') headers['authorization'] = `Basic ${Buffer.from(found.auth).toString('base64')}`;
  const tls: TlsMaterial = {};
  for (const field of TLS_FIELDS) if (found[field] !== undefined) Object.assign(tls, { [field]: found[field] });
  return { headers, tls };
}

/**
 * The pools for one set of TLS material. HTTP/1.1: with HTTP/2, one lost connection would cut every watch, log and call
 * at once.
 */
async function openPools({ config }: Target, tls: TlsMaterial, key: string, limit: number): Promise<Pools> {
  const cluster = config.getCurrentCluster();
  const plan = config.createDispatcherOptions(cluster, tls as AgentOptions);
  const shared = { allowH2: false, pipelining: 1, keepAliveTimeout: KEEP_ALIVE_MS, keepAliveMaxTimeout: KEEP_ALIVE_MS };
  const connect = { ...tls, timeout: CONNECT_MS, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  if (plan.type === 'proxy') {
    const open = (more: object): Dispatcher =>
      new ProxyAgent({
        uri: plan.uri,
        requestTls: tls,
        proxyTls: { keepAliveInitialDelay: KEEP_ALIVE_MS },
        ...shared,
        ...more,
      });
    return { key, calls: open({ connections: limit }), streams: open({}) };
  }
  if (plan.type === 'socks') {
    const { RequestContext, HttpMethod } = await import('@kubernetes/client-node');
    const context = new RequestContext(cluster!.server, HttpMethod.GET);
    await config.applySecurityAuthentication(context);
    const only = context.getDispatcher()!;
    return { key, calls: only, streams: only };
  }
  return {
    key,
    calls: new Agent({ ...shared, connect, connections: limit }),
    streams: new Agent({ ...shared, connect }),
  };
}

function keyOf(tls: TlsMaterial): string {
  const hash = createHash('sha256');
  for (const [field, value] of Object.entries(tls as Record<string, unknown>)) {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
    hash.update(`${field} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/** The credentials, or a transient error: a helper command may hang or fail, and work again later. */
async function readInTime(target: Target, timeoutMs: number, clock: Clock): Promise<Credentials> {
  const done = new AbortController();
  const tooLong = clock.sleep(timeoutMs, done.signal).then(() => {
    throw new Error('there was no answer in time');
  });
  tooLong.catch(() => undefined);
  try {
    return await Promise.race([readCredentials(target), tooLong]);
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw transientError('CredentialsFailed', credentialsFailed(target, error), {
      hint: 'Check the user entry of the kubeconfig, and that its command works in a shell.',
    });
  } finally {
    done.abort();
  }
}

/** Opens the one set of connections that everything in this process shares for one cluster. */
export function openConnection(first: Target, options: ConnectionOptionsOf): Connection {
  const { load, clock, timeoutMs, connections } = options;
  let target = first;
  let pools: Pools | null = null;
  let current: { readonly at: number; readonly access: Access } | null = null;
  let pending: Promise<Access> | null = null;
  let renewing: Promise<boolean> | null = null;
  let renewedAt = -Infinity;

  const read = async (): Promise<Access> => {
    const found = await readInTime(target, timeoutMs, clock);
    const key = keyOf(found.tls);
    if (pools?.key !== key) {
      const old = pools;
      pools = await openPools(target, found.tls, key, connections);
      // What is under way on the old pools ends in its own time.
      void old?.calls.close();
      void old?.streams.close();
    }
    const access = { headers: found.headers, calls: pools.calls, streams: pools.streams };
    current = { at: clock.monotonic(), access };
    return access;
  };
  const reload = async (): Promise<boolean> => {
    try {
      target = await load();
    } catch {
      // What the server said about the old credentials tells more than a file that is being written.
      return false;
    }
    current = null;
    return true;
  };

  return {
    access() {
      if (current !== null && clock.monotonic() - current.at < FRESH_MS) return Promise.resolve(current.access);
      pending ??= read().finally(() => (pending = null));
      return pending;
    },
    renew(refused) {
      if (renewing !== null) return renewing;
      if (current !== null && current.access !== refused) return Promise.resolve(true);
      if (clock.monotonic() - renewedAt < RENEW_EVERY_MS) return Promise.resolve(false);
      renewedAt = clock.monotonic();
      renewing = reload().finally(() => (renewing = null));
      return renewing;
    },
    async close() {
      await Promise.all([pools?.calls.destroy(), pools?.streams.destroy()]);
    },
  };
}
