import type {
  InvalidManifests,
  JobStatus,
  JudgedManifest,
  ManifestProblem,
  Outcome,
  Request,
  RunnerSetStatus,
} from '../schemas/index.ts';

/** How many runs a status sums up. */
export const LAST_RUNS = 10;

/** The ledger as one commit of its branch holds it. */
export interface LedgerView {
  /** The commit; null while the branch does not exist. */
  readonly head: string | null;
  /** By job name; also those of removed jobs. */
  readonly statuses: ReadonlyMap<string, JobStatus>;
  readonly invalid: InvalidManifests['items'];
  /** What is asked for and not answered yet, by the path of its file; the oldest first. */
  readonly requests: ReadonlyMap<string, FoundRequest>;
  /** The runner sets, by name. */
  readonly runnerSets: ReadonlyMap<string, RunnerSetStatus>;
  /** How a request was answered, as far as the newest `limit` commits tell. */
  answer(id: string, limit: number): Promise<GivenAnswer | undefined>;
  /** What the last commit run of a job executed, as the digest covers it; undefined if there was none. */
  spec(job: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /**
   * What the commit runs with these digests executed, by digest, as far as the newest `limit` commits (and a shallow copy) tell.
   */
  specs(
    job: string,
    digests: Iterable<string>,
    limit: number,
  ): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>>;
  outcome(job: string, run: number): Promise<Outcome | undefined>;
  /** The numbers of the runs in the tree, ascending. */
  runs(job: string): Promise<readonly number[]>;
  /** A file by its path on the ledger, such as `jobs/a3/nightly-report/12.log`. */
  read(path: string): Promise<Uint8Array | undefined>;
}

/** A file below `requests/`. */
export type FoundRequest = {
  /** The name of the file without `.yaml`; the whole name of one that can't be a request. */
  readonly id: string;
  readonly path: string;
  /** What the content is known by. */
  readonly version: string;
} & (
  | { readonly request: Request; readonly problem?: never }
  /** Why it is no request: a sentence, with the place where there is one. */
  | { readonly request?: never; readonly problem: string }
);

/** `executed`: a run that ended; `accepted`: it takes effect; `refused`: nothing came of it. */
export type RequestVerdict = 'executed' | 'accepted' | 'refused';

/** An answer as it stands in the ledger's history. */
export interface GivenAnswer {
  readonly verdict: RequestVerdict;
  readonly message: string;
  readonly commit: string;
}

/** What became of a request. Its file goes with the commit that says so. */
export interface RequestAnswer {
  readonly id: string;
  readonly path: string;
  /** The content that was judged: another one by now stays, to be judged anew. Absent: whatever is there goes. */
  readonly version?: string;
  readonly verdict: RequestVerdict;
  /** A sentence that goes after a colon. */
  readonly message: string;
}

/** A finished run on its way into the ledger. */
export interface FinishedRun {
  readonly outcome: Outcome;
  /** Redacted logs, by path on the ledger. */
  readonly logs: ReadonlyMap<string, Uint8Array>;
  /** How many runs, and for how many milliseconds, stay in the tree; the last one always does. */
  readonly keep: { readonly runs: number; readonly forMs: number };
}

/**
 * What is newly known about a job. Facts, not files: a status is derived from the status on the head and the facts,
 * anew each time a push is re-applied.
 */
export interface JobFacts {
  readonly job: string;
  /** When this became known: RFC 3339, UTC. Becomes lastTransitionTime of conditions that change. */
  readonly at: string;
  readonly manifest?: {
    readonly state: 'valid' | 'invalid' | 'suspended' | 'removed';
    readonly path?: string;
    readonly revision: string;
    readonly problems?: readonly ManifestProblem[];
    readonly judged?: JudgedManifest;
  };
  /** The run that is queued or running now; null: none. */
  readonly active?: { readonly run: number; readonly phase: 'Queued' | 'Running'; readonly waiting?: string } | null;
  /** A commit run started with this digest, which covers this spec. */
  readonly commit?: { readonly digest: string; readonly spec: Readonly<Record<string, unknown>> };
  readonly finished?: FinishedRun;
  /** The digest of a commit run that ended without executing anything. */
  readonly passedOver?: string;
  /** Since when the schedules of the job are what they are; null: it has none now. */
  readonly schedule?: JobStatus['schedule'] | null;
  /** The coming instants of its schedules. */
  readonly next?: readonly string[];
}

export interface LedgerChange {
  readonly facts: readonly JobFacts[];
  /** The whole list as it is now; absent: unchanged. */
  readonly invalid?: readonly ManifestProblem[];
  /** What is newly known about runner sets; null: the set is gone. */
  readonly runnerSets?: ReadonlyMap<string, RunnerSetStatus | null>;
  /** Requests to put down. */
  readonly asked?: readonly { readonly id: string; readonly request: Request }[];
  /** Those for files that are not there (any more) change nothing. */
  readonly answered?: readonly RequestAnswer[];
}

export interface Ledger {
  readonly branch: string;
  /** The newest state; cheap when nothing changed since the last call. */
  read(signal: AbortSignal): Promise<LedgerView>;
  /**
   * What the last `read` or `write` of this process found, without asking anybody. Null before the first, and after a `write`
   * that another writer's push has taken along, until the next `read`.
   */
  latest(): LedgerView | null;
  /**
   * Commits and pushes; resolves once the remote has it. Calls that come while a push is under way go together into the next
   * commit. Resolves to the commit that holds it, or null if it changed nothing and so no commit was made.
   */
  write(change: LedgerChange, signal: AbortSignal): Promise<string | null>;
  /**
   * Brings the README up to date now, if runs have ended since it was written last. A command calls it at its end; a
   * process that goes on need not, as the README follows by itself. Resolves like `write`.
   */
  flush(signal: AbortSignal): Promise<string | null>;
}
