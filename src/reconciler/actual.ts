import type { LedgerView } from '../ledger/port.ts';
import type { LiveRun, RunKey } from '../runner/port.ts';
import { isDeepStrictEqual } from 'node:util';
import type { LedgerReading } from './ledger-reader.ts';
import type { Observation, ReconcilerParts } from './ports.ts';

/** The runs that an observation without an executor handles. */
export const nobody = (): boolean => false;

/**
 * What is claimed is read before what is recorded: a run that is recorded and then released in between is seen in the
 * ledger; the other way round it would be seen nowhere, and run again. `read` reads the ledger, and whatever else has to be
 * read after the claims.
 */
export async function actual<Reading extends LedgerReading>(
  parts: ReconcilerParts,
  read: () => Promise<Reading>,
  handled: (key: RunKey) => boolean,
  signal: AbortSignal,
): Promise<Reading & Pick<Observation, 'live' | 'recorded'>> {
  const claimed = await parts.runner.list(signal);
  await parts.reached?.('betweenReads');
  const reading = await read();
  await parts.reached?.('afterReads');
  const live: LiveRun[] = [];
  const recorded: RunKey[] = [];
  for (const run of claimed) {
    // What is being recorded here is not looked up: with a thousand runs ending, every pass would read all their outcomes.
    if (!handled(run.record) && (await isRecorded(run, reading.view))) recorded.push(run.record);
    else live.push(run);
  }
  return { ...reading, live, recorded };
}

/** Whether a ledger holds requests that an earlier state of it did not. */
export const hasNewRequests = (now: LedgerView | null, before: LedgerView): boolean =>
  now !== null &&
  now.requests !== before.requests &&
  [...now.requests].some(([path, { version }]) => before.requests.get(path)?.version !== version);

/** Whether the ledger has the outcome of a run that is still claimed: whoever recorded it was cut off before it let go of it. */
async function isRecorded({ mine, record }: LiveRun, view: LedgerView): Promise<boolean> {
  const status = view.statuses.get(record.job);
  if (!mine || (status?.nextRun ?? 1) <= record.run) return false;
  const [newest] = status?.lastRuns ?? [];
  if ((newest?.run ?? 0) < record.run) return false; // its number is known, and not how it ended
  const outcome = await view.outcome(record.job, record.run);
  // What a claim alone says of the spec may be older than what was executed.
  return outcome !== undefined && isDeepStrictEqual(outcome.trigger, record.trigger);
}
