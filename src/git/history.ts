import { isCoded } from '../errors.ts';
import type { CommitInfo, ObjectReader } from './port.ts';

/** The commit, or undefined beyond the edge of a shallow copy. */
async function readIfThere(reader: ObjectReader, id: string): Promise<CommitInfo | undefined> {
  try {
    return await reader.readCommit(id);
  } catch (error) {
    if (isCoded(error, 'ObjectMissing')) return undefined;
    throw error;
  }
}

/** Commits from `head` back, newest first by their time; ends where a shallow copy ends. */
export async function* walkHistory(reader: ObjectReader, head: string): AsyncGenerator<CommitInfo> {
  const seen = new Set([head]);
  const first = await readIfThere(reader, head);
  const waiting: CommitInfo[] = first ? [first] : [];
  while (waiting.length > 0) {
    const next = waiting.shift()!;
    yield next;
    for (const id of next.parents) {
      if (seen.has(id)) continue;
      seen.add(id);
      const parent = await readIfThere(reader, id);
      if (!parent) continue;
      const at = waiting.findIndex((other) => other.committer.timestamp < parent.committer.timestamp);
      waiting.splice(at < 0 ? waiting.length : at, 0, parent);
    }
  }
}

/** At most `limit` commits of a history, newest first. */
export async function readHistory(reader: ObjectReader, head: string, limit: number): Promise<readonly CommitInfo[]> {
  const commits: CommitInfo[] = [];
  if (limit <= 0) return commits;
  for await (const commit of walkHistory(reader, head)) {
    commits.push(commit);
    if (commits.length >= limit) break;
  }
  return commits;
}

/** Whether `wanted` is `head` or one of its ancestors, as far back as `limit` commits. */
export async function historyContains(
  reader: ObjectReader,
  head: string,
  wanted: string,
  limit: number,
): Promise<boolean> {
  let seen = 0;
  for await (const { id } of walkHistory(reader, head)) {
    if (id === wanted) return true;
    seen += 1;
    if (seen >= limit) return false;
  }
  return false;
}
