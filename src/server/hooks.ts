import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { unrelatedRef, type FollowedBranches } from './webhook-ref.ts';
import { isSigned, judgeWebhook } from './webhook.ts';

/** A source that takes webhooks. */
export interface Hook extends FollowedBranches {
  /** Shared with the forge. */
  readonly secret: string;
  /** The forge has something new. */
  readonly received: () => void;
}

/** What became of a webhook; a label of the metric that counts them. */
export type HookVerdict =
  'accepted' | 'otherBranch' | 'unsigned' | 'wrongSignature' | 'tooLarge' | 'tooMany' | 'unknownSource';

export interface HookAnswer {
  readonly verdict: HookVerdict;
  readonly status: number;
  readonly text: string;
}

/** What GitHub sends at most. */
const MAX_BYTES = 25 * 1024 * 1024;
/** So much of a body is kept, to see which branch it is about; a longer one is taken for one that concerns the source. */
const KEPT_BYTES = 1024 * 1024;
/** Bodies that are read at a time: anybody may send some, with a wrong signature. */
const MOST_AT_ONCE = 64;

/** Takes POST requests, each for the hook of a source; undefined: there is none. */
export function createHookTaker(): (hook: Hook | undefined, request: IncomingMessage) => Promise<HookAnswer> {
  let reading = 0;
  return async (hook, request) => {
    // A source that there is not and one that takes no webhooks answer alike: nothing is told to whoever guesses names.
    if (!hook) return { verdict: 'unknownSource', status: 404, text: 'no source of that name takes webhooks' };
    if (!isSigned(request.headers)) return { verdict: 'unsigned', status: 401, text: 'not signed' };
    if (reading >= MOST_AT_ONCE) return { verdict: 'tooMany', status: 503, text: 'too many at once' };
    reading += 1;
    try {
      return await take(hook, request);
    } finally {
      reading -= 1;
    }
  };
}

async function take(hook: Hook, request: IncomingMessage): Promise<HookAnswer> {
  const body = await readBody(request, hook.secret);
  if (body === null) return { verdict: 'tooLarge', status: 413, text: `more than ${MAX_BYTES} bytes` };
  const verdict = judgeWebhook(request.headers, body.hmac, hook.secret);
  if (verdict !== 'accepted') return { verdict, status: verdict === 'unsigned' ? 401 : 403, text: 'refused' };
  const other = body.kept && unrelatedRef(body.kept, request.headers['content-type'] ?? '', hook);
  if (other) return { verdict: 'otherBranch', status: 200, text: 'ignored: about another branch' };
  hook.received();
  return { verdict, status: 202, text: 'accepted' };
}

/** The signature that a body should have, and the body itself, unless that is long. Null: too large. */
async function readBody(
  request: IncomingMessage,
  secret: string,
): Promise<{ readonly hmac: string; readonly kept: Buffer | undefined } | null> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BYTES) return null;
  const hmac = createHmac('sha256', secret);
  const chunks: Buffer[] = [];
  let size = 0;
  // Not destroyed when it is left early: the answer goes the same way.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) return null;
    hmac.update(chunk);
    if (size <= KEPT_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  }
  return { hmac: hmac.digest('hex'), kept: size <= KEPT_BYTES ? Buffer.concat(chunks) : undefined };
}
