import { request } from 'undici';
import { isCoded, terminalError, transientError } from '../errors.ts';
import { cancelled, pause } from '../git/cancel.ts';
import { createDispatcher, type DispatcherOptions } from '../git/dispatcher.ts';
import { networkError } from '../git/http-errors.ts';
import type { ForgeAddress } from './address.ts';
import { limitedError, notForge, type Purpose, refusalError } from './errors.ts';
import { limitOf } from './limits.ts';

export interface ForgeHttpOptions extends DispatcherOptions {
  readonly address: ForgeAddress;
  /** Asked before each request, so that a token that has been replaced counts; undefined: none. */
  readonly token: () => Promise<string | undefined>;
  readonly userAgent: string;
  /** The longest time that one request may take as a whole, in ms. Default 30 s. */
  readonly totalTimeoutMs?: number;
  /** How long a call may wait for a rate limit before it fails with `ForgeLimited`, in ms. Default 0. */
  readonly waitAtMostMs?: number;
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT';
  /** Below the API, with its query; what is variable in it is escaped. */
  readonly path: string;
  readonly purpose: Purpose;
  /** What it is for, to complete "the forge does not allow the token to …". */
  readonly what: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

export interface Page {
  readonly value: unknown;
  /** Whether a further page follows (RFC 8288, `rel="next"`). */
  readonly hasNext: boolean;
}

/** JSON requests to the API of a forge, with credentials, time limits, rate limits and errors. */
export interface ForgeHttp {
  /** One request. Throws what `port.ts` says. */
  send(ask: Ask): Promise<Page>;
  /** All items of a list, page by page: `page` gives the path of each, counted from 1. */
  list(ask: Omit<Ask, 'path'>, page: (number: number) => string): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

const DEFAULT_TOTAL_MS = 30_000;
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_PAGES = 1_000;
const MAX_REDIRECTS = 3;
const MAX_QUOTE = 200;

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

const headerOf = ({ headers }: RawAnswer, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** Each forge's own headers for JSON and a token. */
function headersOf({ kind }: ForgeAddress, token: string | undefined): Readonly<Record<string, string>> {
  const accept = kind === 'github' ? 'application/vnd.github+json' : 'application/json';
  return {
    accept,
    ...(kind === 'github' ? { 'x-github-api-version': '2022-11-28' } : {}),
    ...(token === undefined ? {} : { authorization: `${kind === 'gitea' ? 'token' : 'Bearer'} ${token}` }),
  };
}

/** What a forge says in an error: `message`, and GitLab's `error`, or the first of GitHub's `errors`. */
function saidIn(text: string): string {
  let said: unknown;
  try {
    const answer = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    const detail = Array.isArray(answer?.['errors']) ? (answer['errors'][0] as { message?: unknown } | string) : null;
    const details = typeof detail === 'string' ? detail : detail?.message;
    said = [answer?.['message'] ?? answer?.['error'], details]
      .filter((part) => part !== undefined && part !== null && part !== '')
      .map((part) => (typeof part === 'string' ? part : JSON.stringify(part)))
      .join(': ');
  } catch {
    return '';
  }
  return String(said)
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, MAX_QUOTE);
}

async function readText(body: AsyncIterable<Uint8Array>, where: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > MAX_BYTES) throw transientError('AnswerTooLarge', `${where} answered with more than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Makes a client. Throws `CaFileUnreadable` (usage). */
export async function createForgeHttp(options: ForgeHttpOptions): Promise<ForgeHttp> {
  const { address, userAgent, totalTimeoutMs = DEFAULT_TOTAL_MS, waitAtMostMs = 0 } = options;
  const dispatcher = await createDispatcher({ timeoutMs: totalTimeoutMs, ...options });
  const where = `${address.api} (${address.project})`;
  const { origin } = new URL(address.api);
  /** When the next request may be sent, in ms since 1970. */
  let openAt = 0;

  const exchange = async (url: string, ask: Ask, token: string | undefined): Promise<RawAnswer> => {
    const scrub = (text: string): string => (token ? text.replaceAll(token, '***') : text);
    const limit = AbortSignal.timeout(totalTimeoutMs);
    try {
      const answer = await request(url, {
        dispatcher,
        method: ask.method ?? 'GET',
        headers: {
          'user-agent': userAgent,
          ...headersOf(address, token),
          ...(ask.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: ask.body === undefined ? null : JSON.stringify(ask.body),
        signal: AbortSignal.any([ask.signal, limit]),
      });
      return { status: answer.statusCode, headers: answer.headers, text: scrub(await readText(answer.body, where)) };
    } catch (error) {
      if (isCoded(error)) throw error;
      if (ask.signal.aborted) throw cancelled(`the request to ${where}`);
      throw networkError(error, { url: where, scrub }, limit.aborted);
    }
  };

  /** Follows a repository that has another name now, as GitHub's API asks of clients; never to another server. */
  const redirected = async (ask: Ask, token: string | undefined): Promise<RawAnswer> => {
    let url = `${address.api}${ask.path}`;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const answer = await exchange(url, ask, token);
      if (answer.status < 300 || answer.status >= 400) return answer;
      const target = URL.canParse(headerOf(answer, 'location') ?? '', url)
        ? new URL(headerOf(answer, 'location') ?? '', url)
        : undefined;
      const keepsMethod = answer.status === 307 || answer.status === 308 || (ask.method ?? 'GET') === 'GET';
      if (target?.origin !== origin || !keepsMethod) break;
      url = target.href;
    }
    throw terminalError('ForgeMoved', `${where} redirects elsewhere when asked to ${ask.what}`, {
      hint: 'give the address that the repository has now',
    });
  };

  const waitForLimit = async (ask: Ask, until: number): Promise<void> => {
    const waitMs = openAt - Date.now();
    if (waitMs <= 0) return;
    if (openAt > until) throw limitedError(where, ask.what, waitMs);
    await pause(waitMs, ask.signal, `the request to ${where}`);
  };

  const send = async (ask: Ask): Promise<Page> => {
    const until = Date.now() + waitAtMostMs;
    for (;;) {
      await waitForLimit(ask, until);
      const token = await options.token();
      const answer = await redirected(ask, token);
      const { status } = answer;
      const said = status >= 400 ? saidIn(answer.text) : '';
      const { waitMs, isRefused } = limitOf({ ...answer, said }, Date.now());
      if (waitMs > 0) openAt = Math.max(openAt, Date.now() + waitMs);
      if (isRefused) {
        if (openAt > until) throw limitedError(where, ask.what, waitMs);
        continue;
      }
      if (status >= 400)
        throw refusalError({ ...ask, kind: address.kind, where, status, hasToken: token !== undefined, said });
      const hasNext = /\brel="?next"?/.test(headerOf(answer, 'link') ?? '');
      return { value: parsed(answer.text, where), hasNext };
    }
  };

  return {
    send,
    async list(ask, page) {
      const items: unknown[] = [];
      for (let number = 1; number <= MAX_PAGES; number++) {
        const { value, hasNext } = await send({ ...ask, path: page(number) });
        if (!Array.isArray(value)) throw notForge(where, 'a list is none');
        for (const item of value) items.push(item);
        if (!hasNext) return items;
      }
      throw notForge(where, `a list has more than ${MAX_PAGES} pages`);
    },
    close: () => dispatcher.destroy(),
  };
}

function parsed(text: string, where: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw notForge(where, 'the answer is no JSON');
  }
}
