import type { HttpClient } from 'isomorphic-git';
import { isCoded } from '../errors.ts';
import { notGit, type GitService } from './http-errors.ts';
import {
  createTransport,
  headerOf,
  resultType,
  type Answer,
  type GitHttpOptions,
  type Receive,
} from './http-transport.ts';
import { parseGitUrl, shownUrl } from './url.ts';

export type { GitHttpOptions } from './http-transport.ts';

export interface PostRequest {
  /** The repository's URL; with credentials, if they came that way. */
  readonly url: string;
  readonly service: GitService;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
  /** Gives up with `AnswerTooLarge` when the answer has more bytes. */
  readonly maxBytes?: number | undefined;
  /**
   * Gets the answer part by part, for answers that are too large to hold; the buffer that `post` returns is empty then.
   * It is waited for, and may throw coded errors only.
   */
  readonly receive?: Receive;
}

/**
 * Git's smart HTTP (gitprotocol-http(5)), an answer at a time. Every failure is a CodedError that names the URL without
 * credentials: `Unauthorized`, `Forbidden`, `RepositoryNotFound`, `CertificateInvalid` (terminal), `TooManyRequests`,
 * `ServerError`, `NotGit`, `Timeout`, `ConnectionFailed`, `AnswerTooLarge`, `Cancelled` (transient), and those of
 * {@link parseGitUrl}.
 */
export interface GitHttp {
  /**
   * The advertisement of refs: `GET <url>/info/refs`. Redirects are followed here and only here, as git does; the base
   * that they lead to is used from then on.
   */
  discover(url: string, service: GitService, signal: AbortSignal): Promise<Buffer>;
  /** One request to a service: `POST <url>/<service>`. */
  post(request: PostRequest): Promise<Buffer>;
  /** The same for isomorphic-git. `url` is the repository that its requests are for, whatever URL they name. */
  client(url: string, signal: AbortSignal, maxBytes?: number): HttpClient;
  close(): Promise<void>;
}

const MAX_REDIRECTS = 5;
const MAX_ADVERTISEMENT_BYTES = 256 * 1024 * 1024;
/** What a base that a redirect led to may answer when the repository is no longer there. */
const GONE: ReadonlySet<string> = new Set([
  'RepositoryNotFound',
  'Forbidden',
  'Unauthorized',
  'NotGit',
  'ConnectionFailed',
]);

function assertContentType(answer: Answer, wanted: string, shown: string): void {
  const type = headerOf(answer, 'content-type') ?? 'missing';
  if (type.split(';')[0] !== wanted) throw notGit(shown, `the content type is ${type.slice(0, 80)}`);
}

function redirectTarget(answer: Answer, from: string, shown: string): string {
  const location = headerOf(answer, 'location') ?? '';
  const target = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (!target || !['http:', 'https:'].includes(target.protocol)) throw notGit(shown, 'it redirects to nowhere');
  if (from.startsWith('https:') && target.protocol === 'http:') throw notGit(shown, 'it redirects from https to http');
  target.username = '';
  target.password = '';
  return target.href;
}

/** Makes a client; one for all repositories that are reached with the same credentials. Throws `CaFileUnreadable`. */
export async function createGitHttp(options: GitHttpOptions = {}): Promise<GitHttp> {
  const transport = await createTransport(options);
  /** Where a repository's first request was redirected to, by its configured URL. */
  const learnedBases = new Map<string, string>();

  const discoverFrom = async (base: string, repository: string, service: GitService, signal: AbortSignal) => {
    const shown = shownUrl(repository);
    let url = `${base}/info/refs?service=${service}`;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const maxBytes = MAX_ADVERTISEMENT_BYTES;
      const answer = await transport.send({ method: 'GET', url, repository, service, signal, maxBytes });
      if (answer.status === 200) {
        assertContentType(answer, `application/x-${service}-advertisement`, shown);
        const end = url.indexOf('/info/refs?');
        if (end < 0) throw notGit(shown, `it redirects to ${shownUrl(url)}`);
        learnedBases.set(parseGitUrl(repository).url, url.slice(0, end));
        return answer.body;
      }
      url = redirectTarget(answer, url, shown);
    }
    throw notGit(shown, 'it redirects without an end');
  };

  const discover: GitHttp['discover'] = async (url, service, signal) => {
    const configured = parseGitUrl(url).url;
    const learned = learnedBases.get(configured);
    if (learned === undefined || learned === configured) return discoverFrom(configured, url, service, signal);
    try {
      return await discoverFrom(learned, url, service, signal);
    } catch (error) {
      if (!isCoded(error) || !GONE.has(error.code)) throw error;
      // The redirect may lead elsewhere by now: once more from the start.
      learnedBases.delete(configured);
      return discoverFrom(configured, url, service, signal);
    }
  };

  const post: GitHttp['post'] = async (request) => {
    const { url, service, body, signal, maxBytes = Number.POSITIVE_INFINITY, receive } = request;
    const configured = parseGitUrl(url).url;
    const target = `${learnedBases.get(configured) ?? configured}/${service}`;
    const answer = await transport.send({
      method: 'POST',
      url: target,
      repository: url,
      service,
      body,
      signal,
      maxBytes,
      receive,
    });
    if (answer.status !== 200) throw notGit(configured, 'it redirects a request that is not the first');
    assertContentType(answer, resultType(service), configured);
    return answer.body;
  };

  return {
    discover,
    post,
    client: (repository, signal, maxBytes) => ({
      async request({ url, body }) {
        const service: GitService = url.endsWith('git-receive-pack') ? 'git-receive-pack' : 'git-upload-pack';
        const reading = url.includes('/info/refs?service=');
        const limit = maxBytes === undefined ? {} : { maxBytes };
        const answer = reading
          ? await discover(repository, service, signal)
          : await post({ url: repository, service, body: await collect(body ?? []), signal, ...limit });
        const headers = { 'content-type': `application/x-${service}-${reading ? 'advertisement' : 'result'}` };
        return { url, statusCode: 200, statusMessage: 'OK', headers, body: each([answer]) };
      },
    }),
    close: () => transport.close(),
  };
}

async function collect(parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}

async function* each(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}
