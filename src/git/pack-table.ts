import type { PackEntry } from './pack-entry.ts';

/** The entries of a pack in their order there, a column each; a row is an entry's place in that order. */
export interface PackTable {
  readonly count: number;
  /** One more than there are entries: the last is where the trailer begins. */
  readonly offsets: Float64Array;
  readonly crcs: Uint32Array;
  /** 20 bytes an entry; zeros as long as a delta is not resolved. */
  readonly ids: Buffer;
  /** The type of a whole object, by its number in the pack; 0 for a delta. */
  readonly types: Uint8Array;
  /** The row of a delta's base; -1 for whole objects, and as long as the base is known by id only. */
  readonly bases: Int32Array;
  /** The deltas of an entry as a chain of rows that ends with -1. */
  readonly firstDelta: Int32Array;
  readonly nextDelta: Int32Array;
  /** The rows of deltas that name their base by its id, by that id. */
  readonly waiting: Map<string, number[]>;
  /** Deltas that were small enough to keep. */
  readonly kept: Map<number, Uint8Array>;
}

/** The length of a SHA-1, in bytes: of ids, and of the checksum at a pack's end. */
export const CHECKSUM_BYTES = 20;
const KEPT_DELTA_BYTES = 16 * 1024 * 1024;
const KEPT_PIECE_BYTES = 256 * 1024;

/**
 * Keeps deltas up to a number of bytes, copied together: as Node gives them out, each would hold on to a larger piece of
 * memory.
 */
export function createKeeper(kept: Map<number, Uint8Array>): (row: number, delta: Uint8Array) => void {
  let room = KEPT_DELTA_BYTES;
  let piece = Buffer.alloc(0);
  return (row, delta) => {
    if (delta.length > room || delta.length > KEPT_PIECE_BYTES) return;
    room -= delta.length;
    if (delta.length > piece.length) piece = Buffer.allocUnsafeSlow(KEPT_PIECE_BYTES);
    piece.set(delta);
    kept.set(row, piece.subarray(0, delta.length));
    piece = piece.subarray(delta.length);
  };
}

/** An empty table with room for so many entries. */
export function newTable(count: number): PackTable {
  return {
    count,
    offsets: new Float64Array(count + 1),
    crcs: new Uint32Array(count),
    ids: Buffer.alloc(CHECKSUM_BYTES * count),
    types: new Uint8Array(count),
    bases: new Int32Array(count).fill(-1),
    firstDelta: new Int32Array(count).fill(-1),
    nextDelta: new Int32Array(count).fill(-1),
    waiting: new Map(),
    kept: new Map(),
  };
}

/** The same table with room for `more` rows behind the last. */
export function extendTable(table: PackTable, more: number): PackTable {
  const larger = newTable(table.count + more);
  for (const name of ['offsets', 'crcs', 'ids', 'types', 'bases', 'firstDelta', 'nextDelta'] as const) {
    larger[name].set(table[name]);
  }
  return { ...larger, waiting: table.waiting, kept: table.kept };
}

/** The row whose entry begins at `offset`, of those before `row`. */
function rowAt({ offsets }: PackTable, offset: number, row: number): number {
  let low = 0;
  let high = row;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! < offset) low = middle + 1;
    else high = middle;
  }
  if (low >= row || offsets[low] !== offset) throw new Error('a delta whose base begins at no entry');
  return low;
}

/** Notes what a delta stands on. Throws a plain Error where no entry begins there. */
export function linkDelta(table: PackTable, row: number, { baseOffset, baseId }: PackEntry): void {
  if (baseOffset === undefined) {
    const rows = table.waiting.get(baseId!);
    if (rows) rows.push(row);
    else table.waiting.set(baseId!, [row]);
    return;
  }
  const base = rowAt(table, baseOffset, row);
  table.bases[row] = base;
  table.nextDelta[row] = table.firstDelta[base]!;
  table.firstDelta[base] = row;
}
