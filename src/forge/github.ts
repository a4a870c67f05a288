import { isCoded } from '../errors.ts';
import type { ForgeAddress } from './address.ts';
import type { Ask, ForgeHttp } from './http.ts';
import { createUpsert, type CommentStore } from './comment.ts';
import type { Comment, CommitStatus, Forge, Permission, PullRequest, StatusState } from './port.ts';
import { type Reading, reading } from './reading.ts';

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
export function createGithub(http: ForgeHttp, { kind, project, api }: ForgeAddress): Forge {
  const [owner = '', name = ''] = project.split('/');
  const base = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`;
  const where = `${api} (${project})`;
  // Gitea's own bound is 50 unless its administrator has chosen another.
  const size = kind === 'gitea' ? 'limit=50' : 'per_page=100';
  const paged = (path: string) => (page: number) => `${path}${path.includes('?') ? '&' : '?'}${size}&page=${page}`;
  const read = async (ask: Ask): Promise<Reading> => reading((await http.send(ask)).value, where);

  const comments: Forge['comments'] = async (number, signal) => {
    const ask = { purpose: 'comments', what: `read the comments of pull request ${number}`, signal } as const;
    const found = await http.list(ask, paged(`${base}/issues/${number}/comments`));
    return found.map((one) => commentOf(reading(one, where)));
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
    async create(number, body, signal) {
      const [path, what] = [`${base}/issues/${number}/comments`, `comment on pull request ${number}`];
      return commentOf(await read({ method: 'POST', path, purpose: 'comments', what, body: { body }, signal }));
    },
    async change(number, id, body, signal) {
      const [path, what] = [`${base}/issues/comments/${id}`, `change a comment on pull request ${number}`];
      return commentOf(await read({ method: 'PATCH', path, purpose: 'comments', what, body: { body }, signal }));
    },
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
      const ask = { purpose: 'pullRequests', what: 'list the open pull requests', signal } as const;
      const found = await http.list(ask, paged(`${base}/pulls?state=open`));
      return found.map((one) => pullRequestOf(reading(one, where)));
    },
    async changedFiles(number, signal) {
      const ask = { purpose: 'pullRequests', what: `read the files of pull request ${number}`, signal } as const;
      const found = await http.list(ask, paged(`${base}/pulls/${number}/files`));
      const paths = found.flatMap((one) => {
        const file = reading(one, where);
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
      const ask = { purpose: 'statuses', what: `read the statuses of ${sha}`, signal } as const;
      const found = await http.list(ask, paged(`${base}/commits/${encodeURIComponent(sha)}/statuses`));
      const newest = new Map<string, { readonly id: number; readonly state: StatusState }>();
      for (const one of found.map((value) => reading(value, where))) {
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
