import { isCoded } from '../errors.ts';
import type { ChangedFiles, Forge, Permission, PullRequest } from '../forge/port.ts';
import { approvers, type Trust, trustOf } from '../forge/trust.ts';

/** A pull request as it is gone by, at one of its heads. */
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

/** Which head is meant, where it is not the newest, and what was approved elsewhere. */
export interface SubjectHints {
  readonly head?: string | undefined;
  readonly approved?: string | undefined;
}

/** Reads all that is decided by from the forge. Throws its errors. */
export async function readSubject(
  forge: Forge,
  pullRequest: PullRequest,
  { head = pullRequest.head.sha, approved }: SubjectHints,
  signal: AbortSignal,
): Promise<Subject> {
  const changed = await forge.changedFiles(pullRequest.number, signal);
  const trust = await readTrust(forge, pullRequest, { head, approved }, signal);
  return { pullRequest, head, isStale: head !== pullRequest.head.sha, changed, trust };
}

/** How far a head is trusted, as the forge has it now: one request for the comments of a fork's, one for each who approves. */
export async function readTrust(
  forge: Pick<Forge, 'comments' | 'permissionOf'>,
  pullRequest: PullRequest,
  { head = pullRequest.head.sha, approved }: SubjectHints,
  signal: AbortSignal,
): Promise<Trust> {
  const comments = pullRequest.isFork ? await forge.comments(pullRequest.number, signal) : [];
  const permissions = new Map<string, Permission>();
  for (const author of approvers(comments, head).slice(0, MOST_ASKED))
    permissions.set(author, await permissionOf(forge, author, signal));
  return trustOf({ pullRequest, head, approved, comments, permissions });
}

/** What can't be asked is not known, and counts for nothing. */
async function permissionOf(
  forge: Pick<Forge, 'permissionOf'>,
  user: string,
  signal: AbortSignal,
): Promise<Permission> {
  try {
    return await forge.permissionOf(user, signal);
  } catch (error) {
    if (isCoded(error, 'ForgeForbidden')) return 'none';
    throw error;
  }
}
