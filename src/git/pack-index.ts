import { terminalError } from '../errors.ts';

const ID_BYTES = 20;
const TRAILER_BYTES = 20;
const FAN_OUT_AT = 8;
const IDS_AT = FAN_OUT_AT + 256 * 4;

/** Where the entries of a pack lie: offsets in bytes from its start. */
export interface PackIndex {
  offsetOf(id: string): number | undefined;
  /** Where the entry at `offset` ends, in a pack of `packBytes`. */
  endOf(offset: number, packBytes: number): number;
}

/** Reads an index of version 2 (gitformat-pack(5)) in place. Throws `ObjectCorrupt`; `path` is for its message. */
export function parsePackIndex(index: Buffer, path: string): PackIndex {
  const count = index.length < IDS_AT ? 0 : index.readUInt32BE(IDS_AT - 4);
  const offsetsAt = IDS_AT + count * (ID_BYTES + 4);
  const largeAt = offsetsAt + count * 4;
  if (
    index.length < largeAt + 2 * TRAILER_BYTES ||
    index.readUInt32BE(0) !== 0xff744f63 ||
    index.readUInt32BE(4) !== 2
  ) {
    throw terminalError('ObjectCorrupt', `${path} is no pack index of version 2`, { hint: 'Run `git fsck` there.' });
  }
  const offsetAt = (row: number): number => {
    const value = index.readUInt32BE(offsetsAt + 4 * row);
    return value < 0x80000000 ? value : Number(index.readBigUInt64BE(largeAt + 8 * (value - 0x80000000)));
  };
  let sorted: Float64Array | undefined;
  return {
    offsetOf(id) {
      const wanted = Buffer.from(id, 'hex');
      const first = wanted[0]!;
      let low = first === 0 ? 0 : index.readUInt32BE(FAN_OUT_AT + 4 * (first - 1));
      let high = index.readUInt32BE(FAN_OUT_AT + 4 * first);
      while (low < high) {
        const middle = (low + high) >>> 1;
        const at = IDS_AT + ID_BYTES * middle;
        const order = index.compare(wanted, 0, ID_BYTES, at, at + ID_BYTES);
        if (order === 0) return offsetAt(middle);
        if (order < 0) low = middle + 1;
        else high = middle;
      }
      return undefined;
    },
    endOf(offset, packBytes) {
      sorted ??= Float64Array.from({ length: count }, (_, row) => offsetAt(row)).sort();
      let low = 0;
      let high = count;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (sorted[middle]! <= offset) low = middle + 1;
        else high = middle;
      }
      return low < count ? sorted[low]! : packBytes - TRAILER_BYTES;
    },
  };
}
