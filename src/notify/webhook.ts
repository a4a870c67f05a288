import { request, type Dispatcher } from 'undici';
import { isCoded, terminalError, transientError } from '../errors.ts';
import { cancelled } from '../git/cancel.ts';
import { networkError, retryAfterMs } from '../git/http-errors.ts';

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json: unknown;
  /** What the receiver is called in errors, since its address may be a secret. */
  readonly name: string;
  readonly userAgent: string;
  readonly timeoutMs: number;
}

const MOST_READ_BYTES = 64 * 1024;

/**
 * Sends JSON with POST. Throws `WebhookRefused` (terminal), `TooManyRequests`, `ServerError`, `Timeout`, `ConnectionFailed`, `Cancelled`
 * (transient) and `CertificateInvalid` (terminal); neither the address nor a header is in them. Redirects are not followed.
 */
export async function post(options: Post, dispatcher: Dispatcher, signal: AbortSignal): Promise<void> {
  const { url, headers, json, name, userAgent, timeoutMs } = options;
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await request(url, {
      dispatcher,
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'user-agent': userAgent },
      body: JSON.stringify(json),
      signal: AbortSignal.any([signal, limit]),
    });
    // The rest is of no interest, and a receiver may send it for ever.
    await answer.body.dump({ limit: MOST_READ_BYTES }).catch(() => undefined);
    const { statusCode: status } = answer;
    if (status < 300) return;
    const asked = retryAfterMs(String(answer.headers['retry-after'] ?? ''));
    const later = asked === undefined ? {} : { retryAfterMs: asked };
    if (status === 429) throw transientError('TooManyRequests', `${name} answers that requests come too often`, later);
    if (status >= 500 || status === 408)
      throw transientError('ServerError', `${name} answered with HTTP status ${status}`, later);
    throw terminalError('WebhookRefused', `${name} answered with HTTP status ${status}`, {
      hint: 'check its address, its headers and what it expects in the body',
    });
  } catch (error) {
    if (isCoded(error)) throw error;
    if (signal.aborted) throw cancelled(`the request to ${name}`);
    // Node's own words may have the address: only its codes are told.
    throw networkError(error, { url: name, scrub: (text) => text.replaceAll(url, '***') }, limit.aborted);
  }
}
