import type { Job, JobOutline, JudgedManifest, ManifestProblem, RunnerSet } from '../schemas/index.ts';

/** A place in a manifest file; lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A valid Job manifest of a revision. */
export interface DesiredJob {
  readonly name: string;
  /** What decides when and where it runs: all that a pass reads of a job that has nothing to do. */
  readonly outline: JobOutline;
  /** The document as it was written, without defaults. Of one that the ledger knows it is parsed when it is asked for. */
  readonly manifest: Job;
  /** The file that holds it, from the root of the repository. */
  readonly path: string;
  readonly position: Position;
  /** `v1:` + SHA-256 of the canonical JSON of what the job executes. */
  readonly digest: string;
  /** What the ledger may keep, so that the same content need not be judged again; absent: it depends on more than one file's content. */
  readonly judged?: JudgedManifest;
}

/** Manifests with a known job name that can't run as they stand. */
export interface InvalidJob {
  readonly name: string;
  readonly path: string;
  readonly problems: readonly ManifestProblem[];
}

/** Everything that a revision says. */
export interface Catalog {
  readonly revision: string;
  /** The chain that its commit runs belong to: the revision, and what it holds where the revision alone does not say that. */
  readonly chain: string;
  readonly jobs: ReadonlyMap<string, DesiredJob>;
  readonly runnerSets: ReadonlyMap<string, RunnerSet>;
  readonly invalidJobs: ReadonlyMap<string, InvalidJob>;
  /** Problems of documents that can't be attributed to a job, those of `brokenFiles` included: for `invalid.yaml`. */
  readonly problems: readonly ManifestProblem[];
  /** Files that hold manifests, or did, and do not parse now: their jobs are Invalid, not removed. */
  readonly brokenFiles: ReadonlyMap<string, readonly ManifestProblem[]>;
}

export type { Job, ManifestProblem, RunnerSet };
