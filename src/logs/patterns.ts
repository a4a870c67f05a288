import { SHORTEST_SECRET } from './forms.ts';

/** A compiled set of byte patterns, each at least SHORTEST_SECRET bytes long. */
export interface Patterns {
  /** Calls `found` for every place where a pattern lies, with the longest one there, in ascending order. */
  scan(bytes: Buffer, found: (from: number, to: number) => void): void;
  /** Where the shortest suffix begins that has to be kept back, since a pattern may be completed by what follows. */
  openEnd(bytes: Buffer): number;
}

const WINDOW = SHORTEST_SECRET;
const pair = (bytes: Buffer, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;

function groupBy(patterns: readonly Buffer[], at: number): Map<number, Buffer[]> {
  const groups = new Map<number, Buffer[]>();
  for (const pattern of patterns) {
    const key = pair(pattern, at);
    const group = groups.get(key);
    if (group) group.push(pattern);
    else groups.set(key, [pattern]);
  }
  return groups;
}

const holds = (bytes: Buffer, at: number, pattern: Buffer, length: number): boolean =>
  bytes.compare(pattern, 0, length, at, at + length) === 0;

/**
 * Wu and Manber's search (A fast algorithm for multi-pattern searching, 1994) with blocks of two bytes: most places
 * are skipped five at a time, whatever the number of patterns, and the tables don't grow with their length.
 */
export function compilePatterns(unordered: readonly Buffer[]): Patterns {
  const patterns = [...unordered].sort((a, b) => b.length - a.length);
  const longest = patterns[0]?.length ?? 0;
  const shifts = new Uint8Array(65536).fill(WINDOW - 1);
  const firstBytes = new Uint8Array(256);
  for (const pattern of patterns) {
    firstBytes[pattern[0]!] = 1;
    for (let at = 0; at < WINDOW - 1; at += 1) {
      const block = pair(pattern, at);
      shifts[block] = Math.min(shifts[block]!, WINDOW - 2 - at);
    }
  }
  const byWindowEnd = groupBy(patterns, WINDOW - 2);
  const byStart = groupBy(patterns, 0);

  return {
    scan(bytes, found) {
      if (longest === 0) return;
      for (let at = 0; at + WINDOW <= bytes.length;) {
        const block = pair(bytes, at + WINDOW - 2);
        const shift = shifts[block]!;
        if (shift === 0) {
          const candidates = byWindowEnd.get(block) ?? [];
          const match = candidates.find((p) => p.length <= bytes.length - at && holds(bytes, at, p, p.length));
          if (match) found(at, at + match.length);
        }
        at += shift === 0 ? 1 : shift;
      }
    },
    openEnd(bytes) {
      const end = bytes.length;
      for (let at = Math.max(0, end - longest + 1); at < end; at += 1) {
        const rest = end - at;
        if (firstBytes[bytes[at]!] === 0) continue;
        if (rest === 1) return at;
        if (byStart.get(pair(bytes, at))?.some((p) => p.length > rest && holds(bytes, at, p, rest))) return at;
      }
      return end;
    },
  };
}
