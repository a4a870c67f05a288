import { request } from 'undici';
import { isCoded, transientError } from '../errors.ts';
import { cancelled } from './cancel.ts';
import { createDispatcher, type DispatcherOptions } from './dispatcher.ts';
import { explanation, networkError, statusError, type GitService, type RequestContext } from './http-errors.ts';
import { parseGitUrl, type Credentials } from './url.ts';

export interface GitHttpOptions extends DispatcherOptions {
  /** The longest time that one request may take as a whole, in ms. Default 10 min. */
  readonly totalTimeoutMs?: number;
  readonly userAgent?: string;
  /** Sent to the origin of the repository's URL only. Credentials within the URL take precedence. */
  readonly credentials?: Credentials;
  /** Told the server's clock as each answer has it (`Date`: RFC 9110, 6.6.1). */
  readonly onDate?: (date: string) => void;
}

const DEFAULT_TOTAL_MS = 600_000;
const MAX_ERROR_BYTES = 64 * 1024;

/** An answer with status 200, or a redirect. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface Send {
  readonly method: 'GET' | 'POST';
  /** Where the request goes. */
  readonly url: string;
  /** The repository as it was configured, credentials included. */
  readonly repository: string;
  readonly service: GitService;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  /** Gets the body of an answer of the service's own content type, part by part; the answer's body is empty then. */
  readonly receive?: Receive | undefined;
}

/** Takes a part of a body, and is waited for. It may throw coded errors only. */
export type Receive = (part: Uint8Array) => Promise<void>;

/** A header by its lower-case name; the first where there are several. */
export const headerOf = (answer: Answer, name: string): string | undefined => {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const basic = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** The Authorization headers to try in turn: a token goes as a password first (GitHub, GitLab, Gitea), then as a bearer. */
function authorizations(credentials: Credentials | undefined): readonly (string | undefined)[] {
  if (!credentials) return [undefined];
  if (credentials.kind === 'basic') return [basic(credentials.username, credentials.password)];
  return [basic('x-access-token', credentials.token), `Bearer ${credentials.token}`];
}

function scrubber(credentials: Credentials | undefined): (text: string) => string {
  const secrets = authorizations(credentials).flatMap((header) => (header ? [header.replace(/^\w+ /, '')] : []));
  if (credentials) secrets.push(credentials.kind === 'basic' ? credentials.password : credentials.token);
  return (text) => secrets.reduce((clean, secret) => (secret === '' ? clean : clean.replaceAll(secret, '***')), text);
}

const tooLarge = (url: string, maxBytes: number) =>
  transientError('AnswerTooLarge', `${url} answered with more than ${maxBytes} bytes`);

async function passBody(body: AsyncIterable<Uint8Array>, url: string, maxBytes: number, take: Receive): Promise<void> {
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > maxBytes) throw tooLarge(url, maxBytes);
    await take(part);
  }
}

async function readBody(body: AsyncIterable<Uint8Array>, url: string, maxBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await passBody(body, url, maxBytes, async (part) => void parts.push(part));
  return Buffer.concat(parts);
}

/** The content type that an answer of a service has. */
export const resultType = (service: GitService): string => `application/x-${service}-result`;

/** One HTTP request: credentials, proxies, certificates, time limits and errors; redirects are the caller's. */
export interface Transport {
  send(request: Send): Promise<Answer>;
  close(): Promise<void>;
}

/** Makes the transport. Throws `CaFileUnreadable`. */
export async function createTransport(options: GitHttpOptions): Promise<Transport> {
  const { totalTimeoutMs = DEFAULT_TOTAL_MS, userAgent = 'git/runledger' } = options;
  const dispatcher = await createDispatcher(options);
  /** Which of {@link authorizations} a server took, by origin. */
  const acceptedForms = new Map<string, number>();

  const exchange = async (send: Send, authorization: string | undefined, context: RequestContext): Promise<Answer> => {
    const limit = AbortSignal.timeout(totalTimeoutMs);
    try {
      const answer = await request(send.url, {
        dispatcher,
        method: send.method,
        headers: {
          'user-agent': userAgent,
          accept: send.method === 'GET' ? '*/*' : resultType(send.service),
          pragma: 'no-cache',
          ...(send.body ? { 'content-type': `application/x-${send.service}-request` } : {}),
          ...(authorization === undefined ? {} : { authorization }),
        },
        body: send.body ?? null,
        signal: AbortSignal.any([send.signal, limit]),
      });
      if (typeof answer.headers['date'] === 'string') options.onDate?.(answer.headers['date']);
      const ok = answer.statusCode === 200;
      const type = String(answer.headers['content-type'] ?? '').split(';')[0];
      if (ok && send.receive && type === resultType(send.service)) {
        await passBody(answer.body, context.url, send.maxBytes, send.receive);
        return { status: 200, headers: answer.headers, body: Buffer.alloc(0) };
      }
      // Of an error's page only the beginning is of interest.
      const body = await readBody(answer.body, context.url, ok ? send.maxBytes : MAX_ERROR_BYTES).catch(
        (error: unknown) => {
          if (ok) throw error;
          return Buffer.alloc(0);
        },
      );
      return { status: answer.statusCode, headers: answer.headers, body };
    } catch (error) {
      if (isCoded(error)) throw error;
      if (send.signal.aborted) throw cancelled(`the request to ${context.url}`);
      throw networkError(error, context, limit.aborted);
    }
  };

  /** Sends with the credentials that the target may see. Any answer but 200 and redirects is thrown. */
  const transmit = async (send: Send): Promise<Answer> => {
    const repository = parseGitUrl(send.repository);
    const given = repository.credentials ?? options.credentials;
    const { origin } = new URL(send.url);
    const allowed = origin === repository.origin ? given : undefined;
    const credentials = allowed ? 'sent' : given ? 'withheld' : 'none';
    const context: RequestContext = { url: repository.url, service: send.service, credentials, scrub: scrubber(given) };
    const forms = authorizations(allowed);
    for (let form = acceptedForms.get(origin) ?? 0; ; form++) {
      const answer = await exchange(send, forms[form], context);
      const { status } = answer;
      if (status === 401 && form + 1 < forms.length) continue;
      if (status === 200) acceptedForms.set(origin, form);
      if (status === 200 || (status >= 300 && status < 400 && headerOf(answer, 'location') !== undefined))
        return answer;
      const said = explanation(headerOf(answer, 'content-type') ?? '', answer.body);
      throw statusError({ status, retryAfter: headerOf(answer, 'retry-after'), said }, context);
    }
  };

  return { send: transmit, close: () => dispatcher.destroy() };
}
