import type { CommitStatus, Forge, StatusState } from '../forge/port.ts';
import type { LedgerView } from '../ledger/port.ts';
import type { LedgerPages } from './news.ts';
import { statusContext, statusOf } from './status.ts';

const MOST_COMMITS = 20;
const LOOK_BACK_MS = 6 * 3_600_000;

/** How a state looks beside a commit: forges do not have all of them apart. */
const looksLike = (state: StatusState | undefined): string =>
  state === 'success' ? 'good' : state === 'failure' || state === 'error' ? 'bad' : 'open';

/**
 * The statuses of runs that ended in the last hours, and of which the forge does not know: whoever led before may have gone before it
 * could tell. Of each job only the newest run of a commit counts, and of the commits the newest 20. Throws like the forge and the ledger.
 */
export async function missedStatuses(
  view: Pick<LedgerView, 'statuses' | 'outcome'>,
  source: string,
  pages: LedgerPages,
  forge: Pick<Forge, 'statusesOf'>,
  now: number,
  signal: AbortSignal,
): Promise<readonly CommitStatus[]> {
  const newest = new Map<string, { job: string; run: number; chain: string; finished: string }>();
  for (const { job, lastRuns } of view.statuses.values())
    for (const { run, chain: own, revision, finished } of lastRuns) {
      if (Date.parse(finished) < now - LOOK_BACK_MS) continue;
      const chain = own ?? revision;
      const key = `${chain} ${job}`;
      if ((newest.get(key)?.run ?? 0) < run) newest.set(key, { job, run, chain, finished });
    }
  const byEnd = [...newest.values()].sort((a, b) => b.finished.localeCompare(a.finished));
  const missed: CommitStatus[] = [];
  for (const [sha, runs] of [...Map.groupBy(byEnd, ({ chain }) => chain)].slice(0, MOST_COMMITS)) {
    if (!/^[0-9a-f]{40,64}$/.test(sha)) continue;
    const known = await forge.statusesOf(sha, signal);
    for (const { job, run } of runs) {
      const outcome = await view.outcome(job, run);
      const status = outcome && statusOf({ kind: 'ended', outcome, previous: null }, source, pages);
      if (status && looksLike(known.get(statusContext(source, job))) !== looksLike(status.state)) missed.push(status);
    }
  }
  return missed;
}
