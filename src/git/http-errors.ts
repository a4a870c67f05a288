import { terminalError, transientError, type CodedError } from '../errors.ts';

export type GitService = 'git-upload-pack' | 'git-receive-pack';

/** What an error may say about the request that failed. */
export interface RequestContext {
  /** The repository's URL, without credentials. */
  readonly url: string;
  readonly service: GitService;
  /** Whether credentials were sent, kept back (the server had redirected to another origin), or never given. */
  readonly credentials: 'sent' | 'withheld' | 'none';
  /** Takes credentials out of a text that came from outside. */
  readonly scrub: (text: string) => string;
}

const CERTIFICATE_CODES =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT_|INVALID_CA|PATH_LENGTH_EXCEEDED)/;
const TIMEOUT_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
]);
const CONNECTION_WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its host name is unknown',
  EAI_AGAIN: 'its host name could not be looked up',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut off',
  EPIPE: 'the connection was cut off',
  UND_ERR_SOCKET: 'the connection was cut off',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
};

const MAX_QUOTE = 200;

/** The first line of a plain-text answer: forges explain there why they refuse. */
export function explanation(contentType: string, body: Uint8Array): string {
  if (!contentType.startsWith('text/plain')) return '';
  const line = Buffer.from(body).toString('utf8').trim().split('\n')[0] ?? '';
  return line === '' ? '' : ` ("${line.slice(0, MAX_QUOTE)}")`;
}

/** Milliseconds from a Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP date. */
export function retryAfterMs(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

export interface StatusAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** What {@link explanation} found. */
  readonly said: string;
}

function unauthorized({ url, credentials }: RequestContext, said: string): CodedError {
  switch (credentials) {
    case 'sent':
      return terminalError('Unauthorized', `${url} refused the credentials${said}`, {
        hint: 'Check that the user and password or token are right, and that the token has not expired or been revoked.',
      });
    case 'withheld':
      return terminalError('Unauthorized', `${url} asks for credentials, after a redirect to another server${said}`, {
        hint: 'Credentials are not sent to another server: use the URL that it redirects to.',
      });
    case 'none':
      return terminalError('Unauthorized', `${url} asks for credentials, and none were given${said}`, {
        hint: 'Set RUNLEDGER_GIT_TOKEN, or RUNLEDGER_GIT_USERNAME and RUNLEDGER_GIT_PASSWORD; a controller takes `auth` from its configuration.',
      });
  }
}

/** The error for an HTTP status that is no success. */
export function statusError(answer: StatusAnswer, context: RequestContext): CodedError {
  const { status } = answer;
  const { url, service } = context;
  const said = context.scrub(answer.said);
  const pushing = service === 'git-receive-pack';
  const wait = retryAfterMs(answer.retryAfter);
  const later = wait === undefined ? {} : { retryAfterMs: wait };
  if (status === 401) return unauthorized(context, said);
  if (status === 403) {
    return terminalError('Forbidden', `${url} does not allow ${pushing ? 'pushing' : 'reading'}${said}`, {
      hint: `Check that the user or token has the right to ${pushing ? 'write to' : 'read'} the repository.`,
    });
  }
  if (status === 404 || status === 410) {
    return terminalError('RepositoryNotFound', `there is no repository at ${url}${said}`, {
      hint: 'Check the URL. Forges also answer so when the credentials have no access to a private repository.',
    });
  }
  if (status === 429)
    return transientError('TooManyRequests', `${url} answers that requests come too often${said}`, later);
  if (status >= 500) return transientError('ServerError', `${url} answered with HTTP status ${status}${said}`, later);
  return notGit(url, `it answered with HTTP status ${status}${said}`);
}

/** The error for an answer that no git server gives. */
export const notGit = (url: string, what: string): CodedError =>
  transientError('NotGit', `${url} does not answer like a git server: ${what}`, {
    hint: 'Check that the URL is that of the repository itself, as for `git clone`.',
  });

/** The codes of an error and of those that it wraps, the most specific first. */
function codesOf(error: unknown, depth = 0): readonly string[] {
  if (!(error instanceof Error) || depth > 4) return [];
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  const own = (error as NodeJS.ErrnoException).code;
  return [...inner.flatMap((one) => codesOf(one, depth + 1)), ...(typeof own === 'string' ? [own] : [])];
}

/** The error for a request that got no answer, or half of one. `timedOut`: our own limit for the whole request has passed. */
export function networkError(
  error: unknown,
  context: Pick<RequestContext, 'url' | 'scrub'>,
  timedOut: boolean,
): CodedError {
  const { url } = context;
  const codes = codesOf(error);
  const certificate = codes.find((code) => CERTIFICATE_CODES.test(code));
  if (certificate !== undefined) {
    return terminalError('CertificateInvalid', `the certificate of ${url} is not trusted (${certificate})`, {
      hint: "Give the file with the server's certificate authority as --ca-file, or caFile in a configuration.",
    });
  }
  if (timedOut || codes.some((code) => TIMEOUT_CODES.has(code))) {
    return transientError('Timeout', `${url} did not answer in time`);
  }
  const known = codes.find((code) => CONNECTION_WORDS[code] !== undefined);
  const words = known === undefined ? (codes[0] ?? 'no further details') : CONNECTION_WORDS[known]!;
  const text = error instanceof Error && codes.length === 0 ? error.message.slice(0, MAX_QUOTE) : words;
  return transientError('ConnectionFailed', `${url} could not be reached: ${context.scrub(text)}`);
}
