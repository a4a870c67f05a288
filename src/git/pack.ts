import { createHash } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';
import type { NewObject, ObjectType } from './port.ts';

/** A pack and its index, as the two files of `objects/pack`; `id` goes into their names. */
export interface EncodedPack {
  readonly id: string;
  readonly pack: Uint8Array;
  readonly index: Uint8Array;
}

interface PlacedObject {
  readonly id: string;
  readonly offset: number;
  readonly crc: number;
}

/** Type numbers of pack entries: gitformat-pack(5). */
const TYPE_NUMBER: Readonly<Record<ObjectType, number>> = { commit: 1, tree: 2, blob: 3 };
const HEADER_BYTES = 12;
/** So much larger than its content a compressed small object can be; for what needs more zlib takes another chunk. */
const CHUNK_MARGIN = 64;

/** Type and size of an entry: four bits of size in the first byte, seven in each further one, lowest first. */
function entryHeader(type: ObjectType, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (TYPE_NUMBER[type] << 4) | (size & 15);
  let rest = Math.floor(size / 16);
  while (rest > 0) {
    bytes.push(byte | 0x80);
    byte = rest & 0x7f;
    rest = Math.floor(rest / 128);
  }
  bytes.push(byte);
  return Buffer.from(bytes);
}

const uint32 = (...values: readonly number[]): Buffer => {
  const buffer = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => buffer.writeUInt32BE(value >>> 0, 4 * at));
  return buffer;
};

const sha1 = (parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** A version 2 pack of exactly these objects, whole (no deltas), and its version 2 index. An id that comes twice is packed once. */
export function encodePack(objects: readonly NewObject[]): EncodedPack {
  const unique = [...new Map(objects.map((object) => [object.id, object])).values()];
  const parts: Uint8Array[] = [Buffer.from('PACK'), uint32(2, unique.length)];
  const placed: PlacedObject[] = [];
  let offset = HEADER_BYTES;
  for (const { id, type, content } of unique) {
    const entry = Buffer.concat([
      entryHeader(type, content.length),
      deflateSync(content, { chunkSize: content.length + CHUNK_MARGIN }),
    ]);
    placed.push({ id, offset, crc: crc32(entry) });
    parts.push(entry);
    offset += entry.length;
  }
  const checksum = sha1(parts);
  return {
    id: checksum.toString('hex'),
    pack: Buffer.concat([...parts, checksum]),
    index: encodeIndex(placed, checksum),
  };
}

/** An index for packs below 2 GiB: fan-out table, ids, CRCs, offsets, then the checksums of the pack and of itself. */
function encodeIndex(placed: readonly PlacedObject[], packChecksum: Buffer): Uint8Array {
  const rows = [...placed].sort((a, b) => (a.id < b.id ? -1 : 1));
  const fanOut = Array.from({ length: 256 }, () => 0);
  for (const { id } of rows) fanOut[Number.parseInt(id.slice(0, 2), 16)]! += 1;
  for (let at = 1; at < 256; at++) fanOut[at]! += fanOut[at - 1]!;
  const parts = [
    Buffer.from('ff744f63', 'hex'),
    uint32(2, ...fanOut),
    Buffer.from(rows.map(({ id }) => id).join(''), 'hex'),
    uint32(...rows.map(({ crc }) => crc)),
    uint32(...rows.map(({ offset }) => offset)),
    packChecksum,
  ];
  return Buffer.concat([...parts, sha1(parts)]);
}
