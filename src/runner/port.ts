import type { Task } from '../job/fan-out.ts';
import type {
  ArchiveReference,
  Artifact,
  Job,
  LogUpload,
  Outcome,
  Reason,
  Result,
  RunnerSet,
  Trigger,
} from '../schemas/index.ts';

/** What identifies a run within a source. */
export interface RunKey {
  readonly job: string;
  readonly run: number;
}

/**
 * A run as it was planned. It is stored with the claim, so that whoever finds the run can finish and record it
 * without the manifest, which may have changed or gone by then.
 */
export interface RunRecord extends RunKey {
  readonly trigger: Trigger;
  readonly revision: string;
  /** The manifest's file, from the root of the repository. */
  readonly path: string;
  readonly digest: string;
  /** What the digest covers; kept on the ledger so that a later plan can say which fields changed. */
  readonly covered: Readonly<Record<string, unknown>>;
  /** The manifest's spec as written, parameters replaced by this run's. */
  readonly spec: Job['spec'];
  readonly labels: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  /** Arguments after `--` on the command line: appended to the last step's command. */
  readonly args: readonly string[];
  readonly requestedBy?: string;
  /** The run that this one was asked for as a rerun of. */
  readonly rerunOf?: number;
  /** The names of the only tasks that it executes; absent: all of the fan-out. */
  readonly tasks?: readonly string[];
  /** The scripts that the controller's configuration puts around those of every job. */
  readonly defaultHooks?: { readonly before?: string; readonly after?: string; readonly shutdown?: string };
  /** What the runs that it needed ended with, by job; only where the job has needs. */
  readonly needs?: Readonly<Record<string, UpstreamRun>>;
  readonly chain: string;
  /** RFC 3339, UTC. */
  readonly queued: string;
}

/** One unit of a run's fan-out, as job/fan-out.ts derives it from the spec. */
export type RunTask = Task;

/** A run that another one needed. */
export interface UpstreamRun {
  readonly run: number;
  readonly result: Result;
  readonly vars: Readonly<Record<string, string>>;
}

