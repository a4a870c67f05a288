import { stampLines } from './stamp.ts';

/** The newest lines of a log. What is overtaken by newer lines is never stamped: that is half of what a log costs that is long. */
export interface Tail {
  /** Adds whole lines, each with its line break, and what is to stand before each of them; `count`: how many there are. They are copied. */
  push(lines: Buffer, prefix: Buffer, count: number): void;
  /** The newest whole lines that fit, stamped. */
  read(): Buffer;
}

/** Lines with the same beginning, which is yet to be put before them. */
interface Segment {
  readonly prefix: Buffer;
  /** Without the prefixes. */
  bytes: number;
  lines: number;
}

/** Bytes of a segment: what is held beyond the capacity, since segments go as a whole. */
export const MAX_SEGMENT = 8 * 1024;
/** Fewer bytes are stamped at once: many small segments would take more memory than their lines. */
const SMALL = 2 * 1024;
const NEWLINE = 0x0a;
const NOTHING: Buffer = Buffer.alloc(0);

const storedBytes = ({ prefix, bytes, lines }: Segment): number => bytes + lines * prefix.length;

/** Bytes in the order in which they came, in memory that is used again: more than `most` only where they don't fit. */
function createRing(most: number) {
  let memory: Buffer = NOTHING;
  let start = 0;
  let used = 0;
  /** A copy of so many bytes from here on. */
  const read = (from: number, length: number): Buffer => {
    const at = memory.length === 0 ? 0 : (start + from) % memory.length;
    const first = memory.subarray(at, Math.min(memory.length, at + length));
    return Buffer.concat([first, memory.subarray(0, length - first.length)]);
  };
  return {
    read,
    push(bytes: Buffer): void {
      if (used + bytes.length > memory.length) {
        const next = Buffer.allocUnsafe(
          Math.max(used + bytes.length, Math.min(most, Math.max(4096, memory.length + (memory.length >> 2)))),
        );
        read(0, used).copy(next);
        memory = next;
        start = 0;
      }
      const at = (start + used) % memory.length;
      const fitting = bytes.copy(memory, at);
      bytes.copy(memory, 0, fitting);
      used += bytes.length;
    },
    drop(length: number): void {
      start = (start + length) % Math.max(1, memory.length);
      used -= length;
    },
  };
}

/** Holds `capacity` bytes of stamped lines, and up to a segment more. */
export function createTail(capacity: number): Tail {
  const ring = createRing(capacity + MAX_SEGMENT);
  const segments: Segment[] = [];
  let stored = 0;

  const add = (lines: Buffer, prefix: Buffer, count: number): void => {
    stored += lines.length + count * prefix.length;
    for (let oldest = segments[0]; oldest && stored - storedBytes(oldest) >= capacity; oldest = segments[0]) {
      stored -= storedBytes(oldest);
      ring.drop(oldest.bytes);
      segments.shift();
    }
    ring.push(lines);
    const newest = segments.at(-1);
    if (newest && newest.prefix.equals(prefix) && newest.bytes + lines.length <= MAX_SEGMENT) {
      newest.bytes += lines.length;
      newest.lines += count;
    } else segments.push({ prefix, bytes: lines.length, lines: count });
  };
  return {
    push(lines, prefix, count) {
      if (prefix.length > 0 && lines.length < SMALL) add(stampLines(lines, prefix), NOTHING, count);
      else add(lines, prefix, count);
    },
    read() {
      let at = 0;
      const all = Buffer.concat(
        segments.map(({ prefix, bytes }) => {
          const lines = ring.read(at, bytes);
          at += bytes;
          return prefix.length === 0 ? lines : Buffer.from(stampLines(lines, prefix));
        }),
      );
      return all.length <= capacity ? all : all.subarray(all.indexOf(NEWLINE, all.length - capacity - 1) + 1);
    },
  };
}
