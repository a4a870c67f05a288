import type { Catalog, DesiredJob } from '../job/model.ts';
import type { FinishedRun, Ledger, LedgerView } from '../ledger/port.ts';
import type { AttemptStart, LiveRun, OutputLine, RunFile, RunKey, Runner, RunRecord } from '../runner/port.ts';
import type { JobDefaults, JudgedManifest, Outcome, PlannedAction, Result, Trigger } from '../schemas/index.ts';
import type { Snapshot, Source } from '../sources/port.ts';
import type { RunEnd, RunWait } from './dispatch.ts';
import type { RunRequest } from './plan.ts';
import type { PullRequestOrder } from './pull-request.ts';
import type { Capacities } from './queue/index.ts';

export type Covered = Readonly<Record<string, unknown>>;

/** What the ledger says of manifests. */
export interface KnownManifests {
  /** Paths that held manifests. */
  readonly knownFiles: ReadonlySet<string>;
  /** What was found in the file at a path, and for which job. */
  readonly judged: (path: string) => { readonly name: string; readonly judged: JudgedManifest } | undefined;
}

/** Builds catalogs of one source, one after another; what did not change between two snapshots is not read again. */
export interface CatalogBuilder {
  build(snapshot: Snapshot, known: KnownManifests): Promise<Catalog>;
}

/** What happens, for whoever shows it; nothing depends on it. */
export type ReconcilerEvent =
  | { readonly kind: 'planned'; readonly revision: string; readonly actions: readonly PlannedAction[] }
  | { readonly kind: 'claimed'; readonly action: PlannedAction; readonly chain: string }
  | {
      readonly kind: 'started';
      readonly key: RunKey;
      readonly trigger: Trigger['kind'];
      readonly chain: string;
      readonly attempts: readonly AttemptStart[];
      /** Whether these are the first attempts of the run. */
      readonly first: boolean;
      /** Since when the run waited: RFC 3339, UTC. */
      readonly queued: string;
    }
  /** After each pass: the runs that have not begun. */
  | { readonly kind: 'waiting'; readonly waits: readonly RunWait[] }
  | { readonly kind: 'output'; readonly line: OutputLine }
  | {
      readonly kind: 'finished';
      readonly outcome: Outcome;
      /** The result of the newest run before it that was neither skipped nor cancelled; null: none is known. */
      readonly previous: Result | null;
    }
  | { readonly kind: 'recorded'; readonly key: RunKey; readonly commit: string | null }
  /** The ledger has another ending of the run already: this one is not recorded. */
  | { readonly kind: 'refused'; readonly key: RunKey }
  | {
      readonly kind: 'passed';
      readonly ms: number;
      readonly failed: boolean;
      /** As the pass has found them: those that have begun and are not let go of, and those that wait. */
      readonly runs: { readonly active: number; readonly queued: number };
    }
  | { readonly kind: 'notice'; readonly message: string }
  | {
      readonly kind: 'trouble';
      readonly message: string;
      /** The run that it is about, and the code of the error, where there is one. */
      readonly key?: RunKey;
      readonly code?: string;
    };

/** Awaits of a pass, and of the write of an outcome, at which a test may end the process. */
export const RECORD_POINTS = ['betweenReads', 'afterReads', 'beforeRecord', 'afterRecord'] as const;
export type RecordPoint = (typeof RECORD_POINTS)[number];

export interface ReconcilerParts {
  readonly source: Source;
  readonly ledger: Ledger;
  readonly runner: Runner;
  readonly catalogs: CatalogBuilder;
  readonly now: () => Date;
  /** Called at the awaits of a pass and around the write of an outcome; tests end the process there. */
  readonly reached?: ((point: RecordPoint) => Promise<void>) | undefined;
  /** How long a ledger that can't be written is tried before a run is left where it is, for a later pass. */
  readonly recordForMs: number;
  /** How long what a finished run ran in waits for its outcome to be written. */
  readonly holdPodsForMs: number;
  /** How often the ledger is asked whether something is requested there. */
  readonly ledgerEveryMs: number;
  /** How many runs may be claimed and not yet recorded at a time; what is due beyond it stays due. */
  readonly mostLive: number;
  /**
   * Runs `work` while no other process plans and starts runs of this source here: what is claimed and what is
   * recorded has to be read, decided on and claimed in one go.
   */
  readonly inTurn: <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;
  readonly emit: (event: ReconcilerEvent) => void;
  /** What the digest of a job covers, kept on the ledger so that a later plan can say which fields changed. */
  readonly covered: (job: DesiredJob, snapshot: Snapshot) => Promise<Covered>;
  readonly changedFields: (before: Covered, after: Covered) => readonly string[];
  /** All parameter values of a run: the request's over the defaults. Throws CodedError (usage) for one that is not allowed. */
  readonly params: (job: DesiredJob, given: Readonly<Record<string, string>>) => Readonly<Record<string, string>>;
  /** The files that a run mounts, read from the snapshot. */
  readonly files: (job: DesiredJob, snapshot: Snapshot) => Promise<readonly RunFile[]>;
  /** The outcome, with its logs, of a run that has ended; `unstarted`: how tasks ended that no attempt speaks for. */
  readonly finish: (run: LiveRun, unstarted: RunEnd['unstarted'], finished: string) => FinishedRun;
  /** Removes artifacts of the run's job that were kept for long enough; called when the run is in the ledger. */
  readonly expireArtifacts?: ((record: RunRecord) => Promise<void>) | undefined;
  /** The configuration's settings for jobs that have none of their own. */
  readonly defaults?: JobDefaults | undefined;
  /** What the queue may give out. */
  readonly capacities: () => Capacities;
}

/** Desired and actual, read together. */
export interface Observation {
  readonly snapshot: Snapshot;
  readonly catalog: Catalog;
  readonly view: LedgerView;
  /** Whether the ledger was read just now; if not, nothing starts on it. */
  readonly fresh: boolean;
  readonly live: readonly LiveRun[];
  /** Runs that are in the ledger, and that nobody has let go of yet. */
  readonly recorded: readonly RunKey[];
}

export interface SettleOptions {
  /** False: the requests below alone make runs; those on the ledger wait for somebody else. */
  readonly triggers: boolean;
  readonly requests: readonly RunRequest[];
  /** True: go on when nothing is left to do, until stopped. */
  readonly goOn?: boolean;
  /** Limits planning to these jobs; absent: all. */
  readonly jobs?: ReadonlySet<string>;
  /** The source is the head of this pull request: it alone, and requests, make runs; statuses come of what ran only. */
  readonly pullRequest?: PullRequestOrder;
}
