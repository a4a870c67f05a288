import type { Comment, Permission, PullRequest } from './port.ts';

/**
 * What becomes of what a pull request brings: `own`, its head is in the repository itself, so that whoever pushed it may write there;
 * `approved`, somebody who may write has approved this very commit; `unapproved`, nobody has.
 */
export type Trust =
  | { readonly kind: 'own' }
  /** `by`: the login of who has; null: whoever set up the workflow says so. */
  | { readonly kind: 'approved'; readonly by: string | null }
  | { readonly kind: 'unapproved' };

export interface TrustInput {
  readonly pullRequest: Pick<PullRequest, 'isFork'>;
  /** The commit that is to run: all of its hex digits. */
  readonly head: string;
  /** A commit that was approved elsewhere, as by the approval of an environment. */
  readonly approved?: string | undefined;
  /** The comments on the pull request, and what their authors may do as far as it was asked. */
  readonly comments: readonly Pick<Comment, 'author' | 'body'>[];
  readonly permissions: ReadonlyMap<string, Permission>;
}

/** Decides how far a head is trusted. Pure; an approval is for one commit, all of whose digits it names. */
export function trustOf({ pullRequest, head, approved, comments, permissions }: TrustInput): Trust {
  if (!pullRequest.isFork) return { kind: 'own' };
  if (approved !== undefined && approved === head) return { kind: 'approved', by: null };
  const by = approvers(comments, head).find((author) => permissions.get(author) === 'write');
  return by === undefined ? { kind: 'unapproved' } : { kind: 'approved', by };
}

/** The line that approves a commit: the first one of a comment, so that what is quoted or pasted does not. */
export const approvalLine = (sha: string): string => `/runledger ok ${sha}`;

/** Who has written an approval of the commit, each once, the latest first. Whether they may is another question. */
export function approvers(comments: readonly Pick<Comment, 'author' | 'body'>[], head: string): readonly string[] {
  const wanted = approvalLine(head);
  const found = comments.filter(({ author, body }) => author !== '' && body.split('\n', 1)[0]?.trimEnd() === wanted);
  return [...new Set(found.toReversed().map(({ author }) => author))];
}
