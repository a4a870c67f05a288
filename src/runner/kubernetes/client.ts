import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { CodedError, usageError, transientError } from '../../errors.ts';
import { callKind, type CallMeter } from './call-kind.ts';
import { systemClock, type Clock } from './clock.ts';
import { openConnection, type Access, type Connection } from './connection.ts';
import { withDeadline } from './deadline.ts';
import { apiError, networkError, type Asked } from './errors.ts';
import { loadTarget, type KubeconfigOptions, type Target } from './kubeconfig.ts';
import { withoutManagedFields } from './managed-fields.ts';
import { createError, withRetries, type Repeat } from './retry.ts';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** One request to the API server. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
  /** What this is, for messages: `creating Pod "x" in namespace "y"`. */
  readonly doing: string;
  /** `unsafe`: tried again only where it is certain that the server did nothing. */
  readonly repeat: Repeat;
  readonly signal: AbortSignal;
  /** For each try, until the whole answer is there (of a stream: until it begins). Absent: the cluster's. */
  readonly timeoutMs?: number | undefined;
  /** Absent: five. */
  readonly attempts?: number;
  /** Told the server's clock as its answer has it (`Date`: RFC 9110, 6.6.1). */
  readonly onDate?: (date: string) => void;
}

/** An answer without an end, in bytes as they come. Destroying it ends the request. Errors reach its reader as they are. */
export type ByteStream = Readable;

/** A cluster and the connections to it. Everything in one process that talks to one cluster shares one of these. */
export interface Cluster {
  readonly server: string;
  readonly context: string;
  /** The namespace that the context names, or `default`. */
  readonly namespace: string;
  /** Of the API server: `v1.34.4`. */
  readonly version: string;
  readonly clock: Clock;
  /** The JSON of the answer, without `managedFields`. Throws CodedError. */
  request(call: Call): Promise<unknown>;
  /** The answer's body as it comes, on a connection of its own. Throws CodedError while there is no answer. */
  stream(call: Call): Promise<ByteStream>;
  /** Where and how a WebSocket for a path is opened. Throws CodedError `CredentialsFailed`. */
  socket(path: string): Promise<SocketAddress>;
  /** Ends every connection; what is under way fails. */
  close(): Promise<void>;
}

/** What a WebSocket to the API server is opened with. */
export interface SocketAddress {
  readonly url: string;
  readonly init: { readonly dispatcher: Dispatcher; readonly headers: Record<string, string> };
}

export interface ClusterOptions extends Omit<KubeconfigOptions, 'env'> {
  /** `runledger/<version>`: the API server writes it into its audit log. */
  readonly userAgent: string;
  /** Limit of each try of a call; default 30 s. */
  readonly timeoutMs?: number;
  /** Calls under way at once; default 32. */
  readonly connections?: number;
  readonly env?: KubeconfigOptions['env'];
  readonly clock?: Clock;
  readonly meter?: CallMeter | undefined;
  readonly signal: AbortSignal;
}

const ATTEMPTS = 5;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_CONNECTIONS = 32;
/** An error's explanation is short; what is longer is no Status object. */
const MAX_ERROR_BYTES = 1_048_576;

interface Wiring {
  readonly base: URL;
  /** For messages: without user and password. */
  readonly server: string;
  readonly userAgent: string;
  readonly timeoutMs: number;
  readonly connection: Connection;
  readonly clock: Clock;
  readonly meter: CallMeter | undefined;
}

function pathWith(base: URL, path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, String(value));
  return `${base.pathname.replace(/\/$/, '')}${path}${params.size > 0 ? `?${params.toString()}` : ''}`;
}

