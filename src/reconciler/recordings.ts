import { asCoded, type CodedError, isCoded, messageOf, terminalError, transientError } from '../errors.ts';
import type { LedgerView } from '../ledger/port.ts';
import type { RunKey, RunRecord } from '../runner/port.ts';
import type { Outcome, Result } from '../schemas/index.ts';
import { createBatch } from './batch.ts';
import { type RunEnd, runId } from './dispatch.ts';
import { finishedFacts } from './facts.ts';
import { createNewest } from './newest.ts';
import type { Observation, ReconcilerParts } from './ports.ts';
import { answerOf } from './requests.ts';
import { writeWithin } from './write.ts';

/** Puts the outcomes of runs that have ended onto the ledger, beside the passes, and lets go of what they ran in. */
export interface Recordings {
  /** Begins to record a run, once: not one that is being recorded, is recorded, or could not be. */
  start(end: RunEnd, seen: Observation, signal: AbortSignal): void;
  /** Whether its outcome is being recorded, or was and is about to be let go of. */
  isUnderWay(key: RunKey): boolean;
  /** Whether its outcome is in the ledger, though what was seen a moment ago may still show the run. */
  isDone(key: RunKey): boolean;
  /** Whether it could not be recorded here, and is left for another process. */
  isLeft(key: RunKey): boolean;
  /** Whether anything is under way. */
  readonly busy: boolean;
  /** These are shown as live now: of others it need not be remembered that they are done, or left. */
  keep(live: Iterable<RunKey>): void;
  /** Those that were begun here, in the order they ended: the newest `most`. */
  outcomes(): readonly Outcome[];
}

export interface RecordingsOptions {
  readonly parts: ReconcilerParts;
  readonly fail: (error: CodedError, key: RunKey) => void;
  /** Something of this job has changed. */
  readonly changed: (job: string) => void;
  /** How many outcomes are kept for whoever asks afterwards. */
  readonly most: number;
}

/** Runs that are recorded within this time are let go of together. */
const RELEASE_AFTER_MS = 100;

export function createRecordings({ parts, fail, changed, most }: RecordingsOptions): Recordings {
  const underWay = new Set<string>();
  const done = new Set<string>();
  const left = new Set<string>();
  const outcomes = createNewest<Outcome>(most);
  const releases = createBatch<RunKey>(RELEASE_AFTER_MS, (keys) =>
    parts.runner.release(keys, new AbortController().signal),
  );

  /** Old artifacts that stay a while longer keep nothing up. */
  const expire = async (run: RunRecord): Promise<void> => {
    if (run.spec.artifacts === undefined) return;
    try {
      await parts.expireArtifacts?.(run);
    } catch (error) {
      const message = `old artifacts of ${run.job} were not removed: ${messageOf(error)}`;
      parts.emit({ kind: 'trouble', message });
    }
  };

  const record = async (end: RunEnd, seen: Observation, signal: AbortSignal): Promise<void> => {
    const { record: key } = end.run;
    const facts = finishedFacts(parts, end, seen);
    const { outcome } = facts.finished;
    outcomes.add(outcome);
    parts.emit({ kind: 'finished', outcome, previous: previousResult(parts.ledger.latest() ?? seen.view, outcome) });
    try {
      const park = async (): Promise<void> => parts.runner.park?.(key, facts.finished, signal);
      await parts.reached?.('beforeRecord');
      const commit = await writeWithin(parts, { facts: [facts], ...answerOf(outcome) }, signal, park);
      done.add(runId(key));
      await parts.reached?.('afterRecord');
      await releases.add(key);
      parts.emit({ kind: 'recorded', key: { job: outcome.job, run: outcome.run }, commit });
      await expire(end.run.record);
    } catch (error) {
      if (isCoded(error, 'RunAlreadyRecorded')) {
        await releases.add(key);
        parts.emit({ kind: 'refused', key: { job: outcome.job, run: outcome.run } });
      } else left.add(runId(key));
      fail(notRecorded(key, error, signal), key);
    } finally {
      underWay.delete(runId(key));
      changed(key.job);
    }
  };

  return {
    start(end, seen, signal) {
      const id = runId(end.run.record);
      if (underWay.has(id) || done.has(id) || left.has(id)) return;
      underWay.add(id);
      void record(end, seen, signal);
    },
    isUnderWay: (key) => underWay.has(runId(key)),
    isDone: (key) => done.has(runId(key)),
    isLeft: (key) => left.has(runId(key)),
    get busy() {
      return underWay.size > 0;
    },
    keep(live) {
      if (done.size + left.size === 0) return;
      const shown = new Set(Array.from(live, runId));
      for (const ids of [done, left]) for (const id of ids) if (!shown.has(id)) ids.delete(id);
    },
    outcomes: () => outcomes.all(),
  };
}

/** What is ended by `signal` says nothing of why it took so long. */
const notRecorded = ({ job, run }: RunKey, error: unknown, { aborted }: AbortSignal): CodedError =>
  aborted
    ? transientError(
        'NotRecorded',
        `${job} #${run}: it could not be recorded before the end, and is left for whoever comes next`,
      )
    : asCoded(error, (message) => terminalError('NotRecorded', `${job} #${run}: ${message}`));

/** How the job did before: the result of its newest run before this one that was neither skipped nor cancelled. */
function previousResult({ statuses }: Pick<LedgerView, 'statuses'>, { job, run }: Outcome): Result | null {
  const before = statuses
    .get(job)
    ?.lastRuns.filter((known) => known.run < run && known.result !== 'skipped' && known.result !== 'cancelled');
  return before?.toSorted((a, b) => b.run - a.run)[0]?.result ?? null;
}
