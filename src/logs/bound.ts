/** Keeps the head and the tail of a log within a number of bytes. */
export interface BoundedLog {
  /** Adds whole lines, each with its line break; they are copied. `count`: how many there are, where that is known. */
  push(lines: Buffer, count?: number): void;
  /** The log as it is kept, with a line in place of what was left out. */
  content(): Buffer;
  /** False once something was left out. */
  complete(): boolean;
}

/** Room for the line that says what was left out. */
const NOTE = 80;
const NEWLINE = 0x0a;

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

/** The newest whole lines within `capacity` bytes. */
function createTail(capacity: number) {
  let ring: Buffer = Buffer.alloc(0);
  let start = 0;
  let used = 0;

  const read = (): Buffer => {
    const first = ring.subarray(start, Math.min(ring.length, start + used));
    return Buffer.concat([first, ring.subarray(0, used - first.length)]);
  };
  const grow = (needed: number): void => {
    const next = Buffer.allocUnsafe(Math.min(capacity, Math.max(needed, ring.length * 2, 4096)));
    read().copy(next);
    ring = next;
    start = 0;
  };
  /** The length of the shortest run of whole lines at the beginning that has so many bytes. */
  const linesWithin = (bytes: number): number => {
    const first = ring.subarray(start, Math.min(ring.length, start + used));
    const found = bytes <= first.length ? first.indexOf(NEWLINE, bytes - 1) : -1;
    if (found >= 0) return found + 1;
    const second = ring.subarray(0, used - first.length).indexOf(NEWLINE, Math.max(0, bytes - 1 - first.length));
    return second < 0 ? used : first.length + second + 1;
  };
  const drop = (bytes: number): void => {
    start = (start + bytes) % Math.max(1, ring.length);
    used -= bytes;
  };
  return {
    read,
    push(lines: Buffer): void {
      // Of more than fits, the last lines.
      const from = lines.length <= capacity ? 0 : lines.indexOf(NEWLINE, lines.length - capacity - 1) + 1;
      const kept = lines.subarray(from);
      if (from > 0) drop(used);
      const excess = used + kept.length - capacity;
      if (excess > 0) drop(linesWithin(excess));
      if (used + kept.length > ring.length) grow(used + kept.length);
      const at = ring.length === 0 ? 0 : (start + used) % ring.length;
      const fitting = kept.copy(ring, at);
      kept.copy(ring, 0, fitting);
      used += kept.length;
    },
  };
}

/** Holds at most `maxBytes`, in memory as well: the first half stays, of the rest the newest lines. */
export function createBoundedLog(maxBytes: number): BoundedLog {
  const room = Math.max(0, maxBytes - NOTE);
  let head = Buffer.alloc(0);
  let headBytes = 0;
  let lines = 0;
  let bytes = 0;
  let tail: ReturnType<typeof createTail> | undefined;
  const keepFirst = (added: Buffer): void => {
    if (headBytes + added.length > head.length) {
      const size = Math.min(Math.floor(room / 2), Math.max(4096, 2 * head.length, headBytes + added.length));
      head = Buffer.concat([head.subarray(0, headBytes)], size);
    }
    headBytes += added.copy(head, headBytes);
  };
  return {
    push(added, count = countLines(added)) {
      lines += count;
      bytes += added.length;
      let rest = added;
      if (!tail) {
        const left = Math.floor(room / 2) - headBytes;
        const cut = added.length <= left ? added.length : left > 0 ? added.lastIndexOf(NEWLINE, left - 1) + 1 : 0;
        if (cut > 0) keepFirst(added.subarray(0, cut));
        rest = added.subarray(cut);
      }
      if (rest.length === 0) return;
      tail ??= createTail(room - headBytes);
      tail.push(rest);
    },
    content() {
      const first = head.subarray(0, headBytes);
      const last = tail?.read() ?? Buffer.alloc(0);
      const missing = bytes - first.length - last.length;
      const left = lines - countLines(first) - countLines(last);
      return missing === 0
        ? Buffer.concat([first, last])
        : Buffer.concat([first, Buffer.from(`${leftOutNote(left, missing)}\n`), last]);
    },
    complete: () => bytes <= room,
  };
}
