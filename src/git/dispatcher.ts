import { readFile } from 'node:fs/promises';
import { getCACertificates } from 'node:tls';
import { type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { messageOf, usageError } from '../errors.ts';

/** How connections to a server are made. */
export interface DispatcherOptions {
  /** The longest silence, in ms: until the connection stands (at most 10 s), until the headers, between two parts of a body. Default 30 s. */
  readonly timeoutMs?: number;
  /** A PEM file with further certificate authorities to trust. */
  readonly caFile?: string;
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read from; default: the process's own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_CONNECT_MS = 10_000;
/** Unless the server names a time: what is asked now and then need not connect anew, and no server is as quick to forget. */
const KEEP_ALIVE_MS = 30_000;

async function readCertificates(caFile: string): Promise<string[]> {
  try {
    return [...getCACertificates('default'), await readFile(caFile, 'utf8')];
  } catch (error) {
    throw usageError('CaFileUnreadable', `the file of certificate authorities cannot be read: ${messageOf(error)}`);
  }
}

/** Connections through the proxies of the environment, with these limits and authorities. Throws `CaFileUnreadable` (usage). */
export async function createDispatcher(options: DispatcherOptions): Promise<Dispatcher> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, env = process.env } = options;
  const tls = options.caFile === undefined ? {} : { ca: await readCertificates(options.caFile) };
  const connect = { ...tls, timeout: Math.min(timeoutMs, MAX_CONNECT_MS) };
  const all = env['all_proxy'] ?? env['ALL_PROXY'] ?? '';
  return new EnvHttpProxyAgent({
    httpProxy: env['http_proxy'] ?? env['HTTP_PROXY'] ?? all,
    httpsProxy: env['https_proxy'] ?? env['HTTPS_PROXY'] ?? all,
    noProxy: env['no_proxy'] ?? env['NO_PROXY'] ?? '',
    connect,
    requestTls: connect,
    proxyTls: connect,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
}
