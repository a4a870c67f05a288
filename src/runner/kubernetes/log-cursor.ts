/** Finds the place again where a stream of a container's log was cut off, by the times that the kubelet puts before each line. */
export interface LogCursor {
  /** From when on a stream has to be asked for, RFC 3339; undefined: from its beginning. */
  since(): string | undefined;
  /** A stream begins. */
  begin(): void;
  /** `gap`: the last line that was seen is not in this stream: ask for another one, which goes on after it. */
  push(chunk: Buffer): 'more' | 'gap';
  /** The stream has ended in good form; the same answer as for a chunk. */
  end(): 'more' | 'gap';
  /** What the kubelet said in place of lines, such as that it has none any more; empty: nothing. */
  notice(): string;
  /** How much was taken so far: grows with every new byte. */
  taken(): number;
  /** The time of the line that was seen last, RFC 3339. */
  last(): string;
}

/** Takes what a container printed, in order and once; `at` in milliseconds since 1970. The bytes are overwritten after the call. */
export type TakeText = (text: Buffer, at: number) => void;

const SPACE = 0x20;
const NEWLINE = 0x0a;
/** RFC 3339 with nanoseconds and an offset has 35 bytes. */
const MAX_STAMP = 40;
/** Up to the milliseconds. */
const MILLIS = 23;
const ROOM = 64 * 1024;
/** Lines of the two streams of a container are written in a slightly other order than they were stamped (measured: microseconds, and much longer on a machine that is busy). */
const DISORDER_MS = 2_000;

/** How the kubelet's own words begin; what else has no time is the rest of a line that began in a file that was put aside. */
const KUBELET_WORDS = /^(unable to|failed to|error|rotated)/i;

interface Place {
  readonly stamp: string;
  /** Of the lines with this time, counted from 1. */
  readonly nth: number;
  /** Of the line, without its time. */
  readonly bytes: number;
  readonly isWhole: boolean;
}

/**
 * The kubelet gives each line its time in nanoseconds, and lines from a whole second on. The place is the time of a line, which
 * of the lines with that time it is, and how many of its bytes were taken.
 */
