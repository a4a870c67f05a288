import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** The contents of files that were read for their ids, and not asked for yet. */
export interface Contents {
  /** Reads the file at `place`, and keeps it for `path` while there is room. Throws what the file system throws. */
  read(path: string, place: string, size: number): Uint8Array;
  /** What was kept for the path, once. */
  take(path: string): Uint8Array | undefined;
  clear(): void;
}

/** What is kept at most of what was read; the rest is read a second time. */
const KEPT_BYTES = 64 * 1024 * 1024;
/** Small files share a buffer: thousands of them with buffers of their own take more memory than what is in them. */
const SLAB = { bytes: 1024 * 1024, largestFile: 64 * 1024 } as const;

export function createContents(): Contents {
  const kept = new Map<string, Uint8Array>();
  let bytesKept = 0;
  let slab = Buffer.alloc(0);
  const readSmall = (place: string, size: number): Uint8Array | undefined => {
    if (slab.byteLength <= size) slab = Buffer.allocUnsafeSlow(SLAB.bytes);
    const file = openSync(place, 'r');
    try {
      // A byte more is asked for, to see whether the file has grown meanwhile.
      const count = readSync(file, slab, 0, size + 1, null);
      if (count !== size) return undefined;
    } finally {
      closeSync(file);
    }
    const bytes = slab.subarray(0, size);
    slab = slab.subarray(size);
    return bytes;
  };
  return {
    read(path, place, size) {
      const bytes = (size <= SLAB.largestFile ? readSmall(place, size) : undefined) ?? readFileSync(place);
      if (bytesKept + bytes.byteLength <= KEPT_BYTES) {
        kept.set(path, bytes);
        bytesKept += bytes.byteLength;
      }
      return bytes;
    },
    take(path) {
      const bytes = kept.get(path);
      kept.delete(path);
      return bytes;
    },
    clear() {
      kept.clear();
      bytesKept = 0;
    },
  };
}
