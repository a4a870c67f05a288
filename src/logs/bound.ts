import { stampLines } from './stamp.ts';
import { createTail, MAX_SEGMENT, type Tail } from './tail.ts';

/** Keeps the head and the tail of a log within a number of bytes. */
export interface BoundedLog {
  /** Adds whole lines, each with its line break; they are copied. `prefix` is put before each of them, and must not change any more. */
  push(lines: Buffer, prefix?: Buffer): void;
  /** The log as it is kept, with a line in place of what was left out. */
  content(): Buffer;
  /** False once something was left out. */
  complete(): boolean;
}

/** Room for the line that says what was left out. */
const NOTE = 80;
const NEWLINE = 0x0a;
const NOTHING: Buffer = Buffer.alloc(0);

const grouped = new Intl.NumberFormat('en-US');

/** A number of bytes for people: `312 bytes`, `3.1 MiB`. */
export function humanBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

/** What stands in place of lines that were left out. */
export const leftOutNote = (lines: number, bytes: number): string =>
  `… ${grouped.format(lines)} line${lines === 1 ? '' : 's'} (${humanBytes(bytes)}) left out …`;

/** How many line breaks there are. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/** The end of whole lines from here on that have `most` bytes at most, or of the first of them, if that is longer. */
function cutAt(lines: Buffer, from: number, most: number): number {
  if (lines.length - from <= most) return lines.length;
  const end = lines.lastIndexOf(NEWLINE, from + most - 1) + 1;
  if (end > from) return end;
  const next = lines.indexOf(NEWLINE, from + most);
  return next < 0 ? lines.length : next + 1;
}

/** Holds at most `maxBytes`, and little more in memory: the first half stays, of the rest the newest lines. */
export function createBoundedLog(maxBytes: number): BoundedLog {
  const room = Math.max(0, maxBytes - NOTE);
  let head = NOTHING;
  let headBytes = 0;
  let lines = 0;
  let bytes = 0;
  let tail: Tail | undefined;
  const keepFirst = (added: Buffer): void => {
    if (headBytes + added.length > head.length) {
      const size = Math.min(Math.floor(room / 2), Math.max(4096, 2 * head.length, headBytes + added.length));
      head = Buffer.concat([head.subarray(0, headBytes)], size);
    }
    headBytes += added.copy(head, headBytes);
  };
  /** Keeps of stamped lines what fits, and returns the others. */
  const beyondHead = (stored: Buffer): Buffer => {
    const left = Math.floor(room / 2) - headBytes;
    const cut = stored.length <= left ? stored.length : left > 0 ? stored.lastIndexOf(NEWLINE, left - 1) + 1 : 0;
    if (cut > 0) keepFirst(stored.subarray(0, cut));
    return stored.subarray(cut);
  };
  const add = (added: Buffer, prefix: Buffer): void => {
    const count = countLines(added);
    lines += count;
    bytes += added.length + count * prefix.length;
    if (tail) return tail.push(added, prefix, count);
    const rest = beyondHead(prefix.length === 0 ? added : stampLines(added, prefix));
    if (rest.length === 0) return;
    tail = createTail(room - headBytes);
    tail.push(rest, NOTHING, countLines(rest));
  };
  return {
    push(added, prefix = NOTHING) {
      for (let at = 0; at < added.length;) {
        const end = cutAt(added, at, MAX_SEGMENT);
        add(added.subarray(at, end), prefix);
        at = end;
      }
    },
    content() {
      const first = head.subarray(0, headBytes);
      const last = tail?.read() ?? NOTHING;
      const missing = bytes - first.length - last.length;
      const left = lines - countLines(first) - countLines(last);
      return missing === 0
        ? Buffer.concat([first, last])
        : Buffer.concat([first, Buffer.from(`${leftOutNote(left, missing)}\n`), last]);
    },
    complete: () => bytes <= room,
  };
}
