import { CodedError, terminalError, transientError, usageError, waitingError } from '../../errors.ts';

/** The part of the API's Status object that says why (Kubernetes API conventions, "Response Status Kind"). */
interface ApiStatus {
  readonly message?: string;
  readonly reason?: string;
  readonly details?: {
    readonly kind?: string;
    readonly name?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  };
}

/** An answer with a status of 300 or more. */
export interface Refusal {
  readonly status: number;
  /** The Retry-After header. */
  readonly retryAfter?: string | undefined;
  readonly contentType?: string | undefined;
  readonly body: string;
}

/** What was asked for, in words for messages: `creating Pod "x" in namespace "y"`. */
export interface Asked {
  readonly doing: string;
  /** The server's URL, without credentials. */
  readonly server: string;
}

const MAX_QUOTE = 300;
const MAX_MESSAGE = 4096;

export const cancelled = (doing: string): CodedError => transientError('Cancelled', `${doing} was cancelled`);

function parseStatus(body: string): ApiStatus | null {
  try {
    const value = JSON.parse(body) as unknown;
    return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status'
      ? (value as ApiStatus)
      : null;
  } catch {
    return null;
  }
}

/** Milliseconds from a Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP date. */
export function retryAfterMs(header: string | undefined, now: number = Date.now()): number | undefined {
  if (header === undefined || header === '') return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** What the server said: the message of its Status object, or the first line of a plain text, as proxies send. */
function messageFrom(refusal: Refusal, status: ApiStatus | null, { doing, server }: Asked): string {
  if (status?.message) return `${doing}: ${status.message.slice(0, MAX_MESSAGE)}`;
  const plain = refusal.contentType?.startsWith('text/plain') ? refusal.body.trim().split('\n')[0]! : '';
  const said = plain === '' ? '' : ` ("${plain.slice(0, MAX_QUOTE)}")`;
  return `${doing}: ${server} answered with HTTP status ${refusal.status}${said}`;
}

const RBAC = /\bUser "([^"]*)" cannot (\w+) resource "([^"]*)"/;

/** What a new namespace says until its controllers have looked at it: its quotas are counted, its account is made. */
const NOT_YET = /status unknown for quota|error looking up service account \S+\/default:/;

function forbidden(message: string, status: ApiStatus | null): CodedError {
  if (NOT_YET.test(message)) return transientError('NamespaceNotReady', message);
  if (/exceeded quota|failed quota/.test(message)) {
    return terminalError('QuotaExceeded', message, {
      hint: 'Free some of the quota, raise it, or give the job smaller requests and limits.',
    });
  }
  if (status?.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating')) {
    return terminalError('NamespaceTerminating', message, { hint: 'Wait until it is gone and create it again.' });
  }
  const denied = RBAC.exec(message);
  if (denied) {
    return terminalError('Forbidden', message, {
      hint: `Bind a Role to "${denied[1]}" that allows ${denied[2]} on ${denied[3]}.`,
    });
  }
  // Pod Security, LimitRanger and the other built-in plugins also answer 403, without naming a user and a verb.
  return status?.reason === 'Forbidden' && / is forbidden: /.test(message) && !/\bUser "/.test(message)
    ? terminalError('AdmissionDenied', message)
    : terminalError('Forbidden', message);
}

/** A webhook that could not be asked, with `failurePolicy: Fail`: the request went no further. */
const WEBHOOK_IS_DOWN = /failed calling webhook "/;

/** 429, 5xx: the server's trouble, not the request's. */
function serverTrouble(refusal: Refusal, status: ApiStatus | null, message: string): CodedError {
  const seconds = status?.details?.retryAfterSeconds;
  const wait = retryAfterMs(refusal.retryAfter) ?? (seconds === undefined ? undefined : seconds * 1000);
  const later = wait === undefined ? {} : { retryAfterMs: wait };
  if (WEBHOOK_IS_DOWN.test(message)) return transientError('WebhookUnavailable', message, later);
  if (refusal.status === 429) return transientError('TooManyRequests', message, later);
  if (refusal.status === 503) return transientError('ServerUnavailable', message, later);
  return transientError('ServerError', message, later);
}

function notFound(message: string, status: ApiStatus | null): CodedError {
  return status?.details?.kind === 'namespaces'
    ? terminalError('NamespaceMissing', message, {
        hint: `Create it (kubectl create namespace ${status.details.name ?? 'NAME'}), or name another one.`,
      })
    : terminalError('NotFound', message);
}

function conflict(message: string, status: ApiStatus | null): CodedError {
  if (status?.reason === 'AlreadyExists') return terminalError('AlreadyExists', message);
  // Many creates at once compete for the counter of a ResourceQuota: the loser's object was not created.
  if (status?.details?.kind === 'resourcequotas') return transientError('QuotaBusy', message);
  return terminalError('Conflict', message);
}

/** The webhook's or the policy's own words, whatever status it chose (webhooks may choose any from 400 on). */
const ADMISSION = /admission webhook "[^"]*" denied the request|ValidatingAdmissionPolicy '[^']*' with binding/;

/**
 * The error for an answer of the API server (or of a proxy before it) that is no success. The message keeps the
 * server's own words, which name the object.
 */
export function apiError(refusal: Refusal, asked: Asked): CodedError {
  const status = parseStatus(refusal.body);
  const message = messageFrom(refusal, status, asked);
  if (ADMISSION.test(message)) return terminalError('AdmissionDenied', message);
  switch (refusal.status) {
    case 401:
      return usageError('Unauthorized', message, {
        hint: 'The API server does not accept the credentials: check that the token or certificate is right and not expired.',
      });
    case 403:
      return forbidden(message, status);
    case 404:
      return notFound(message, status);
    case 405:
      return terminalError('MethodNotAllowed', message);
    case 409:
      return conflict(message, status);
    case 410:
      return terminalError('Expired', message);
    case 400:
      // A container's log before the container runs: the kubelet's words.
      return /^(.*: )?container "[^"]*" in pod "[^"]*" is (waiting to start|not available)/.test(message)
        ? waitingError('ContainerWaiting', message)
        : terminalError('Invalid', message);
    default:
  }
  if (refusal.status === 429 || refusal.status >= 500) return serverTrouble(refusal, status, message);
  return terminalError('Invalid', message);
}

const CERTIFICATE_CODES =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT_|INVALID_CA|PATH_LENGTH_EXCEEDED)/;
const CONNECTION_WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its host name is unknown',
  EAI_AGAIN: 'its host name could not be looked up',
  ECONNREFUSED: 'the connection was refused',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  UND_ERR_CONNECT_TIMEOUT: 'it did not accept the connection in time',
};

