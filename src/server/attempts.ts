import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isCoded, messageOf } from '../errors.ts';

/** Serves what runledger's own containers in the pods of attempts ask for: the files of their revision, and to keep artifacts. */
export interface AttemptDesk {
  /** Whoever has the token of an attempt, by the source and the name of its pod. Null: it is none, or there is no such attempt. */
  admit(source: string, pod: string, token: string, signal: AbortSignal): Promise<Admitted | null>;
}

/** What one attempt may do. */
export interface Admitted {
  /** Null: its job checks nothing out. */
  readonly checkout: ((signal: AbortSignal) => Promise<CheckoutAnswer>) | null;
  /** Keeps what comes in. Null: its job has no artifacts. Throws CodedErrors. */
  readonly receive: ((body: Readable, signal: AbortSignal) => Promise<void>) | null;
}

export type CheckoutAnswer =
  | { readonly kind: 'here'; readonly content: AsyncIterable<Uint8Array> }
  /** Another replica leads the source, and has its files: `http://host:port`. */
  | { readonly kind: 'elsewhere'; readonly address: string }
  /** Nobody leads at the moment. */
  | { readonly kind: 'later' };

const PATH = /^\/attempts\/([a-z0-9.-]{1,63})\/([a-z0-9-]{1,63})\/(workspace|artifacts)$/;
/** How many are served at a time: a checkout holds one file in memory, an archive a part of it. Who is too many asks again. */
const MOST_AT_ONCE = { workspace: 6, artifacts: 4 } as const;
/** How long one request may take; a pod has less. */
export const ATTEMPT_LIMIT_MS = 600_000;

export type TakeAttempt = (path: string, request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

/** Answers requests for attempts; false for those that are none. */
export function createAttemptTaker(desk: AttemptDesk): TakeAttempt {
  const atWork = { workspace: 0, artifacts: 0 };
  return async (path, request, response) => {
    const [, source, pod, asked] = PATH.exec(path) ?? [];
    if (source === undefined || pod === undefined) return false;
    const what = asked === 'workspace' ? 'workspace' : 'artifacts';
    const method = what === 'workspace' ? 'GET' : 'PUT';
    if (request.method !== method) say(request, response, 405, `only ${method}`);
    else if (atWork[what] >= MOST_AT_ONCE[what]) say(request, response, 503, 'too many at once');
    else {
      atWork[what] += 1;
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(ATTEMPT_LIMIT_MS)]);
      try {
        await take(desk, { source, pod, what }, request, response, signal);
      } catch (error) {
        const isFinal = isCoded(error) && error.errorClass === 'terminal';
        say(request, response, isFinal ? 422 : 503, messageOf(error));
      } finally {
        atWork[what] -= 1;
      }
    }
    return true;
  };
}

async function take(
  desk: AttemptDesk,
  { source, pod, what }: { readonly source: string; readonly pod: string; readonly what: string },
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const [, token] = /^Bearer ([\w-]{20,200})$/.exec(request.headers.authorization ?? '') ?? [];
  const admitted = token === undefined ? null : await desk.admit(source, pod, token, signal);
  // Which attempts there are is told to nobody without a token of one.
  if (!admitted) return say(request, response, 401, 'no token of this attempt');
  if (what === 'artifacts') {
    if (!admitted.receive) return say(request, response, 403, 'the job keeps no artifacts');
    await admitted.receive(request, signal);
    return say(request, response, 201, 'kept');
  }
  if (!admitted.checkout) return say(request, response, 403, 'the job checks nothing out');
  const answer = await admitted.checkout(signal);
  if (answer.kind === 'later') return say(request, response, 503, 'nobody follows the source at the moment');
  if (answer.kind === 'elsewhere') {
    response.setHeader('location', `${answer.address}/attempts/${source}/${pod}/${what}`);
    return say(request, response, 307, 'another replica has it');
  }
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' });
  await pipeline(Readable.from(answer.content, { objectMode: false }), response, { signal });
}

function say(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  // What was not read of the body is not read as a next request.
  if (!request.complete) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${text}\n`);
}
