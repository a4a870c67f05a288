import type { EntryMode } from '../git/port.ts';

export interface SourceFile {
  /** Path from the root of the repository, with forward slashes. */
  readonly path: string;
  /** The git blob id of the content. */
  readonly id: string;
  readonly mode: EntryMode;
}

/** A source at one revision; nothing of it changes while it is held. */
export interface Snapshot {
  /** A commit's SHA, `<sha>+dirty` for a working tree that differs from it, or `none` without a repository. */
  readonly revision: string;
  /** When the commit was made: RFC 3339, UTC. Absent without a commit, or for a working tree that differs from it. */
  readonly committed?: string;
  /** The YAML files below the source's path that may hold manifests, by path; what is ignored is left out. */
  readonly manifests: readonly SourceFile[];
  /** The file at a path from the root of the repository; undefined when there is none. */
  find(path: string): Promise<SourceFile | undefined>;
  /** The files that match any of the globs (from the root of the repository), by path. */
  match(globs: readonly string[]): Promise<readonly SourceFile[]>;
  /**
   * A file's bytes. Throws CodedError `SymlinkLeaves` (a symbolic link out of the tree, or a loop of them),
   * `FileMissing`, `FileTooLarge` (over 64 MiB).
   */
  read(file: SourceFile): Promise<Uint8Array>;
}

/** A file of a revision as it goes into a workspace. */
export type CheckoutEntry =
  | { readonly kind: 'file'; readonly path: string; readonly executable: boolean; readonly content: Uint8Array }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** Which files of a revision: all, or what globs from the root of the repository name; a folder stands for all that is in it. */
export type CheckoutPaths = true | readonly string[];

export interface SourceDescription {
  /** A directory, or a URL without credentials. */
  readonly location: string;
  readonly branch?: string;
  /** The folder within the repository, `.` for all of it. */
  readonly path: string;
}

/** A branch of a repository on a server. */
export interface GitSource extends Source {
  /** The newest commit of the branch, fetched; what `watch` tells of is not changed by it. Throws like `fetch`. */
  tip(signal: AbortSignal): Promise<string>;
  /** The branch that was read last; null: none was yet. */
  branch(): string | null;
  /**
   * The same folder at one commit, which the server has though the branch need not: the head of a pull request. It is fetched as data,
   * and read once; its `fetch` throws `CommitGone` where the server does not give it, and `CommitTooLarge`. Where the folder is not there, nothing is in it.
   */
  at(commit: string): Source;
}

/** A repository, branch and path that holds manifests. */
export interface Source {
  readonly description: SourceDescription;
  /** The newest revision. Throws when it can't be had; the caller then goes on with the last good one. */
  fetch(signal: AbortSignal): Promise<Snapshot>;
  /**
   * The files of a revision, one after another, read as they are asked for: from its commit; for a folder as they lie in the work
   * tree now, without what git ignores. Throws CodedErrors: `CommitGone`, `FileTooLarge` (over 64 MiB, terminal), and transient ones.
   */
  checkout(revision: string, paths: CheckoutPaths, signal: AbortSignal): AsyncIterable<CheckoutEntry>;
  /** Calls `changed` whenever a fetch may bring something new, until the signal aborts. */
  watch(changed: () => void, signal: AbortSignal): Promise<void>;
}
