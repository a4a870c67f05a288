import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PullRequest } from '../../src/forge/port.ts';
import type { Trust } from '../../src/forge/trust.ts';
import { aimOf, attended, type Attention, readingOf } from '../../src/pulls/attention.ts';
import type { Subject } from '../../src/pulls/subject.ts';

const test = suite('attention');

const pull = (more: Partial<PullRequest> = {}): PullRequest => ({
  number: 7,
  title: 'A change',
  author: 'eve',
  url: 'https://git.example/7',
  head: { sha: 'a'.repeat(40), ref: 'change', repository: null, fetchRef: 'refs/pull/7/head' },
  base: { sha: 'b'.repeat(40), ref: 'main' },
  isFork: true,
  isOpen: true,
  updated: '2026-01-01T00:00:00Z',
  ...more,
});
const subjectOf = (pullRequest: PullRequest, kind: Trust['kind']): Subject => ({
  pullRequest,
  head: pullRequest.head.sha,
  isStale: false,
  changed: { paths: [], isComplete: true },
  trust: kind === 'approved' ? { kind, by: 'ann' } : { kind },
});
const after = (now: PullRequest, kind: Trust['kind'], known?: Attention) => attended(now, subjectOf(now, kind), known);

test('what is the same in the list costs nothing more, however often it is listed and wherever the base goes', () => {
  const own = pull({ isFork: false });
  assert.is(readingOf(own, undefined), 'all');
  const known = after(own, 'own');
  const moved = pull({ isFork: false, updated: '2026-01-02T00:00:00Z', base: { sha: 'c'.repeat(40), ref: 'main' } });
  for (const now of [own, moved]) assert.is(readingOf(now, known), 'nothing');
  assert.is(readingOf(moved, after(pull(), 'approved')), 'all', 'it is no fork any more');
});

test('a new head or another target is read anew', () => {
  const known = after(pull(), 'approved');
  assert.is(readingOf(pull({ head: { ...pull().head, sha: 'd'.repeat(40) } }), known), 'all');
  assert.is(readingOf(pull({ base: { ...pull().base, ref: 'release' } }), known), 'all');
});

test('comments are read under what nobody has approved alone, whenever it says something new, and once more', () => {
  let known = after(pull(), 'unapproved');
  assert.is(readingOf(pull(), known), 'trust', 'a comment of the same second has the same stamp');
  known = after(pull(), 'unapproved', known);
  assert.is(readingOf(pull(), known), 'nothing');
  const later = pull({ updated: '2026-01-01T00:00:01Z' });
  assert.is(readingOf(later, known), 'trust');
  known = after(later, 'unapproved', known);
  assert.is(readingOf(later, known), 'trust');
  assert.is(readingOf(later, after(later, 'approved', known)), 'nothing');
});

test('it comes to something else with another head or trust; with the base only where jobs of the base run', () => {
  const aim = (kind: Trust['kind'], more: Partial<PullRequest> = {}) => aimOf(subjectOf(pull(more), kind));
  const base = { base: { sha: 'c'.repeat(40), ref: 'main' } };
  assert.is(aim('own'), aim('own', { ...base, updated: 'x', title: 'y' }));
  assert.is.not(aim('unapproved'), aim('unapproved', base));
  assert.is.not(aim('unapproved'), aim('approved'));
  assert.is.not(aim('own'), aim('own', { head: { ...pull().head, sha: 'd'.repeat(40) } }));
});

test.run();
