import { retryAfterMs } from '../git/http-errors.ts';

/** The part of an answer that tells of limits. Names of headers are lower-case. */
export interface LimitedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What the forge said, where it refused. */
  readonly said: string;
}

/** GitHub asks for a minute at least where it names no time for a secondary limit. */
const SECONDARY_MS = 60_000;

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

/** Until when a window is used up, in ms from `now`; 0: it is not. */
function windowMs(remaining: string | undefined, reset: string | undefined, now: number): number {
  if (remaining === undefined || Number(remaining) > 0 || !Number.isFinite(Number(reset))) return 0;
  return Math.max(0, Number(reset) * 1_000 - now);
}

/**
 * For how many ms from `now` no request should follow this answer, and whether it was refused for that. After GitHub's "Rate limits for
 * the REST API" (`retry-after`, `x-ratelimit-*`, secondary limits as 403 or 429) and GitLab's `RateLimit-*`.
 */
export function limitOf({ status, headers, said }: LimitedAnswer, now: number): { waitMs: number; isRefused: boolean } {
  const asked = retryAfterMs(one(headers['retry-after']), now);
  const used = Math.max(
    windowMs(one(headers['x-ratelimit-remaining']), one(headers['x-ratelimit-reset']), now),
    windowMs(one(headers['ratelimit-remaining']), one(headers['ratelimit-reset']), now),
  );
  const isSecondary = /rate limit|abuse detection/i.test(said);
  const isRefused = status === 429 || (status === 403 && (asked !== undefined || used > 0 || isSecondary));
  const least = isRefused && asked === undefined && used === 0 ? SECONDARY_MS : 0;
  // A server that is down for a while says so by the same header; that is no limit.
  return { waitMs: Math.max(isRefused ? (asked ?? 0) : 0, used, least), isRefused };
}
