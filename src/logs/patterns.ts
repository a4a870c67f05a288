import { SHORTEST_SECRET } from './forms.ts';

/** A set of byte patterns that is searched for at once; it can grow. */
export interface Patterns {
  /** Adds a pattern of at least SHORTEST_SECRET bytes. False: it was there already. */
  add(pattern: Buffer): boolean;
  /**
   * Calls `found` for every place where a pattern lies, with the longest one there, in ascending order. Returns where the suffix begins
   * that has to be kept back, since a pattern may be completed by what follows; what lies behind that place is not looked at. With
   * `isAll` nothing follows, and there is no such suffix.
   */
  scan(bytes: Buffer, isAll: boolean, found: (from: number, to: number) => void): number;
}

/** The first bytes of every pattern that the search looks at: the longer, the farther it skips. */
const LONGEST_WINDOW = 16;
/** Bytes of a block. Four tell more apart; three leave more to skip where the window is short. */
const blockBytes = (window: number): 3 | 4 => (window >= 8 ? 4 : 3);

/** Knuth's multiplicative hash (The Art of Computer Programming, 6.4), its upper bits. */
const hashOf = (word: number, bits: number): number => Math.imul(word, 0x9e3779b1) >>> (32 - bits);

const wordAt = (bytes: Uint8Array, last: number): number =>
  bytes[last]! | (bytes[last - 1]! << 8) | (bytes[last - 2]! << 16) | (bytes[last - 3]! << 24);

/** The bits of a table for so many entries. One that is larger than a processor's cache costs more than it saves (measured). */
const bitsFor = (entries: number): number => Math.max(10, Math.min(18, Math.ceil(Math.log2(entries * 2 + 1))));

/** What is told of a place instead of a length. */
const GOES_ON = -1;

/** The patterns as one run of bytes, and the tables of the search: small integers only, so that it runs without allocating. */
interface Tables {
  readonly window: number;
  readonly block: 3 | 4;
  readonly shiftBits: number;
  /** By the hash of a block: how far the window can be moved at least. */
  readonly shifts: Uint8Array;
  readonly headBits: number;
  /** By the hash of the last block of their window, and of their first four bytes: the first of the patterns, or -1. */
  readonly byWindow: Int32Array;
  readonly byStart: Int32Array;
  /** The next pattern of the same hash, or -1. */
  readonly nextByWindow: Int32Array;
  readonly nextByStart: Int32Array;
  readonly capacity: number;
}

function tablesFor(count: number, window: number): Tables {
  const capacity = Math.max(32, count * 2);
  const block = blockBytes(window);
  const shiftBits = bitsFor(count * (window - block + 1));
  const headBits = bitsFor(count);
  return {
    window,
    block,
    shiftBits,
    shifts: new Uint8Array(1 << shiftBits).fill(window - block + 1),
    headBits,
    byWindow: new Int32Array(1 << headBits).fill(-1),
    byStart: new Int32Array(1 << headBits).fill(-1),
    nextByWindow: new Int32Array(capacity),
    nextByStart: new Int32Array(capacity),
    capacity,
  };
}

const holds = (bytes: Uint8Array, at: number, pattern: Uint8Array, length: number): boolean => {
  for (let index = 0; index < length; index += 1) if (bytes[at + index] !== pattern[index]) return false;
  return true;
};

function enter(tables: Tables, patterns: readonly Buffer[], index: number): void {
  const { window, block, shiftBits, shifts, headBits, byWindow, byStart, nextByWindow, nextByStart } = tables;
  const pattern = patterns[index]!;
  const blockMask = block === 4 ? -1 : 0xffffff;
  for (let last = block - 1; last < window; last += 1) {
    const hash = hashOf(wordAt(pattern, last) & blockMask, shiftBits);
    shifts[hash] = Math.min(shifts[hash]!, window - 1 - last);
  }
  const end = hashOf(wordAt(pattern, window - 1) & blockMask, headBits);
  nextByWindow[index] = byWindow[end]!;
  byWindow[end] = index;
  const start = hashOf(wordAt(pattern, 3), headBits);
  nextByStart[index] = byStart[start]!;
  byStart[start] = index;
}