const header = (answer: Dispatcher.ResponseData, name: string): string | undefined => {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

async function textOf(body: Readable, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > limit) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Tells the meter of a try, from its beginning to the headers of the answer. */
async function metered(
  { meter }: Wiring,
  call: Call,
  work: () => Promise<Dispatcher.ResponseData>,
): Promise<Dispatcher.ResponseData> {
  if (!meter) return work();
  const began = performance.now();
  const tell = (code: string): void => meter({ ...callKind(call), code }, (performance.now() - began) / 1_000);
  try {
    const answer = await work();
    tell(String(answer.statusCode));
    return answer;
  } catch (error) {
    tell(call.signal.aborted ? 'cancelled' : 'error');
    throw error;
  }
}

/** One try: the answer if it is a success, else the error for it. */
async function answerTo(
  wiring: Wiring,
  call: Call,
  kind: 'calls' | 'streams',
  access: Access,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const answer = await metered(wiring, call, () =>
    access[kind].request({
      origin: wiring.base.origin,
      path: pathWith(wiring.base, call.path, call.query),
      method: call.method,
      headers: {
        accept: 'application/json',
        'user-agent': wiring.userAgent,
        ...access.headers,
        ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      // Our own limit covers the whole try; a stream may be silent for hours.
      headersTimeout: 0,
      bodyTimeout: 0,
      signal,
    }),
  );
  const date = header(answer, 'date');
  if (date !== undefined) call.onDate?.(date);
  if (answer.statusCode >= 200 && answer.statusCode < 300) return answer;
  throw apiError(
    {
      status: answer.statusCode,
      retryAfter: header(answer, 'retry-after'),
      contentType: header(answer, 'content-type'),
      body: await textOf(answer.body, MAX_ERROR_BYTES),
    },
    { doing: call.doing, server: wiring.server },
  );
}

/** One try, and a second one with fresh credentials where the first ones are refused: a token may just have been rotated. */
async function withAccess<T>(connection: Connection, work: (access: Access) => Promise<T>): Promise<T> {
  const access = await connection.access();
  try {
    return await work(access);
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'Unauthorized' || !(await connection.renew(access)))
      throw error;
    return work(await connection.access());
  }
}

function parse(text: string, { doing, server }: Asked): unknown {
  try {
    return JSON.parse(withoutManagedFields(text)) as unknown;
  } catch {
    throw transientError('NotKubernetes', `${doing}: ${server} answered with something that is not JSON`, {
      hint: 'Check that the URL is that of the API server itself.',
    });
  }
}

async function send<T>(
  wiring: Wiring,
  call: Call,
  work: (access: Access, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { doing, signal, repeat } = call;
  const timeoutMs = call.timeoutMs ?? wiring.timeoutMs;
  const asked: Asked = { doing, server: wiring.server };
  const policy = { attempts: call.attempts ?? ATTEMPTS, withinMs: 2 * timeoutMs };
  const once = (): Promise<T> =>
    withDeadline(signal, timeoutMs, asked, (inner) => withAccess(wiring.connection, (access) => work(access, inner)));
  try {
    return await withRetries(once, { policy, repeat, clock: wiring.clock, signal, doing });
  } catch (error) {
    const coded = networkError(error, asked, false);
    throw call.method === 'POST' && repeat === 'unsafe' ? createError(coded, doing) : coded;
  }
}

const request = (wiring: Wiring, call: Call): Promise<unknown> =>
  send(wiring, call, async (access, signal) => {
    const answer = await answerTo(wiring, call, 'calls', access, signal);
    return parse(await answer.body.text(), { doing: call.doing, server: wiring.server });
  });

async function stream(wiring: Wiring, call: Call): Promise<ByteStream> {
  // The limit of a try ends with its headers; from there on the caller's signal alone ends the body.
  const { body } = await send(wiring, call, (access, signal) => answerTo(wiring, call, 'streams', access, signal));
  // An error that comes before anybody reads would otherwise end the process.
  body.on('error', () => undefined);
  const end = (): void => void body.destroy();
  if (call.signal.aborted) end();
  call.signal.addEventListener('abort', end, { once: true });
  body.once('close', () => call.signal.removeEventListener('abort', end));
  return body;
}

/** What a person can do about a server that does not answer the first request. */
function openingError(error: CodedError, target: Target): CodedError {
  if (error.errorClass === 'usage' || error.code === 'Cancelled') return error;
  const said = `${error.message} (context "${target.context}" of ${target.origin})`;
  if (error.code === 'CredentialsFailed') return usageError(error.code, said, { hint: error.hint!, cause: error });
  if (error.errorClass === 'transient' && error.code !== 'NotKubernetes') {
    return usageError('ClusterUnreachable', said, {
      hint: 'Check that the cluster runs and that the server in the kubeconfig is right: kubectl version',
      cause: error,
    });
  }
  return usageError('NotKubernetes', said, {
    hint: 'Check that the server in the kubeconfig is an API server.',
    cause: error,
  });
}

/**
 * Opens the connections to a cluster and asks for its version, so that whatever is wrong with the kubeconfig, the
 * credentials or the network shows here. Throws CodedError (usage): those of {@link loadTarget}, `CredentialsFailed`,
 * `ClusterUnreachable`, `Unauthorized`, `CertificateExpired`, `CertificateInvalid`, `NotKubernetes`.
 */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const { userAgent, timeoutMs = DEFAULT_TIMEOUT_MS, clock = systemClock, signal } = options;
  const load = (): Promise<Target> => loadTarget({ ...options, env: options.env ?? process.env });
  const target = await load();
  const base = new URL(target.server);
  const server = `${base.origin}${base.pathname.replace(/\/$/, '')}`;
  const connections = options.connections ?? DEFAULT_CONNECTIONS;
  const connection = openConnection(target, { load, clock, timeoutMs, connections });
  const wiring: Wiring = { base, server, userAgent, timeoutMs, connection, clock, meter: options.meter };
  const doing = 'asking for the version of the API server';
  try {
    const answer = await request(wiring, {
      method: 'GET',
      path: '/version',
      doing,
      repeat: 'safe',
      signal,
      attempts: 2,
    });
    const version = (answer as { gitVersion?: unknown } | null)?.gitVersion;
    if (typeof version !== 'string') throw transientError('NotKubernetes', `${doing}: ${server} gave none`);
    return {
      server,
      context: target.context,
      namespace: target.namespace,
      version,
      clock,
      request: (call) => request(wiring, call),
      stream: (call) => stream(wiring, call),
      async socket(path) {
        const { streams, headers } = await connection.access();
        const url = `${base.origin.replace(/^http/, 'ws')}${pathWith(base, path)}`;
        return { url, init: { dispatcher: streams, headers: { ...headers, 'user-agent': userAgent } } };
      },
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw openingError(networkError(error, { doing, server }, false), target);
  }
}
