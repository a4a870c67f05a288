import { closeSync, fstatSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes after which the log of a running attempt goes on in another file. */
const SEGMENT = 4 * 1024 * 1024;
/** Of a long log the first file and this many of the last stay on the disk. */
const LAST_SEGMENTS = 2;

const SEGMENT_NAME = /^live(?:\.(\d+))?\.log$/;
const CHUNK = 64 * 1024;

const segmentPath = (folder: string, number: number): string =>
  join(folder, number === 1 ? 'live.log' : `live.${number}.log`);

/** The redacted output of a running attempt, for other processes to follow: `live.log`, `live.2.log`, …. */
export interface LiveLog {
  /** Appends whole lines at once. Throws what the disk throws. */
  append(lines: readonly Buffer[]): void;
  close(): void;
}

export function createLiveLog(folder: string, segmentBytes: number = SEGMENT): LiveLog {
  let number = 1;
  let bytes = 0;
  let file: number | undefined = openSync(segmentPath(folder, number), 'a', 0o600);
  const next = (): void => {
    if (file !== undefined) closeSync(file);
    number += 1;
    bytes = 0;
    file = openSync(segmentPath(folder, number), 'a', 0o600);
    const last = number - LAST_SEGMENTS;
    if (last > 1) rmSync(segmentPath(folder, last), { force: true });
  };
  return {
    append(lines) {
      if (file === undefined || lines.length === 0) return;
      if (bytes >= segmentBytes) next();
      const content = Buffer.concat(lines);
      for (let at = 0; at < content.length;) at += writeSync(file, content, at);
      bytes += content.length;
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

/** The numbers of the files that are there, ascending; none once the folder is gone. */
function segments(folder: string): readonly number[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const matches = names.flatMap((name) => {
    const match = SEGMENT_NAME.exec(name);
    return match ? [Number(match[1] ?? 1)] : [];
  });
  return matches.sort((a, b) => a - b);
}

export interface LiveLogReader {
  /** What has come since the last call, in portions that may cut lines. */
  read(): Generator<Buffer, void>;
  /** True when files were passed over that had gone before they were read. */
  skipped(): boolean;
  close(): void;
}

/** Reads a live log while it is written, or afterwards. */
export function createLiveLogReader(folder: string): LiveLogReader {
  let file: number | undefined;
  let number = 0;
  let at = 0;
  let gap = false;

  const openNext = (): boolean => {
    const next = segments(folder).find((candidate) => candidate > number);
    if (next === undefined) return false;
    try {
      const opened = openSync(segmentPath(folder, next), 'r');
      if (file !== undefined) closeSync(file);
      file = opened;
    } catch {
      return false; // removed in this moment: the next call finds the one after it
    }
    if (next !== number + 1) gap = true;
    number = next;
    at = 0;
    return true;
  };
  const readOn = (): Buffer | undefined => {
    if (file === undefined) return undefined;
    const left = fstatSync(file).size - at;
    if (left <= 0) return undefined;
    const buffer = Buffer.allocUnsafe(Math.min(left, CHUNK));
    const length = readSync(file, buffer, 0, buffer.length, at);
    at += length;
    return length === 0 ? undefined : buffer.subarray(0, length);
  };
  return {
    *read() {
      if (file === undefined && !openNext()) return;
      for (;;) {
        const hasNext = segments(folder).some((candidate) => candidate > number);
        for (let bytes = readOn(); bytes !== undefined; bytes = readOn()) yield bytes;
        // Only a file that was complete before it was read to its end is left.
        if (!hasNext || !openNext()) return;
      }
    },
    skipped: () => gap,
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
