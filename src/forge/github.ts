import { isCoded } from '../errors.ts';
import type { ForgeAddress } from './address.ts';
import { callsOf, commentsOf } from './calls.ts';
import { createUpsert, type CommentStore } from './comment.ts';
import type { ForgeHttp } from './http.ts';
import type { Comment, CommitStatus, Forge, Permission, PullRequest, StatusState } from './port.ts';
import type { Reading } from './reading.ts';

/** GitHub tells no more files of a pull request than these. */
const MOST_FILES = 3_000;
/** What fits into the description of a status; GitHub refuses more. */
const MOST_DESCRIPTION = 140;

/** Neither knows that something runs. */
const STATES: Readonly<Record<StatusState, string>> = {
  pending: 'pending',
  running: 'pending',
  success: 'success',
  failure: 'failure',
  error: 'error',
};

/** The states of answers; warning and skipped are Gitea's own. */
const STATES_READ: Readonly<Record<string, StatusState>> = {
  pending: 'pending',
  success: 'success',
  warning: 'success',
  skipped: 'success',
  failure: 'failure',
  error: 'error',
};

const PERMISSIONS: Readonly<Record<string, Permission>> = {
  admin: 'write',
  owner: 'write',
  maintain: 'write',
  write: 'write',
  triage: 'read',
  read: 'read',
};

function pullRequestOf(value: Reading): PullRequest {
  const headId = value.maybeNumber('head', 'repo', 'id');
  const number = value.number('number');
  return {
    number,
    title: value.text('title'),
    author: value.maybeText('user', 'login') ?? '',
    url: value.text('html_url'),
    head: {
      sha: value.text('head', 'sha'),
      ref: value.text('head', 'ref'),
      repository: value.maybeText('head', 'repo', 'clone_url') ?? null,
      fetchRef: `refs/pull/${number}/head`,
    },
    base: { sha: value.text('base', 'sha'), ref: value.text('base', 'ref') },
    // A head whose repository is gone was in another one.
    isFork: headId === undefined || headId !== value.number('base', 'repo', 'id'),
    isOpen: value.text('state') === 'open',
    updated: value.text('updated_at'),
  };
}

const commentOf = (value: Reading): Comment => ({
  id: value.number('id'),
  author: value.maybeText('user', 'login') ?? '',
  isBot: value.maybeText('user', 'type') === 'Bot',
  body: value.maybeText('body') ?? '',
  created: value.text('created_at'),
  updated: value.text('updated_at'),
});

/** GitHub's REST API (version 2022-11-28), and Gitea's, which has the same paths below `/api/v1`. */
export function createGithub(http: ForgeHttp, address: ForgeAddress): Forge {
  const { kind, project } = address;
  const [owner = '', name = ''] = project.split('/');
  const base = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`;
  // Gitea's own bound is 50 unless its administrator has chosen another.
  const calls = callsOf(http, address, kind === 'gitea' ? 'limit=50' : 'per_page=100');
  const { read, list } = calls;
  const commentsAt = (number: number): string => `${base}/issues/${number}/comments`;

  const comments: Forge['comments'] = async (number, signal) => {
    const what = `read the comments of pull request ${number}`;
    return (await list({ path: commentsAt(number), purpose: 'comments', what, signal })).map(commentOf);
  };

  const permissionOf: Forge['permissionOf'] = async (user, signal) => {
    const path = `${base}/collaborators/${encodeURIComponent(user)}/permission`;
    try {
      const found = await read({ path, purpose: 'permissions', what: `read what ${user} may do`, signal });
      return PERMISSIONS[found.text('permission')] ?? 'none';
    } catch (error) {
      if (isCoded(error, 'ForgeNotFound')) return 'none';
      throw error;
    }
  };

  const store: CommentStore = {
    comments,
    permissionOf,
    async self(signal) {
      const what = 'read whose token it is';
      return (await read({ path: '/user', purpose: 'identity', what, signal })).text('login');
    },
    ...commentsOf(calls, {
      request: 'pull request',
      all: commentsAt,
      one: (_number, id) => `${base}/issues/comments/${id}`,
      change: 'PATCH',
      commentOf,
    }),
  };

  return {
    kind,
    project,
    comments,
    permissionOf,
    upsertComment: createUpsert(store),
    async pullRequest(number, signal) {
      const [path, what] = [`${base}/pulls/${number}`, `read pull request ${number}`];
      return pullRequestOf(await read({ path, purpose: 'pullRequests', what, signal }));
    },
    async openPullRequests(signal) {
      const [path, what] = [`${base}/pulls?state=open`, 'list the open pull requests'];
      return (await list({ path, purpose: 'pullRequests', what, signal })).map(pullRequestOf);
    },
    async changedFiles(number, signal) {
      const [path, what] = [`${base}/pulls/${number}/files`, `read the files of pull request ${number}`];
      const found = await list({ path, purpose: 'pullRequests', what, signal });
      const paths = found.flatMap((file) => {
        const before = file.maybeText('previous_filename');
        return before ? [file.text('filename'), before] : [file.text('filename')];
      });
      return { paths, isComplete: kind === 'gitea' || found.length < MOST_FILES };
    },
    async setStatus({ sha, context, state, description, targetUrl }: CommitStatus, signal) {
      await http.send({
        method: 'POST',
        path: `${base}/statuses/${encodeURIComponent(sha)}`,
        purpose: 'statuses',
        what: `set the status ${context} of ${sha}`,
        body: {
          state: STATES[state],
          context,
          description: cut(description, MOST_DESCRIPTION),
          ...(targetUrl === undefined ? {} : { target_url: targetUrl }),
        },
        signal,
      });
    },
    async statusesOf(sha, signal) {
      const [path, what] = [`${base}/commits/${encodeURIComponent(sha)}/statuses`, `read the statuses of ${sha}`];
      const newest = new Map<string, { readonly id: number; readonly state: StatusState }>();
      for (const one of await list({ path, purpose: 'statuses', what, signal })) {
        const [id, context] = [one.number('id'), one.text('context')];
        // GitHub calls it state, Gitea status.
        const state = STATES_READ[one.maybeText('state') ?? one.maybeText('status') ?? ''];
        if (state !== undefined && id > (newest.get(context)?.id ?? -1)) newest.set(context, { id, state });
      }
      return new Map(Array.from(newest, ([context, { state }]) => [context, state]));
    },
    close: () => http.close(),
  };
}

/** A text of at most so many characters, as forges count them. */
export function cut(text: string, most: number): string {
  const characters = Array.from(text);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