/** A file that the run mounts, with its content resolved. */
export interface RunFile {
  /** Below the run's files folder, or absolute. */
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

/** How an attempt ended, as it was seen: facts only. src/outcome judges them. */
export type AttemptEnding =
  | { readonly kind: 'exited'; readonly step: string; readonly exitCode: number }
  | { readonly kind: 'signalled'; readonly step: string; readonly signal: string }
  | {
      readonly kind: 'timeout';
      readonly timeout: 'run' | 'step' | 'finally';
      readonly step: string;
      readonly exitCode: number | null;
      readonly limit: string;
    }
  | { readonly kind: 'startError'; readonly step: string; readonly message: string }
  | { readonly kind: 'secretMissing'; readonly message: string }
  /** The conditions of all its steps say no: nothing was started. */
  | { readonly kind: 'nothingToDo'; readonly skipped: readonly string[] }
  | { readonly kind: 'cancelled'; readonly reason: Reason; readonly step: string | null }
  /** The kernel killed it for its memory, whatever exit code it left. */
  | { readonly kind: 'oomKilled'; readonly step: string; readonly exitCode: number }
  /** Something other than the program or we ended it, or kept it from starting: `error` with this reason. */
  | { readonly kind: 'infrastructure'; readonly reason: Reason; readonly message: string; readonly step: string | null }
  | { readonly kind: 'lost'; readonly message: string };

/** What the output of an attempt amounted to, after redaction. */
export interface AttemptOutput {
  /** The log as it goes to the ledger: redacted and bounded. */
  readonly log: Uint8Array;
  readonly complete: boolean;
  /** What of the output could not be had, and why; absent: all of it came, and what the log lacks was left out for its size. */
  readonly missing?: string;
  /** The whole log in the artifact store; absent where it was not to be there. */
  readonly upload?: LogUpload;
  readonly vars: Readonly<Record<string, string>>;
  readonly annotations: readonly { level: 'warning' | 'error'; file?: string; line?: number; message: string }[];
  readonly warnings: readonly string[];
}

/** What became of the artifacts of an attempt. */
export interface AttemptArtifacts {
  /** Absent where there was nothing to keep. */
  readonly archive?: ArchiveReference;
  readonly files: readonly Artifact[];
  readonly warnings: readonly string[];
}

export interface AttemptState {
  readonly task: string;
  readonly number: number;
  readonly started: string | null;
  readonly finished: string | null;
  /** The pod or process it ran as, and where. */
  readonly pod?: string;
  readonly node?: string;
  /** Null while it runs. */
  readonly ending: AttemptEnding | null;
  /** Null while it runs. */
  readonly output: AttemptOutput | null;
  /** Absent while it runs, where its job keeps none, and where nobody could see to them. */
  readonly artifacts?: AttemptArtifacts;
}

/** An outcome that waits for a ledger that can't be written, kept where the run was claimed. */
export interface ParkedOutcome {
  readonly outcome: Outcome;
  /** By path on the ledger. */
  readonly logs: ReadonlyMap<string, Uint8Array>;
  readonly keep: { readonly runs: number; readonly forMs: number };
}

/** A run that has been claimed and is not released yet. Whether it waits, runs or has ended follows from its attempts. */
export interface LiveRun {
  readonly record: RunRecord;
  /**
   * Whether it is this process's to go on with: false while another live process executes it, or has executed it and is
   * about to record it.
   */
  readonly mine: boolean;
  /** Every attempt that was made, those that run included. */
  readonly attempts: readonly AttemptState[];
  /** False: only its number is claimed; what it executes has still to be put down with it. */
  readonly held: boolean;
  /** True: of what it executes no more is known than its digest; who has the same spec can claim it anew. */
  readonly partial?: boolean;
  /** Why it is to end, once somebody has said so; it lasts like the claim. */
  readonly cancelled?: Reason;
  /** Who has said so, where it was a person. */
  readonly cancelledBy?: string;
  /** How it ended, as it was put down before what it ran in was let go. */
  readonly parked?: ParkedOutcome;
}

/** An attempt that is to be made. */
export interface AttemptStart {
  readonly task: RunTask;
  /** Counts from 1 for each task. */
  readonly number: number;
}

/** One line of a run's output as it passes by, after redaction; for whoever shows it live. */
export interface OutputLine {
  readonly key: RunKey;
  readonly at: string;
  readonly step: string;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

/** A runner set as it is to be kept now. */
export interface PoolOrder {
  readonly set: RunnerSet;
  /** What its schedule asks for now; 0 outside of all windows. */
  readonly scheduledMin: number;
}

/** A pool of runners at a moment. */
export interface PoolState {
  readonly set: string;
  readonly minRunners: number;
  readonly maxRunners: number;
  readonly scheduledMin: number;
  readonly slots: number;
  readonly desired: number;
  readonly idle: number;
  readonly busy: number;
  readonly starting: number;
  /** Tries to start one that have failed in a row. */
  readonly failing: number;
  /** Attempts that have a runner, or wait for one. */
  readonly assigned: number;
  /** Of these, the ones that wait. */
  readonly waiting: number;
  /** Whether it can start runners; if not, why: a reason in CamelCase and a sentence. */
  readonly ready: { readonly status: boolean; readonly reason: string; readonly message: string };
}

/** What happens in a pool, for whoever counts. Durations are seconds. */
export type PoolEvent =
  | { readonly kind: 'state'; readonly state: PoolState }
  /** From the request to the runner being ready. */
  | { readonly kind: 'ready'; readonly set: string; readonly seconds: number }
  | { readonly kind: 'failed'; readonly set: string; readonly reason: Reason }
  /** From the claim of a runner to its having taken the attempt. */
  | { readonly kind: 'handed'; readonly set: string; readonly seconds: number }
  /** From the claim of a runner to the first that the attempt printed. */
  | { readonly kind: 'spoke'; readonly set: string; readonly seconds: number }
  | { readonly kind: 'gone'; readonly set: string };

/** What a runner tells while it works; none of it is needed for correctness. */
export interface RunnerEvents {
  /** Something about this run changed: look at it again. */
  changed(key: RunKey): void;
  /** Absent: nobody looks on. */
  readonly output?: (line: OutputLine) => void;
  pool?(event: PoolEvent): void;
}

/** What somebody who looks at a run where it runs may want to know. */
export interface RunNotice {
  readonly key: RunKey;
  readonly kind: 'started' | 'ended' | 'trouble';
  readonly isWell: boolean;
  /** One word in CamelCase. */
  readonly reason: string;
  /** A sentence. */
  readonly message: string;
}

/** A way to run: local processes, or pods of a cluster. */
export interface Runner {
  readonly kind: 'process' | 'kubernetes';
  /** Whether runs go on when this process ends, for another one to find and record. */
  readonly outlives: boolean;
  /** Fields of the spec that this runner can't honour and so refuses the job, as `spec.services`; empty when it runs. */
  refuses(spec: Job['spec']): readonly string[];
  /** Fields that mean nothing to this runner and are passed over, as `spec.image`. */
  ignores(spec: Job['spec']): readonly string[];
  /**
   * Every run that is claimed and not released, found afresh from what is durable; attempts whose executor died have ended as
   * `lost`.
   */
  list(signal: AbortSignal): Promise<readonly LiveRun[]>;
  /**
   * Claims the number of the run, create-only. A claim of the same trigger that is ours to go on with, a former process's included, is
   * this run, whatever its digest: what has not been put down is executed as the job is by now. `exists`: it is claimed already, for
   * another trigger or by another process. Where something else is put down with it, that counts: `exists` here, or start() goes by it.
   */
  claim(record: RunRecord, signal: AbortSignal): Promise<'claimed' | 'exists'>;
  /**
   * Puts down what a claimed run executes, if that is not there yet, and makes these attempts: none for a run that has to wait.
   * An attempt that was made before is never made again. What keeps one from starting for good is its ending; anything else
   * is thrown, and the call can be repeated. `isRecorded` asks the ledger afresh for an outcome of the run, for a runner that
   * may take up what another process has claimed.
   */
  start(
    record: RunRecord,
    files: readonly RunFile[],
    attempts: readonly AttemptStart[],
    signal: AbortSignal,
    isRecorded: () => Promise<boolean>,
  ): Promise<void>;
  /**
   * Asks attempts that run to end (TERM, grace, KILL); their ending is then `cancelled` with this reason. `tasks`: of
   * these alone, and the run goes on; absent: the run is to end, which is durable. `by`: the person who asked for it, for the
   * outcome; it lasts like the reason.
   */
  cancel(key: RunKey, reason: Reason, tasks?: readonly string[], by?: string): Promise<void>;
  /**
   * Puts an outcome down with the claim and lets go of everything else, so that nothing hangs on a ledger that can't be
   * written. Absent where an ended run holds nothing up.
   */
  park?(key: RunKey, outcome: ParkedOutcome, signal: AbortSignal): Promise<void>;
  /**
   * Forgets runs whose outcome is in the ledger, or that need none. What is left of them may go a moment later, together with
   * what others leave.
   */
  release(keys: readonly RunKey[], signal: AbortSignal): Promise<void>;
  /**
   * Keeps these runner sets from now on. A set that is not among them is drained, if `complete` says that no further ones are
   * written anywhere. Absent where there are no sets: what would run on one runs as anything else does.
   */
  keep?(sets: readonly PoolOrder[], complete: boolean): void;
  /** The runner sets that are kept, as they are now. */
  pools?(): readonly PoolState[];
  /** Removes now what is left of released runs. Absent where release waits for nothing. */
  flush?(): Promise<void>;
  /** Tells of a run where it runs, as well as it can and without waiting. Absent where nobody would look. */
  announce?(notice: RunNotice): void;
  /** Ends whatever this process still executes and waits for it, within the grace. */
  close(reason: Reason): Promise<void>;
  /** Kills what this process executes, at once and without waiting: for a process that is about to exit. */
  kill?(): void;
}
