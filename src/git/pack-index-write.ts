import { createHash } from 'node:crypto';

/** What an index says about the entries of a pack, a column each, in any order of the rows. */
export interface IndexColumns {
  /** 20 bytes an entry. */
  readonly ids: Buffer;
  readonly crcs: Uint32Array;
  /** Bytes from the start of the pack. */
  readonly offsets: Float64Array;
}

const ID_BYTES = 20;
const HEADER_BYTES = 8;
const FAN_OUT_BYTES = 256 * 4;
/** Offsets from here on go into the table of 8-byte offsets. */
const LARGE = 0x80000000;

/** The row numbers in the order of the ids. The first six bytes of an id tell nearly all of them apart. */
function rowsById(ids: Buffer): Uint32Array {
  const count = ids.length / ID_BYTES;
  const keys = Float64Array.from({ length: count }, (_, row) => ids.readUIntBE(ID_BYTES * row, 6));
  const rows = Uint32Array.from({ length: count }, (_, row) => row);
  return rows.sort((a, b) => {
    const order = keys[a]! - keys[b]!;
    if (order !== 0) return order;
    return ids.compare(ids, ID_BYTES * b, ID_BYTES * (b + 1), ID_BYTES * a, ID_BYTES * (a + 1));
  });
}

/** An index of version 2, gitformat-pack(5): fan-out, ids, CRCs, offsets, then the checksums of the pack and of itself. */
export function encodePackIndex({ ids, crcs, offsets }: IndexColumns, packChecksum: Uint8Array): Buffer {
  const rows = rowsById(ids);
  const large = offsets.reduce((sum, offset) => sum + (offset < LARGE ? 0 : 1), 0);
  const idsAt = HEADER_BYTES + FAN_OUT_BYTES;
  const crcsAt = idsAt + ID_BYTES * rows.length;
  const offsetsAt = crcsAt + 4 * rows.length;
  const largeAt = offsetsAt + 4 * rows.length;
  const index = Buffer.alloc(largeAt + 8 * large + 2 * ID_BYTES);
  index.write('ff744f6300000002', 'hex');
  const fanOut = new Uint32Array(256);
  let largeCount = 0;
  rows.forEach((row, at) => {
    fanOut[ids[ID_BYTES * row]!]! += 1;
    ids.copy(index, idsAt + ID_BYTES * at, ID_BYTES * row, ID_BYTES * (row + 1));
    index.writeUInt32BE(crcs[row]!, crcsAt + 4 * at);
    const offset = offsets[row]!;
    if (offset < LARGE) index.writeUInt32BE(offset, offsetsAt + 4 * at);
    else {
      index.writeUInt32BE(LARGE + largeCount, offsetsAt + 4 * at);
      index.writeBigUInt64BE(BigInt(offset), largeAt + 8 * largeCount);
      largeCount += 1;
    }
  });
  let total = 0;
  fanOut.forEach((count, first) => index.writeUInt32BE((total += count), HEADER_BYTES + 4 * first));
  index.set(packChecksum, largeAt + 8 * large);
  const end = index.length - ID_BYTES;
  index.set(createHash('sha1').update(index.subarray(0, end)).digest(), end);
  return index;
}
