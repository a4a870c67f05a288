import { isCoded } from '../errors.ts';
import type { ForgeAddress } from './address.ts';
import { callsOf, commentsOf } from './calls.ts';
import { type CommentStore, createUpsert } from './comment.ts';
import { cut } from './github.ts';
import type { ForgeHttp } from './http.ts';
import type { Comment, Forge, PullRequest, StatusState } from './port.ts';
import type { Reading } from './reading.ts';

const STATES: Readonly<Record<StatusState, string>> = {
  pending: 'pending',
  running: 'running',
  success: 'success',
  failure: 'failed',
  // It has no word for "could not be judged".
  error: 'failed',
};

const STATES_READ: Readonly<Record<string, StatusState>> = {
  created: 'pending',
  pending: 'pending',
  running: 'running',
  success: 'success',
  skipped: 'success',
  failed: 'failure',
  canceled: 'error',
};

const MOST_DESCRIPTION = 255;
/** Access levels of members: 30 is Developer, who may push; 10 is Guest. */
const DEVELOPER = 30;
const GUEST = 10;

const commentOf = (value: Reading): Comment => ({
  id: value.number('id'),
  author: value.maybeText('author', 'username') ?? '',
  // The users of project and group tokens; they can't be registered by people.
  isBot: /^(project|group)_\d+_bot(_|$)/.test(value.maybeText('author', 'username') ?? ''),
  body: value.maybeText('body') ?? '',
  created: value.text('created_at'),
  updated: value.text('updated_at'),
});

/** GitLab's REST API, version 4: merge requests are its pull requests, notes its comments. */
export function createGitlab(http: ForgeHttp, address: ForgeAddress): Forge {
  const { kind, project } = address;
  const base = `/projects/${encodeURIComponent(project)}`;
  const calls = callsOf(http, address, 'per_page=100');
  const { read, list } = calls;
  const notesAt = (number: number): string => `${base}/merge_requests/${number}/notes`;

  /** Completes merge requests: their lists and answers name branches and projects by name and id only. */
  const completer = (signal: AbortSignal) => {
    const known = new Map<string, Promise<string | null>>();
    const lookUp = (path: string, what: string, ...field: readonly string[]): Promise<string | null> => {
      const found =
        known.get(path) ??
        read({ path, purpose: 'pullRequests', what, signal }).then(
          (value) => value.text(...field),
          (error: unknown) => {
            if (isCoded(error, 'ForgeNotFound') || isCoded(error, 'ForgeForbidden')) return null;
            throw error;
          },
        );
      known.set(path, found);
      return found;
    };
    return async (value: Reading): Promise<PullRequest> => {
      const number = value.number('iid');
      const target = value.text('target_branch');
      const from = value.maybeNumber('source_project_id');
      const branch = `${base}/repository/branches/${encodeURIComponent(target)}`;
      const tip = await lookUp(branch, `read the branch ${target}`, 'commit', 'id');
      const clone =
        from === undefined ? null : await lookUp(`/projects/${from}`, `read project ${from}`, 'http_url_to_repo');
      return {
        number,
        title: value.text('title'),
        author: value.maybeText('author', 'username') ?? '',
        url: value.text('web_url'),
        head: {
          sha: value.text('sha'),
          ref: value.text('source_branch'),
          repository: clone,
          fetchRef: `refs/merge-requests/${number}/head`,
        },
        base: { sha: tip ?? value.text('diff_refs', 'base_sha'), ref: target },
        isFork: from === undefined || from !== value.number('target_project_id'),
        // One that is being merged is `locked`.
        isOpen: value.text('state') === 'opened' || value.text('state') === 'locked',
        updated: value.text('updated_at'),
      };
    };
  };

  const comments: Forge['comments'] = async (number, signal) => {
    const [path, what] = [
      `${notesAt(number)}?sort=asc&order_by=created_at`,
      `read the comments of merge request ${number}`,
    ];
    const found = await list({ path, purpose: 'comments', what, signal });
    // What GitLab itself writes there ("added 1 commit") is no comment of anybody.
    return found.filter((note) => !note.isTrue('system')).map(commentOf);
  };

  const permissionOf: Forge['permissionOf'] = async (user, signal) => {
    const what = `read what ${user} may do`;
    const ask = { purpose: 'permissions', what, signal } as const;
    const [found] = await list({ ...ask, path: `/users?username=${encodeURIComponent(user)}` });
    if (found === undefined) return 'none';
    try {
      const member = await read({ ...ask, path: `${base}/members/all/${found.number('id')}` });
      const level = member.number('access_level');
      return level >= DEVELOPER ? 'write' : level >= GUEST ? 'read' : 'none';
    } catch (error) {
      if (isCoded(error, 'ForgeNotFound')) return 'none';
      throw error;
    }
  };

  const store: CommentStore = {
    comments,
    permissionOf,
    async self(signal) {
      return (await read({ path: '/user', purpose: 'identity', what: 'read whose token it is', signal })).text(
        'username',
      );
    },
    ...commentsOf(calls, {
      request: 'merge request',
      all: notesAt,
      one: (number, id) => `${notesAt(number)}/${id}`,
      change: 'PUT',
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
      const [path, what] = [`${base}/merge_requests/${number}`, `read merge request ${number}`];
      return completer(signal)(await read({ path, purpose: 'pullRequests', what, signal }));
    },
    async openPullRequests(signal) {
      const [path, what] = [`${base}/merge_requests?state=opened`, 'list the open merge requests'];
      const complete = completer(signal);
      const all: PullRequest[] = [];
      for (const one of await list({ path, purpose: 'pullRequests', what, signal })) all.push(await complete(one));
      return all;
    },
    async changedFiles(number, signal) {
      const ask = { purpose: 'pullRequests', what: `read the files of merge request ${number}`, signal } as const;
      const found = await list({ ...ask, path: `${base}/merge_requests/${number}/diffs` });
      const paths = found.flatMap((file) => {
        const [path, before] = [file.text('new_path'), file.text('old_path')];
        return before === path ? [path] : [path, before];
      });
      const request = await read({ ...ask, path: `${base}/merge_requests/${number}` });
      // `changes_count` is "1000+" where there are more than the forge keeps.
      return { paths, isComplete: request.maybeText('changes_count')?.endsWith('+') !== true };
    },
    async setStatus({ sha, context, state, description, targetUrl }, signal) {
      try {
        await http.send({
          method: 'POST',
          path: `${base}/statuses/${encodeURIComponent(sha)}`,
          purpose: 'statuses',
          what: `set the status ${context} of ${sha}`,
          body: {
            state: STATES[state],
            name: context,
            description: cut(description, MOST_DESCRIPTION),
            ...(targetUrl === undefined ? {} : { target_url: targetUrl }),
          },
          signal,
        });
      } catch (error) {
        // It refuses a status that is there already, and one that would go back from running to pending.
        if (isCoded(error, 'ForgeRefused') && /Cannot transition status/i.test(error.message)) return;
        throw error;
      }
    },
    async statusesOf(sha, signal) {
      const path = `${base}/repository/commits/${encodeURIComponent(sha)}/statuses`;
      const what = `read the statuses of ${sha}`;
      const states = new Map<string, StatusState>();
      for (const one of await list({ path, purpose: 'statuses', what, signal })) {
        const state = STATES_READ[one.text('status')];
        if (state !== undefined) states.set(one.text('name'), state);
      }
      return states;
    },
    close: () => http.close(),
  };
}
