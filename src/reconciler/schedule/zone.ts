import { memoize } from './memo.ts';

/** A moment at which the clocks of a zone are set. All in milliseconds; offsets are local time minus UTC. */
export interface Change {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

/** The clock of a time zone. */
export interface Zone {
  /** Local time minus UTC at a moment, in milliseconds. */
  readonly offset: (at: number) => number;
  /** When the clocks are set after `from` and up to `to`, in order. */
  readonly changes: (from: number, to: number) => readonly Change[];
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** No zone has set its clocks twice within a week since 2000: measured over all that Node knows. */
const PROBE = 4 * DAY;
const CHUNK = 8 * PROBE;
const CHUNKS_KEPT = 64;
const ZONES_KEPT = 1_000;

/** The clock of an IANA time zone, as Node's own database has it. Throws a RangeError for an unknown name. */
export const zoneOf: (timeZone: string) => Zone = memoize(ZONES_KEPT, readZone);

/** Offsets are read a month at a time and kept: Intl takes microseconds for each, and passes ask for the same days. */
interface Chunk {
  readonly offset: number;
  readonly changes: readonly Change[];
}

function readZone(timeZone: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  const measure = (at: number): number => offsetOf(format.format(at));
  const chunk = memoize(CHUNKS_KEPT, (index: number) => readChunk(index * CHUNK, measure));
  return {
    offset: (at) => {
      const { offset, changes } = chunk(Math.floor(at / CHUNK));
      return changes.findLast((change) => change.at <= at)?.after ?? offset;
    },
    changes: (from, to) => {
      const found: Change[] = [];
      for (let index = Math.floor(from / CHUNK); index * CHUNK < to; index += 1)
        for (const change of chunk(index).changes) if (from < change.at && change.at <= to) found.push(change);
      return found;
    },
  };
}

function readChunk(from: number, measure: (at: number) => number): Chunk {
  const offset = measure(from);
  const changes: Change[] = [];
  let before = offset;
  for (let start = from; start < from + CHUNK; start += PROBE) {
    const after = measure(start + PROBE);
    if (after !== before) changes.push({ at: changeBetween(start, start + PROBE, measure), before, after });
    before = after;
  }
  return { offset, changes };
}

/** The first whole minute after `from` that has the offset of `to`. */
function changeBetween(from: number, to: number, measure: (at: number) => number): number {
  const before = measure(from);
  let [low, high] = [from / MINUTE, to / MINUTE];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (measure(middle * MINUTE) === before) low = middle;
    else high = middle;
  }
  return high * MINUTE;
}

/** Intl writes `GMT`, `GMT+05:30`, and seconds for the local mean times of long ago. */
const OFFSET = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;

function offsetOf(text: string): number {
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = OFFSET.exec(text) ?? [];
  const size = (Number(hours) * 60 + Number(minutes)) * MINUTE + Number(seconds) * 1_000;
  return sign === '-' ? -size : size;
}
