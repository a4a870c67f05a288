import { createHash } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';
import { encodePackIndex } from './pack-index-write.ts';
import type { NewObject, ObjectType } from './port.ts';

/** A pack and its index, as the two files of `objects/pack`; `id` goes into their names. */
export interface EncodedPack {
  readonly id: string;
  readonly pack: Uint8Array;
  readonly index: Uint8Array;
}

/** Type numbers of pack entries: gitformat-pack(5). */
export const TYPE_NUMBER = { commit: 1, tree: 2, blob: 3, tag: 4 } as const;
export type PackedType = ObjectType;
/** So much larger than its content a compressed small object can be; for what needs more zlib takes another chunk. */
const CHUNK_MARGIN = 64;

/** Type and size of an entry: four bits of size in the first byte, seven in each further one, lowest first. */
function entryHeader(type: PackedType, size: number): Buffer {
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

/** The first bytes of a pack: its signature, version 2, and how many entries follow. */
export function packHeader(count: number): Buffer {
  const header = Buffer.from('PACK\0\0\0\u0002\0\0\0\0', 'latin1');
  header.writeUInt32BE(count, 8);
  return header;
}

/** An object as a pack's entry, whole. */
export const encodeEntry = (type: PackedType, content: Uint8Array): Buffer =>
  Buffer.concat([
    entryHeader(type, content.length),
    deflateSync(content, { chunkSize: content.length + CHUNK_MARGIN }),
  ]);

/** A version 2 pack of exactly these objects, whole (no deltas), and its version 2 index. An id that comes twice is packed once. */
export function encodePack(objects: readonly NewObject[]): EncodedPack {
  const unique = [...new Map(objects.map((object) => [object.id, object])).values()];
  const columns = {
    ids: Buffer.alloc(20 * unique.length),
    crcs: new Uint32Array(unique.length),
    offsets: new Float64Array(unique.length),
  };
  const parts: Uint8Array[] = [packHeader(unique.length)];
  let offset = parts[0]!.length;
  unique.forEach(({ id, type, content }, row) => {
    const entry = encodeEntry(type, content);
    columns.ids.write(id, 20 * row, 'hex');
    columns.crcs[row] = crc32(entry);
    columns.offsets[row] = offset;
    parts.push(entry);
    offset += entry.length;
  });
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  const checksum = hash.digest();
  parts.push(checksum);
  return { id: checksum.toString('hex'), pack: Buffer.concat(parts), index: encodePackIndex(columns, checksum) };
}