/** An error and those that it wraps, the most specific first. */
function chainOf(error: unknown, depth = 0): readonly NodeJS.ErrnoException[] {
  if (!(error instanceof Error) || depth > 4) return [];
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  return [...inner.flatMap((one) => chainOf(one, depth + 1)), error];
}

function certificateError(code: string, { doing, server }: Asked): CodedError {
  if (code === 'CERT_HAS_EXPIRED') {
    return usageError('CertificateExpired', `${doing}: the certificate of ${server} has expired`, {
      hint: "Renew the API server's certificate, and check this machine's clock.",
    });
  }
  return usageError('CertificateInvalid', `${doing}: the certificate of ${server} is not trusted (${code})`, {
    hint: "Set the cluster's certificate-authority in the kubeconfig to the authority that signed it.",
  });
}

/**
 * The error for a request that got no answer, or half of one. `ConnectionFailed` proves that the server never saw the
 * request; `ConnectionLost` and `Timeout` leave it open. `timedOut`: our own limit has passed.
 */
export function networkError(error: unknown, asked: Asked, timedOut: boolean): CodedError {
  const { doing, server } = asked;
  if (error instanceof CodedError) return error;
  const chain = chainOf(error);
  const codes = chain.map(({ code }) => code).filter((code) => typeof code === 'string');
  const certificate = codes.find((code) => CERTIFICATE_CODES.test(code));
  if (certificate !== undefined) return certificateError(certificate, asked);
  const known = codes.find((code) => CONNECTION_WORDS[code] !== undefined);
  const connecting = chain.some(({ syscall }) => syscall === 'connect' || syscall === 'getaddrinfo');
  if (!timedOut && (known !== undefined || connecting)) {
    const words = known === undefined ? (codes[0] ?? 'no further details') : CONNECTION_WORDS[known]!;
    return transientError('ConnectionFailed', `${doing}: ${server} could not be reached: ${words}`);
  }
  if (timedOut || codes.includes('UND_ERR_HEADERS_TIMEOUT') || codes.includes('UND_ERR_BODY_TIMEOUT')) {
    return transientError('Timeout', `${doing}: ${server} did not answer in time`);
  }
  const words = codes[0] ?? (error instanceof Error ? error.message.slice(0, MAX_QUOTE) : 'no further details');
  return transientError('ConnectionLost', `${doing}: the connection to ${server} was cut off (${words})`);
}
