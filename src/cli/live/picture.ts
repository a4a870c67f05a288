import type { Readable } from 'node:stream';
import type { LedgerView } from '../../ledger/port.ts';
import type { RunnerSetStatus, RunSummary, Trigger } from '../../schemas/index.ts';

/** An attempt of a task as it is seen from outside. */
export interface GoingTask {
  readonly task: string;
  readonly attempt: number;
  readonly phase: 'starting' | 'running' | 'ended';
  /** When its first step began, and when it ended: RFC 3339. */
  readonly started: string | null;
  readonly finished: string | null;
  readonly pod?: string;
  readonly node?: string;
}

/** A run that is claimed and not in the ledger. */
export interface GoingRun {
  readonly job: string;
  readonly run: number;
  readonly trigger: Trigger;
  readonly revision: string;
  /** RFC 3339, UTC. */
  readonly queued: string;
  readonly isCancelled: boolean;
  /** None: it waits. */
  readonly tasks: readonly GoingTask[];
}

/** The runners of a set that are there now. */
export interface SetCount {
  readonly idle: number;
  readonly busy: number;
  readonly starting: number;
}

/** A runner set: what the ledger says of it, and what is there now; null: nobody can look, or not known. */
export interface SetPicture {
  readonly set: string;
  readonly status: RunnerSetStatus | null;
  readonly now: SetCount | null;
}

/** Where runs that go on are looked at: a machine's state folder, or a namespace. Looking changes nothing. */
export interface LiveReader {
  list(signal: AbortSignal): Promise<readonly GoingRun[]>;
  /** The runners of each set that has any. Absent where there can be none. */
  sets?(): ReadonlyMap<string, SetCount>;
  /**
   * The output folder of a task that runs, as a tar. `ended` settles once the stream is at its end, with what a person should
   * know.
   */
  output(
    run: GoingRun,
    task: GoingTask,
    signal: AbortSignal,
  ): Promise<{ readonly stream: Readable; readonly ended: Promise<readonly string[]> }>;
  close(): Promise<void>;
}

export interface EndedRun extends RunSummary {
  readonly job: string;
}

/** What goes on and what has ended, as of one look. */
export interface Picture {
  /** RFC 3339, UTC. */
  readonly at: string;
  /** By job and number. */
  readonly going: ReadonlyMap<string, GoingRun>;
  /** Those that the statuses sum up, by job and number. */
  readonly ended: ReadonlyMap<string, EndedRun>;
  /** What a run of the job waits for, where the ledger says so, by job. */
  readonly waits: ReadonlyMap<string, string>;
  /** By name. */
  readonly sets: readonly SetPicture[];
}

export const idOf = ({ job, run }: { readonly job: string; readonly run: number }): string => `${job}/${run}`;

/** Puts together what is claimed and what is recorded; `job`: of this one alone; `counts`: the runners that are there. Pure. */
export function pictureOf(
  live: readonly GoingRun[],
  view: Pick<LedgerView, 'statuses' | 'runnerSets'>,
  at: string,
  job: string | undefined,
  counts?: ReadonlyMap<string, SetCount>,
): Picture {
  const statuses = [...view.statuses.values()].filter((status) => job === undefined || status.job === job);
  const ended = statuses.flatMap(({ job: name, lastRuns }) =>
    lastRuns.map((run): EndedRun => Object.assign({ job: name }, run)),
  );
  const oldest = new Map(statuses.map(({ job: name, lastRuns }) => [name, lastRuns.at(-1)?.run ?? 0]));
  const known = new Map(ended.map((run) => [idOf(run), run]));
  // A claim may outlive its run.
  const going = live.filter(
    (run) => (job === undefined || run.job === job) && !known.has(idOf(run)) && run.run > (oldest.get(run.job) ?? 0),
  );
  return {
    at,
    going: new Map(going.map((run) => [idOf(run), run])),
    ended: known,
    sets: setsOf(view, counts),
    waits: new Map(statuses.flatMap(({ job: name, waiting }) => (waiting === undefined ? [] : [[name, waiting]]))),
  };
}

function setsOf(
  { runnerSets }: Pick<LedgerView, 'runnerSets'>,
  counts: ReadonlyMap<string, SetCount> | undefined,
): readonly SetPicture[] {
  const names = [...new Set([...runnerSets.keys(), ...(counts?.keys() ?? [])])].sort();
  const none = { idle: 0, busy: 0, starting: 0 };
  return names.map((set) => ({
    set,
    status: runnerSets.get(set) ?? null,
    now: counts ? (counts.get(set) ?? none) : null,
  }));
}
