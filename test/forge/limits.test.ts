import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { limitOf } from '../../src/forge/limits.ts';

const test = suite('rate limits');
const NOW = Date.parse('2026-03-01T00:00:00Z');
const inSeconds = (seconds: number): string => String(NOW / 1_000 + seconds);

const limit = (status: number, headers: Record<string, string>, said = ''): string => {
  const { waitMs, isRefused } = limitOf({ status, headers, said }, NOW);
  return `${isRefused ? 'refused' : 'taken'} ${waitMs / 1_000} s`;
};

test("GitHub's and GitLab's headers say for how long to wait", () => {
  assert.is(limit(200, {}), 'taken 0 s');
  assert.is(limit(200, { 'x-ratelimit-remaining': '12', 'x-ratelimit-reset': inSeconds(90) }), 'taken 0 s');
  assert.is(limit(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(90) }), 'taken 90 s');
  assert.is(limit(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(90) }), 'refused 90 s');
  assert.is(limit(429, { 'ratelimit-remaining': '0', 'ratelimit-reset': inSeconds(30) }), 'refused 30 s');
  assert.is(limit(403, { 'retry-after': '7' }), 'refused 7 s');
  assert.is(limit(429, { 'retry-after': 'Sun, 01 Mar 2026 00:02:00 GMT' }), 'refused 120 s');
});

test('a secondary limit without a time takes a minute', () => {
  assert.is(limit(403, {}, 'You have exceeded a secondary rate limit.'), 'refused 60 s');
  assert.is(limit(429, {}), 'refused 60 s');
});

test('what is forbidden is no limit, and neither is a server that is down', () => {
  assert.is(limit(403, { 'x-ratelimit-remaining': '4000' }, 'Resource not accessible by integration'), 'taken 0 s');
  assert.is(limit(503, { 'retry-after': '30' }), 'taken 0 s');
});

test.run();
