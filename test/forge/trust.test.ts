import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Permission } from '../../src/forge/port.ts';
import { approvalLine, approvers, trustOf } from '../../src/forge/trust.ts';

const test = suite('trust');
const HEAD = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const by = (author: string, body: string) => ({ author, body });
const ok = approvalLine(HEAD);

const bodies: readonly (readonly [string, string, boolean])[] = [
  ['the line alone', ok, true],
  ['with words below', `${ok}\nlooks fine`, true],
  ['with the ends of lines that forms send', `${ok}\r\nlooks fine`, true],
  ['for another commit', approvalLine(OTHER), false],
  ['for a part of the commit', ok.slice(0, -1), false],
  ['for more than a commit', `${ok}a`, false],
  ['with words behind it', `${ok} not`, false],
  ['quoted', `> ${ok}`, false],
  ['pasted further down', `what does this do?\n${ok}`, false],
  ['in a block of code', `\`\`\`\n${ok}\n\`\`\``, false],
  ['indented', ` ${ok}`, false],
];
for (const [what, body, isApproval] of bodies)
  test(`a comment approves: ${what}`, () => {
    assert.equal(approvers([by('eve', body)], HEAD), isApproval ? ['eve'] : []);
  });

test('each author counts once, the latest first', () => {
  const comments = [by('ann', ok), by('bob', ok), by('ann', ok), by('', ok)];
  assert.equal(approvers(comments, HEAD), ['ann', 'bob']);
});

const fork = { isFork: true };
const comments = [by('eve', ok), by('ann', ok)];
const permissions = (found: Readonly<Record<string, Permission>>) => new Map(Object.entries(found));

test('the repository’s own branches are trusted, whatever is said', () => {
  const trust = trustOf({ pullRequest: { isFork: false }, head: HEAD, comments: [], permissions: new Map() });
  assert.equal(trust, { kind: 'own' });
});

test('a fork is trusted once somebody who may write has approved this very commit', () => {
  const decide = (found: Readonly<Record<string, Permission>>, head = HEAD) =>
    trustOf({ pullRequest: fork, head, comments, permissions: permissions(found) });
  assert.equal(decide({ eve: 'read', ann: 'write' }), { kind: 'approved', by: 'ann' });
  assert.equal(decide({ eve: 'read', ann: 'read' }), { kind: 'unapproved' });
  assert.equal(decide({ eve: 'none' }), { kind: 'unapproved' });
  assert.equal(decide({}), { kind: 'unapproved' }, 'what was not asked is not known');
  assert.equal(decide({ ann: 'write' }, OTHER), { kind: 'unapproved' }, 'a push takes the approval away');
});

test('an approval from elsewhere is for one commit, too', () => {
  const decide = (approved: string) =>
    trustOf({ pullRequest: fork, head: HEAD, approved, comments: [], permissions: new Map() });
  assert.equal(decide(HEAD), { kind: 'approved', by: null });
  assert.equal(decide(OTHER), { kind: 'unapproved' });
});

test.run();
