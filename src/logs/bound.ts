/** Keeps the head and the tail of a log within a number of bytes. */
export interface BoundedLog {
  /** Adds a line, with its line break. */
  push(line: Buffer): void;
  /** The log as it is kept, with a line in place of what was left out. */
  content(): Buffer;
  /** False once something was left out. */
  complete(): boolean;
}

/** Room for the line that says what was left out. */
const NOTE = 80;

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

/** The newest whole lines within `capacity` bytes; calls `dropped` for each line that has to go. */
function createTail(capacity: number, dropped: (bytes: number) => void) {
  let ring: Buffer = Buffer.alloc(0);
  let start = 0;
  let used = 0;
  const lengths: number[] = []; // of the lines in the ring, oldest first, from `oldest` on
  let oldest = 0;

  const grow = (needed: number): void => {
    const next = Buffer.allocUnsafe(Math.min(capacity, Math.max(needed, ring.length * 2, 4096)));
    read().copy(next);
    ring = next;
    start = 0;
  };
  const read = (): Buffer => {
    const first = ring.subarray(start, Math.min(ring.length, start + used));
    return Buffer.concat([first, ring.subarray(0, used - first.length)]);
  };
  const dropOldest = (): void => {
    const length = lengths[oldest]!;
    oldest += 1;
    if (oldest > 1024 && oldest * 2 > lengths.length) {
      lengths.splice(0, oldest);
      oldest = 0;
    }
    start = (start + length) % ring.length;
    used -= length;
    dropped(length);
  };
  return {
    read,
    push(line: Buffer): void {
      const fits = (): boolean => used === 0 || used + line.length <= capacity;
      while (!fits()) dropOldest();
      if (line.length > capacity) return dropped(line.length);
      if (used + line.length > ring.length) grow(used + line.length);
      const at = (start + used) % ring.length;
      const fitting = line.copy(ring, at);
      line.copy(ring, 0, fitting);
      used += line.length;
      lengths.push(line.length);
    },
  };
}

/** Holds at most `maxBytes`, in memory as well: the first half stays, of the rest the newest lines. */
export function createBoundedLog(maxBytes: number): BoundedLog {
  const head: Buffer[] = [];
  const room = Math.max(0, maxBytes - NOTE);
  let headBytes = 0;
  let leftLines = 0;
  let leftBytes = 0;
  let tail: ReturnType<typeof createTail> | undefined;
  const dropped = (bytes: number): void => {
    leftLines += 1;
    leftBytes += bytes;
  };
  return {
    push(line) {
      if (!tail && headBytes + line.length <= room / 2) {
        head.push(line);
        headBytes += line.length;
        return;
      }
      tail ??= createTail(room - headBytes, dropped);
      tail.push(line);
    },
    content() {
      const note = leftLines === 0 ? [] : [Buffer.from(`${leftOutNote(leftLines, leftBytes)}\n`)];
      return Buffer.concat([...head, ...note, ...(tail ? [tail.read()] : [])]);
    },
    complete: () => leftLines === 0,
  };
}
