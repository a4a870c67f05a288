/** Which branches concern a source. */
export interface FollowedBranches {
  /** Absent: the default branch of the repository, whichever that is. */
  readonly branch?: string | undefined;
  /** Where its outcomes go. */
  readonly ledger: string;
}

/**
 * The branch or tag that a webhook is about, where that can't concern the source: our own pushes to the ledger come back as
 * webhooks. Undefined for all others, and for what can't be read: a look too many costs little.
 *
 * Pushes of GitHub, GitLab and Gitea have the full name in `ref`, deletions of a branch too (a push to the commit
 * 0000…). GitHub's and Gitea's `create` and `delete` have the short name, with `ref_type`. The default branch is
 * `repository.default_branch` (GitHub, Gitea) or `project.default_branch` (GitLab).
 */
export function unrelatedRef(body: Buffer, contentType: string, followed: FollowedBranches): string | undefined {
  const payload = payloadOf(body, contentType);
  const ref = fullRef(textOf(payload, 'ref'), textOf(payload, 'ref_type'));
  if (ref === undefined) return undefined;
  const branch =
    followed.branch ??
    textOf(objectOf(payload, 'repository'), 'default_branch') ??
    textOf(objectOf(payload, 'project'), 'default_branch');
  const isRelated = branch === undefined ? ref !== `refs/heads/${followed.ledger}` : ref === `refs/heads/${branch}`;
  return isRelated ? undefined : ref;
}

/** JSON, or GitHub's form with JSON in the field `payload`. */
function payloadOf(body: Buffer, contentType: string): unknown {
  const text = body.toString('utf8');
  const isForm = contentType.startsWith('application/x-www-form-urlencoded');
  try {
    return JSON.parse(isForm ? (new URLSearchParams(text).get('payload') ?? '') : text);
  } catch {
    return undefined;
  }
}

function fullRef(ref: string | undefined, type: string | undefined): string | undefined {
  if (ref === undefined || ref === '') return undefined;
  if (type === 'branch') return `refs/heads/${ref}`;
  if (type === 'tag') return `refs/tags/${ref}`;
  return ref.startsWith('refs/') ? ref : undefined;
}

function objectOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}

function textOf(value: unknown, key: string): string | undefined {
  const text = objectOf(value, key);
  return typeof text === 'string' ? text : undefined;
}
