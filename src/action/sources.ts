import { usageError } from '../errors.ts';
import type { Repository } from '../git/repository.ts';
import type { Snapshot, Source } from '../sources/port.ts';

/**
 * The jobs of one revision with the files of another: for a head whose own jobs nobody has approved. What was read first stays: jobs
 * that come to the base later were judged by nobody.
 */
export function withFilesOf(jobs: Source, files: Source): Source {
  let first: Snapshot | undefined;
  return {
    description: jobs.description,
    fetch: async (signal) => (first ??= await jobs.fetch(signal)),
    checkout: (revision, paths, signal) => files.checkout(revision, paths, signal),
    watch: async () => undefined,
  };
}

/** What the work tree has to be of. */
export interface WantedHead {
  readonly number: number;
  readonly sha: string;
  /** The commit by which the platform merges it with its base, where the event is for that one. */
  readonly merge: string | undefined;
}

/**
 * Makes sure that the work tree is of this head, and not of one that came later, of the base, or of somebody's commit on top of it.
 * Throws `WrongCheckout` (usage).
 */
export async function checkHead(
  repository: Pick<Repository, 'head' | 'readCommit'>,
  { number, sha, merge }: WantedHead,
): Promise<void> {
  const { commit } = await repository.head();
  if (commit === sha) return;
  if (commit !== null && commit === merge && (await repository.readCommit(commit)).parents.includes(sha)) return;
  throw usageError(
    'WrongCheckout',
    `the work tree is at ${commit ?? 'no commit'}, and pull request ${number} at ${sha}`,
    { hint: `give actions/checkout ref: refs/pull/${number}/head, and run again if the pull request has moved on` },
  );
}
