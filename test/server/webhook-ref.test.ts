import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unrelatedRef } from '../../src/server/webhook-ref.ts';

const test = suite('what a webhook is about');
const LEDGER = 'runledger/status';
const GONE = '0'.repeat(40);
const COMMIT = '4f0c2e9b7d1a4f0c2e9b7d1a4f0c2e9b7d1a4f0c';

/** As each forge sends a push: `after` is 0000… when the branch is deleted. */
const pushes: Readonly<Record<string, (ref: string, after: string) => object>> = {
  GitHub: (ref, after) => ({
    ref,
    before: COMMIT,
    after,
    created: false,
    deleted: after === GONE,
    repository: { id: 1, full_name: 'acme/jobs', default_branch: 'main' },
  }),
  GitLab: (ref, after) => ({
    object_kind: 'push',
    ref,
    before: COMMIT,
    after,
    checkout_sha: after === GONE ? null : after,
    project: { id: 1, path_with_namespace: 'acme/jobs', default_branch: 'main' },
    repository: { name: 'jobs' },
  }),
  Gitea: (ref, after) => ({
    ref,
    before: COMMIT,
    after,
    repository: { id: 1, full_name: 'acme/jobs', default_branch: 'main' },
    pusher: { login: 'bot' },
  }),
};

const about = (payload: unknown, branch?: string): string | undefined =>
  unrelatedRef(Buffer.from(JSON.stringify(payload)), 'application/json', { branch, ledger: LEDGER });

for (const [forge, push] of Object.entries(pushes)) {
  test(`${forge}: pushes to the source's branch and its deletion concern it`, () => {
    for (const after of [COMMIT, GONE]) {
      assert.is(about(push('refs/heads/main', after), 'main'), undefined);
      assert.is(about(push('refs/heads/main', after)), undefined);
      assert.is(about(push('refs/heads/release/2', after), 'release/2'), undefined);
    }
  });

  test(`${forge}: pushes to the ledger and others, and their deletion, do not`, () => {
    for (const after of [COMMIT, GONE]) {
      for (const ref of [`refs/heads/${LEDGER}`, 'refs/heads/topic', 'refs/heads/x/main', 'refs/tags/main']) {
        assert.is(about(push(ref, after), 'main'), ref);
        assert.is(about(push(ref, after)), ref);
      }
      assert.is(about(push('refs/heads/main', after), 'trunk'), 'refs/heads/main');
    }
  });
}

test("branches and tags that are made and deleted have short names, by GitHub's and Gitea's create and delete", () => {
  const repository = { default_branch: 'main' };
  assert.is(about({ ref: LEDGER, ref_type: 'branch', repository }), `refs/heads/${LEDGER}`);
  assert.is(about({ ref: 'main', ref_type: 'tag', repository }), 'refs/tags/main');
  assert.is(about({ ref: 'main', ref_type: 'branch', repository }), undefined);
});

test("a ledger on the source's own branch concerns it", () => {
  const body = Buffer.from('{"ref":"refs/heads/main"}');
  assert.is(unrelatedRef(body, 'application/json', { branch: 'main', ledger: 'main' }), undefined);
});

test("without a default branch in it, only the ledger's is known not to concern the source", () => {
  assert.is(about({ ref: 'refs/heads/topic' }), undefined);
  assert.is(about({ ref: `refs/heads/${LEDGER}` }), `refs/heads/${LEDGER}`);
});

test("GitHub's form is read", () => {
  const form = new URLSearchParams({ payload: JSON.stringify(pushes['GitHub']?.('refs/heads/topic', COMMIT)) });
  const type = 'application/x-www-form-urlencoded; charset=utf-8';
  assert.is(unrelatedRef(Buffer.from(form.toString()), type, { ledger: LEDGER }), 'refs/heads/topic');
  assert.is(unrelatedRef(Buffer.from('nothing'), type, { ledger: LEDGER }), undefined);
});

test('pull requests and comments concern it, as every forge sends them', () => {
  const change = { number: 7, head: { ref: 'change', sha: COMMIT }, base: { ref: 'main' } };
  const repository = { id: 1, full_name: 'acme/jobs', default_branch: 'main' };
  for (const payload of [
    { action: 'synchronize', number: 7, pull_request: change, repository },
    { action: 'created', issue: { number: 7, pull_request: {} }, comment: { id: 1, body: 'x' }, repository },
    { object_kind: 'merge_request', object_attributes: { iid: 7, source_branch: 'change', target_branch: 'main' } },
    { object_kind: 'note', object_attributes: { noteable_type: 'MergeRequest', note: 'x' }, merge_request: { iid: 7 } },
  ])
    assert.is(about(payload, 'main'), undefined, JSON.stringify(payload));
});

test('what says nothing of a branch may concern every source', () => {
  for (const payload of [
    {},
    [],
    null,
    'text',
    7,
    { zen: 'ping' },
    { ref: null },
    { ref: '' },
    { ref: 7 },
    { ref: 'main' },
  ])
    assert.is(about(payload, 'main'), undefined, JSON.stringify(payload));
  assert.is(unrelatedRef(Buffer.from('{'), 'application/json', { branch: 'main', ledger: LEDGER }), undefined);
  assert.is(about({ ref: 'refs/heads/topic', repository: null, project: 3 }), undefined);
});

test.run();
