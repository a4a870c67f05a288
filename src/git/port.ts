/** Git objects and refs as the rest of the program sees them. Object ids are 40 lower-case hex digits (SHA-1). */

export type ObjectType = 'blob' | 'tree' | 'commit' | 'tag';

/** The modes git knows: file, executable, symbolic link, directory, submodule. */
export type EntryMode = '100644' | '100755' | '120000' | '040000' | '160000';

export interface TreeEntry {
  readonly mode: EntryMode;
  /** The name within its folder, without slashes. */
  readonly name: string;
  readonly id: string;
}

export interface CommitInfo {
  readonly id: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly message: string;
  readonly author: Signature;
  /** Who made the commit as it is, and when: a rebase or an amendment keeps the author's time. */
  readonly committer: Signature;
}

export interface Signature {
  readonly name: string;
  readonly email: string;
  /** Seconds since 1970, UTC. */
  readonly timestamp: number;
}

export interface NewObject {
  readonly id: string;
  readonly type: ObjectType;
  readonly content: Uint8Array;
}

/** Reads objects; one instance a process and repository, since it caches. Missing objects throw `ObjectMissing`. */
export interface ObjectReader {
  readCommit(id: string): Promise<CommitInfo>;
  readTree(id: string): Promise<readonly TreeEntry[]>;
  readBlob(id: string): Promise<Uint8Array>;
}

/**
 * A branch that commits are added to: a ref of a local repository, or one of a remote with a local copy.
 * Both give compare-and-swap: `advance` fails with `RefMoved` (class transient) when the branch is no longer at `from`.
 */
export interface Branch extends ObjectReader {
  readonly name: string;
  /**
   * The newest commit's id as the remote (or the local ref) has it now, with its objects readable; null: no branch yet.
   * `also` names further commits among those found aside that are to be readable then.
   */
  refresh(signal: AbortSignal, also?: (found: AsideRefs) => readonly string[]): Promise<string | null>;
  /**
   * Makes `objects` durable and moves the branch from `from` (null: create it) to `to`. Resolves once the remote
   * has accepted it. After an answer that was lost it finds out whether the move took place before it throws.
   * `beside` are refs of `aside` that move with it: all of them or nothing.
   */
  advance(
    from: string | null,
    to: string,
    objects: readonly NewObject[],
    signal: AbortSignal,
    beside?: readonly RefMove[],
  ): Promise<void>;
  /** The history of a branch from `head` back, newest first. */
  log(head: string, limit: number): Promise<readonly CommitInfo[]>;
  /** Absent where pushes are cheap: a branch of this machine. */
  readonly aside?: Aside;
}

/** What becomes of a ref: it is at `from` (null: it does not exist) and goes to `to` (null: it goes). */
export interface RefMove {
  /** The name below {@link Aside}. */
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

export interface AsideRef {
  readonly id: string;
  /** The commit behind it where the ref is at a tag; else null. */
  readonly commit: string | null;
}

/** By name. */
export type AsideRefs = ReadonlyMap<string, AsideRef>;

/**
 * Refs of a remote beside its branches, below `refs/runledger/`, that nobody checks out or clones by default. A move of
 * several, or of one with the branch, takes place as a whole or not at all (the capability `atomic`).
 */
export interface Aside {
  /** What is there now: one request, nothing is fetched. */
  look(signal: AbortSignal): Promise<AsideRefs>;
  /** What the last `refresh` or `look` found. */
  found(): AsideRefs;
  /**
   * Moves refs in one push. Throws `RefMoved` (transient) when one is no longer at its `from`, `AsideRefused` (terminal) when
   * the server does not take such refs, and the transport's errors, after which it is unknown whether they have moved.
   */
  move(moves: readonly RefMove[], objects: readonly NewObject[], signal: AbortSignal): Promise<void>;
}