export function createLogCursor(take: TakeText): LogCursor {
  const room = Buffer.allocUnsafe(ROOM);
  let used = 0;
  let at = 0;
  const stamp = Buffer.alloc(MAX_STAMP); // of the current line
  let stampLength = 0;
  let nth = 0;
  let bytes = 0; // of the current line, taken or passed over
  let taken = 0;
  let part = Buffer.alloc(0); // of a time that a chunk cuts off
  let state: 'stamp' | 'take' | 'pass' | 'notice' = 'stamp';
  let notice = '';
  let isRest = false; // a line without a time came while a place was sought
  let sought: Place | undefined; // what is looked for in this stream
  let seen = 0; // lines of its time
  let after: string | undefined; // nothing is looked for: what is later than this is new
  let place: Place | undefined;

  const flush = (): void => {
    if (used > 0) take(room.subarray(0, used), at);
    used = 0;
  };
  const put = (chunk: Buffer, from: number, to: number): void => {
    for (let start = from; start < to;) {
      if (used === ROOM) flush();
      const count = Math.min(to - start, ROOM - used);
      chunk.copy(room, used, start, start + count);
      used += count;
      start += count;
    }
    taken += to - from;
  };
  const stampText = (): string => stamp.toString('latin1', 0, stampLength);
  const isSameStamp = (chunk: Buffer, from: number, length: number): boolean => {
    if (length !== stampLength) return false;
    for (let index = length - 1; index >= 0; index -= 1) if (chunk[from + index] !== stamp[index]) return false;
    return true;
  };
  const isSameMilli = (chunk: Buffer, from: number): boolean => {
    for (let index = MILLIS - 1; index >= 0; index -= 1) if (chunk[from + index] !== stamp[index]) return false;
    return true;
  };
  /** What is to be done with the line that begins with this time. */
  const judge = (): 'take' | 'pass' | 'gap' => {
    if (after !== undefined) {
      if (stampText() <= after) return 'pass';
      after = undefined;
    }
    if (!sought) return 'take';
    const text = stampText();
    if (text === sought.stamp) {
      seen += 1;
      if (seen < sought.nth) return 'pass';
      return 'take'; // from its place on: see content
    }
    return text > sought.stamp && Date.parse(text) - Date.parse(sought.stamp) > DISORDER_MS ? 'gap' : 'pass';
  };
  const startLine = (chunk: Buffer, from: number, length: number): 'more' | 'gap' => {
    const isSame = isSameStamp(chunk, from, length);
    nth = isSame ? nth + 1 : 1;
    bytes = 0;
    if (!isSame) {
      if (!isSameMilli(chunk, from)) {
        flush();
        at = Date.parse(chunk.toString('latin1', from, from + length));
      }
      chunk.copy(stamp, 0, from, from + length);
      stampLength = length;
    }
    const verdict = judge();
    if (verdict === 'gap') return 'gap';
    state = verdict;
    return 'more';
  };
  /** Content of the current line, its line break included, of which the part behind the sought place is new. */
  const content = (chunk: Buffer, from: number, to: number, isWhole: boolean): void => {
    let start = from;
    if (state === 'take' && sought) {
      const old = sought.isWhole ? Infinity : sought.bytes - bytes;
      start = Math.min(to, from + Math.max(0, old));
      if (isWhole || start < to) sought = undefined;
    }
    bytes += to - from;
    if (state === 'take') put(chunk, start, to);
    if (isWhole) state = 'stamp';
  };
  /** Reads the time that a line begins with; returns where its content begins, -1: the chunk ends before, -2: a gap. */
  const readStamp = (chunk: Buffer, from: number): number => {
    if (part.length > 0) return -1;
    const guess = from + stampLength;
    const space = stampLength > 0 && chunk[guess] === SPACE ? guess : chunk.indexOf(SPACE, from);
    if (space < 0 || space - from > MAX_STAMP) return -1;
    return startLine(chunk, from, space - from) === 'gap' ? -2 : space + 1;
  };

  const remember = (): void => {
    if (sought || after !== undefined || stampLength === 0) return;
    if (state === 'take' || state === 'stamp') place = { stamp: stampText(), nth, bytes, isWhole: state === 'stamp' };
  };
  /** What was sought is gone: goes on with what is later. */
  const passOver = (): void => {
    if (place && !place.isWhole) take(Buffer.from('\n'), at);
    after = place?.stamp;
    sought = undefined;
  };
  const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

  const startNotice = (): void => {
    state = 'notice';
    isRest = sought !== undefined || after !== undefined;
  };

  const push = (given: Buffer): 'more' | 'gap' => {
    const chunk = part.length > 0 ? Buffer.concat([part, given]) : given;
    part = Buffer.alloc(0);
    for (let from = 0; from < chunk.length;) {
      if (state === 'stamp') {
        if (!isDigit(chunk[from])) startNotice();
        else {
          const start = readStamp(chunk, from);
          if (start === -2) return 'gap';
          if (start === -1) {
            if (chunk.length - from <= MAX_STAMP) {
              part = Buffer.from(chunk.subarray(from));
              break;
            }
            startNotice();
          } else {
            from = start;
            if (from === chunk.length) break;
          }
        }
      }
      const end = chunk.indexOf(NEWLINE, from);
      const to = end < 0 ? chunk.length : end + 1;
      if (state === 'notice') {
        if (notice.length < 500) notice += chunk.toString('utf8', from, to);
        if (end >= 0) state = 'stamp';
      } else content(chunk, from, to, end >= 0);
      from = to;
    }
    flush();
    remember();
    return 'more';
  };

  return {
    since() {
      if (!place) return undefined;
      const ms = Math.floor((Date.parse(place.stamp) - DISORDER_MS) / 1_000) * 1_000;
      return new Date(ms).toISOString();
    },
    begin() {
      part = Buffer.alloc(0);
      state = 'stamp';
      stampLength = 0;
      notice = '';
      nth = 0;
      bytes = 0;
      seen = 0;
      sought = after === undefined ? place : undefined;
    },
    push(chunk) {
      const verdict = push(chunk);
      if (verdict === 'gap') passOver();
      return verdict;
    },
    end() {
      if (!sought || seen >= sought.nth) return 'more';
      passOver();
      return 'gap';
    },
    notice: () => (isRest && !KUBELET_WORDS.test(notice) ? '' : notice.trim()),
    taken: () => taken,
    last: () => place?.stamp ?? '',
  };
}
