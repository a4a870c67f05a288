/** Whether a container's log lacks its beginning: the kubelet serves only the newest file of one that it has rotated, and says nothing. */
export interface LostBeginning {
  /** A first stream was opened; `now` in milliseconds since 1970. Counts until something was taken. */
  opened(now: number): void;
  /** So many bytes that were printed at this time, in milliseconds since 1970. */
  took(bytes: number, at: number): void;
  /** Whether it has to be taken that something came before what was taken; `beganAt`: when the program may have begun to print. */
  isLikely(beganAt: number): boolean;
}

/** A kubelet rotates from 10 MiB on by default, and may be told less. */
const ROTATES_FROM_BYTES = 2.5 * 1024 * 1024;
/** Times of containers are whole seconds. */
const GRAIN_MS = 1_000;
const SHORTEST_MS = 100;

/**
 * What lay there before the first look tells how fast the program prints. If it had printed like that since it began, and that would
 * have been enough for the kubelet to rotate, then the file that was read is not the first. A program that was silent first and
 * then loud is suspected wrongly, when it is first read late; one that was loud first and then quiet is not suspected.
 */
export function createLostBeginning(): LostBeginning {
  let openedAt = Number.NEGATIVE_INFINITY;
  let backlog: { readonly first: number; last: number; bytes: number } | undefined;
  let hasTaken = false;
  return {
    opened(now) {
      if (!hasTaken) openedAt = now;
    },
    took(bytes, at) {
      hasTaken = true;
      if (at > openedAt) return;
      backlog ??= { first: at, last: at, bytes: 0 };
      backlog.last = Math.max(backlog.last, at);
      backlog.bytes += bytes;
    },
    isLikely(beganAt) {
      if (!backlog) return false;
      const silence = backlog.first - beganAt - GRAIN_MS;
      const bytesPerMs = backlog.bytes / Math.max(SHORTEST_MS, backlog.last - backlog.first);
      return silence > 0 && silence * bytesPerMs >= ROTATES_FROM_BYTES;
    },
  };
}