/**
 * Wu and Manber's search (A fast algorithm for multi-pattern searching, 1994) with hashed blocks of three or four bytes: most
 * places are skipped several at a time, whatever the number of patterns, and the tables don't grow with their length.
 */
export function createPatterns(): Patterns {
  const patterns: Buffer[] = [];
  const known = new Set<string>();
  const starts = new Uint8Array(256); // bytes that a pattern begins with
  const pairs = new Uint8Array(8192); // and pairs of bytes, a bit each
  let longest = 0;
  let shortest = Number.POSITIVE_INFINITY;
  let tables: Tables | undefined;

  const ready = (): Tables => {
    if (tables) return tables;
    const made = tablesFor(patterns.length, Math.min(shortest, LONGEST_WINDOW));
    for (let index = 0; index < patterns.length; index += 1) enter(made, patterns, index);
    tables = made;
    return made;
  };
  /** The length of the longest pattern at this place; 0: there is none; GOES_ON: one may be completed by what follows. */
  const longestAt = (from: Tables, bytes: Buffer, at: number, word: number, isAll: boolean): number => {
    const rest = bytes.length - at;
    let length = 0;
    const head = from.byWindow[hashOf(word, from.headBits)]!;
    for (let index = head; index >= 0; index = from.nextByWindow[index]!) {
      const pattern = patterns[index]!;
      if (pattern.length > rest) {
        if (!isAll && holds(bytes, at, pattern, rest)) return GOES_ON;
      } else if (pattern.length > length && holds(bytes, at, pattern, pattern.length)) length = pattern.length;
    }
    return length;
  };
  /** Whether a pattern goes on behind the end of these bytes, of which four or more are left at this place, and less than a window. */
  const goesOn = (from: Tables, bytes: Buffer, at: number): boolean => {
    const rest = bytes.length - at;
    const head = from.byStart[hashOf(wordAt(bytes, at + 3), from.headBits)]!;
    for (let index = head; index >= 0; index = from.nextByStart[index]!) {
      const pattern = patterns[index]!;
      if (pattern.length > rest && holds(bytes, at, pattern, rest)) return true;
    }
    return false;
  };
  /** Where a pattern may begin of which there is less than a window. */
  const openTail = (from: Tables, bytes: Buffer): number => {
    const end = bytes.length;
    for (let at = Math.max(0, end - from.window + 1); at < end; at += 1) {
      if (starts[bytes[at]!] === 0) continue;
      const rest = end - at;
      if (rest === 1) return at;
      const pair = (bytes[at]! << 8) | bytes[at + 1]!;
      if ((pairs[pair >> 3]! & (1 << (pair & 7))) === 0) continue;
      if (rest < 4 || goesOn(from, bytes, at)) return at;
    }
    return end;
  };

  return {
    add(pattern) {
      const key = pattern.toString('latin1');
      if (pattern.length < SHORTEST_SECRET || known.has(key)) return false;
      known.add(key);
      patterns.push(pattern);
      longest = Math.max(longest, pattern.length);
      shortest = Math.min(shortest, pattern.length);
      starts[pattern[0]!] = 1;
      const pair = (pattern[0]! << 8) | pattern[1]!;
      pairs[pair >> 3]! |= 1 << (pair & 7);
      if (tables && (patterns.length > tables.capacity || shortest < tables.window)) tables = undefined;
      if (tables) enter(tables, patterns, patterns.length - 1);
      return true;
    },
    scan(bytes, isAll, found) {
      const end = bytes.length;
      if (longest === 0) return end;
      const from = ready();
      const { window, block, shiftBits, shifts } = from;
      const blockMask = block === 4 ? -1 : 0xffffff;
      const shiftRight = 32 - shiftBits;
      for (let last = window - 1; last < end;) {
        const word =
          (bytes[last]! | (bytes[last - 1]! << 8) | (bytes[last - 2]! << 16) | (bytes[last - 3]! << 24)) & blockMask;
        const shift = shifts[Math.imul(word, 0x9e3779b1) >>> shiftRight]!;
        if (shift > 0) {
          last += shift;
          continue;
        }
        const at = last - window + 1;
        const length = longestAt(from, bytes, at, word, isAll);
        if (length === GOES_ON) return at;
        if (length > 0) found(at, at + length);
        last += 1;
      }
      return isAll ? end : openTail(from, bytes);
    },
  };
}
