import { isCoded } from '../errors.ts';
import type { ChangedFiles, Forge, Permission, PullRequest } from '../forge/port.ts';
import { approvers, type Trust, trustOf } from '../forge/trust.ts';
import type { ActionEvent } from './event.ts';

/** A pull request as a step goes by it. */
export interface Subject {
  readonly pullRequest: PullRequest;
  /** The commit that runs. */
  readonly head: string;
  /** Whether the pull request has moved on since. */
  readonly isStale: boolean;
  readonly changed: ChangedFiles;
  readonly trust: Trust;
}

/** Comments are anybody's: of so many authors it is asked what they may do, the latest first. */
const MOST_ASKED = 10;

/** Reads all that is decided by from the forge. Throws its errors. */
export async function readSubject(
  forge: Forge,
  { number, head: told }: NonNullable<ActionEvent['pullRequest']>,
  approved: string | undefined,
  signal: AbortSignal,
): Promise<Subject> {
  const pullRequest = await forge.pullRequest(number, signal);
  const head = told ?? pullRequest.head.sha;
  const changed = await forge.changedFiles(number, signal);
  const comments = pullRequest.isFork ? await forge.comments(number, signal) : [];
  const permissions = new Map<string, Permission>();
  for (const author of approvers(comments, head).slice(0, MOST_ASKED))
    permissions.set(author, await permissionOf(forge, author, signal));
  return {
    pullRequest,
    head,
    isStale: head !== pullRequest.head.sha,
    changed,
    trust: trustOf({ pullRequest, head, approved, comments, permissions }),
  };
}

/** What can't be asked is not known, and counts for nothing. */
async function permissionOf(forge: Forge, user: string, signal: AbortSignal): Promise<Permission> {
  try {
    return await forge.permissionOf(user, signal);
  } catch (error) {
    if (isCoded(error, 'ForgeForbidden')) return 'none';
    throw error;
  }
}
