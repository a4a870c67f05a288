import type { Readable } from 'node:stream';
import type { Digest } from './streams.ts';

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** RFC 3339, UTC. */
  readonly modified: string;
}

/**
 * Where archives and whole logs are kept, by keys of `attemptKey`. Errors: `StoreKeyInvalid`, `StoreMissing` (the folder or
 * bucket), `StoreDenied`, `ArtifactMissing`, `ArtifactDamaged` (terminal), `StoreUnavailable` and `Cancelled` (transient).
 */
export interface Store {
  /** For a person: the folder, or the bucket and its address. */
  readonly name: string;
  /**
   * Keeps what the stream gives, all of it or nothing; what was there under the key is replaced. Returns what was kept. Fails
   * with what the stream fails with.
   */
  put(key: string, source: Readable, signal: AbortSignal): Promise<Digest>;
  /**
   * The bytes under a key. The stream fails at its end with `ArtifactDamaged` when they are not the expected ones: until
   * then, what was read is worth nothing.
   */
  get(key: string, expected: Digest, signal: AbortSignal): Promise<Readable>;
  /** A small object as it is, compared with nothing; null where there is none. Throws `ArtifactDamaged` for more than `maxBytes`. */
  read(key: string, maxBytes: number, signal: AbortSignal): Promise<Buffer | null>;
  /** What is there under a prefix, which ends in a slash; by key within a folder. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject>;
  /** Removes one key, or with a prefix, which ends in a slash, all below it. Returns how many there were. */
  remove(keyOrPrefix: string, signal: AbortSignal): Promise<number>;
  exists(key: string, signal: AbortSignal): Promise<boolean>;
  /** Lets go of connections. */
  close(): void;
}
