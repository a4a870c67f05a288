import type { ForgeKind } from './address.ts';

/** A pull request, or merge request, as its forge tells it now. */
export interface PullRequest {
  readonly number: number;
  readonly title: string;
  /** The login of whoever opened it. */
  readonly author: string;
  /** Its web page. */
  readonly url: string;
  readonly head: {
    /** The commit that it proposes: 40 or 64 hex digits. */
    readonly sha: string;
    /** The branch, without `refs/heads/`. */
    readonly ref: string;
    /** The URL to clone the head's repository from; null: it is gone, or may not be seen. */
    readonly repository: string | null;
    /** The ref of the base's repository that holds the head, such as `refs/pull/7/head`. */
    readonly fetchRef: string;
  };
  readonly base: {
    /** The commit of the base's branch, as the forge knows it. */
    readonly sha: string;
    readonly ref: string;
  };
  /** Whether the head is in another repository: whoever opened it need not be able to write to this one. */
  readonly isFork: boolean;
  /** Neither closed nor merged. */
  readonly isOpen: boolean;
  /** When anything about it changed last, comments included: RFC 3339; forges count in seconds. */
  readonly updated: string;
}

/** The files that differ between base and head. */
export interface ChangedFiles {
  /** From the root; of a renamed file both paths. In the forge's order. */
  readonly paths: readonly string[];
  /** False: the forge does not tell all of a change this large. */
  readonly isComplete: boolean;
}

export interface Comment {
  readonly id: number;
  /** The login of whoever wrote it. */
  readonly author: string;
  /** Whether a bot of the forge wrote it, such as a workflow. */
  readonly isBot: boolean;
  readonly body: string;
  /** RFC 3339: when it was written, and when last changed. */
  readonly created: string;
  readonly updated: string;
}

/** What a user may do in the repository; `none` also for one who does not exist. */
export type Permission = 'write' | 'read' | 'none';

export type StatusState = 'pending' | 'running' | 'success' | 'failure' | 'error';

/** What stands beside a commit. A later one with the same context takes its place. */
export interface CommitStatus {
  readonly sha: string;
  /** Its name, such as `runledger/nightly-report`. */
  readonly context: string;
  readonly state: StatusState;
  /** A line; it is cut to what the forge takes. */
  readonly description: string;
  /** The page that it links to. */
  readonly targetUrl?: string | undefined;
}

/**
 * A repository on a forge. Every failure is a CodedError without credentials: `ForgeUnauthorized`, `ForgeForbidden`, `ForgeNotFound`,
 * `ForgeRefused`, `ForgeMoved` (terminal: they say what to do), `ForgeLimited` (transient, with `retryAfterMs`), `ServerError`,
 * `NotForge`, `AnswerTooLarge`, `Timeout`, `ConnectionFailed`, `Cancelled` (transient), and `CertificateInvalid`.
 */
export interface Forge {
  readonly kind: ForgeKind;
  /** `owner/name`. */
  readonly project: string;
  pullRequest(number: number, signal: AbortSignal): Promise<PullRequest>;
  /** The open ones, newest first. */
  openPullRequests(signal: AbortSignal): Promise<readonly PullRequest[]>;
  changedFiles(number: number, signal: AbortSignal): Promise<ChangedFiles>;
  /** The comments on a pull request, oldest first, without those on lines of code. */
  comments(number: number, signal: AbortSignal): Promise<readonly Comment[]>;
  /**
   * Keeps one comment of a pull request up to date: the one of ours that begins with `marker` gets this body, and where there is
   * none it is made. What others write with the marker is never touched. `body` has to begin with the marker.
   */
  upsertComment(number: number, marker: string, body: string, signal: AbortSignal): Promise<Comment>;
  permissionOf(user: string, signal: AbortSignal): Promise<Permission>;
  setStatus(status: CommitStatus, signal: AbortSignal): Promise<void>;
  /** What stands beside a commit: the newest state of each context, in the port's words as far as the forge has them apart. */
  statusesOf(sha: string, signal: AbortSignal): Promise<ReadonlyMap<string, StatusState>>;
  close(): Promise<void>;
}
