import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { isCoded, messageOf, transientError } from '../errors.ts';
import { TooLarge } from './pack-entry.ts';
import { encodePackIndex } from './pack-index-write.ts';
import type { RawObject } from './pack-reader.ts';
import { createDeltaResolver } from './pack-resolve.ts';
import { createBreathe, PACK_HEADER_BYTES, readExactly, scanPack, type Breathe, type OpenPack } from './pack-scan.ts';
import { CHECKSUM_BYTES, extendTable, type PackTable } from './pack-table.ts';
import { encodeEntry, packHeader, TYPE_NUMBER, type PackedType } from './pack.ts';

export interface BuildRequest extends OpenPack {
  /** Gives the objects that a thin pack's deltas stand on; undefined for what is not there. */
  readonly readOutside: (id: string) => Promise<RawObject | undefined>;
  readonly signal: AbortSignal;
}

export interface BuiltIndex {
  /** Of the pack, in hex: it goes into the names of its files. */
  readonly checksum: string;
  /** The index file's content. */
  readonly index: Buffer;
  readonly objects: number;
}

const CHUNK_BYTES = 1024 * 1024;

/** The SHA-1 of the first `end` bytes. */
async function checksumUpTo(end: number, descriptor: number, breathe: Breathe): Promise<Buffer> {
  const hash = createHash('sha1');
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (let at = 0; at < end; at += chunk.length) {
    hash.update(readExactly(descriptor, chunk, at, Math.min(chunk.length, end - at)));
    await breathe(CHUNK_BYTES / 4);
  }
  return hash.digest();
}

async function assertWhole({ descriptor, bytes }: OpenPack, breathe: Breathe): Promise<Buffer> {
  const end = bytes - CHECKSUM_BYTES;
  if (end >= PACK_HEADER_BYTES) {
    const checksum = await checksumUpTo(end, descriptor, breathe);
    if (checksum.equals(readExactly(descriptor, Buffer.alloc(CHECKSUM_BYTES), end, CHECKSUM_BYTES))) return checksum;
  }
  throw transientError('PackCutOff', 'the pack did not arrive whole');
}

function writeFully(descriptor: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, position + at);
}

/** Appends the bases that the deltas of a thin pack miss, as `git index-pack --fix-thin` does, and resolves these deltas. */
async function completeThin(request: BuildRequest, scanned: PackTable, breathe: Breathe): Promise<PackTable> {
  const table = extendTable(scanned, scanned.waiting.size);
  const resolver = createDeltaResolver(request, table, breathe);
  let count = scanned.count;
  // A base may bring others to light in the pack itself: these leave the map before their turn comes.
  for (const id of table.waiting.keys()) {
    const base = await request.readOutside(id);
    if (!base) continue;
    const type = base.type as PackedType;
    const entry = encodeEntry(type, base.content);
    const offset = table.offsets[count]!;
    writeFully(request.descriptor, entry, offset);
    table.offsets[count + 1] = offset + entry.length;
    table.crcs[count] = crc32(entry);
    table.types[count] = TYPE_NUMBER[type];
    table.ids.write(id, CHECKSUM_BYTES * count, 'hex');
    await resolver.resolveAbove(count);
    count += 1;
  }
  return { ...table, count };
}

/** Writes header and trailer anew; returns the checksum. */
async function seal(descriptor: number, { count, offsets }: PackTable, breathe: Breathe): Promise<Buffer> {
  const end = offsets[count]!;
  writeFully(descriptor, packHeader(count), 0);
  const checksum = await checksumUpTo(end, descriptor, breathe);
  writeFully(descriptor, checksum, end);
  return checksum;
}

function assertResolved({ count, types }: PackTable): void {
  const missing = types.subarray(0, count).reduce((sum, type) => sum + (type === 0 ? 1 : 0), 0);
  if (missing > 0) throw new Error(`${missing} deltas have no base`);
}

async function build(request: BuildRequest, checksum: Buffer, breathe: Breathe): Promise<BuiltIndex> {
  const scanned = await scanPack(request, breathe);
  const resolver = createDeltaResolver(request, scanned, breathe);
  for (let row = 0; row < scanned.count; row++) {
    if (scanned.bases[row]! < 0 && scanned.types[row] !== 0) await resolver.resolveAbove(row);
  }
  const thin = scanned.waiting.size > 0;
  const table = thin ? await completeThin(request, scanned, breathe) : scanned;
  assertResolved(table);
  const sealed = thin ? await seal(request.descriptor, table, breathe) : checksum;
  const columns = {
    ids: table.ids.subarray(0, CHECKSUM_BYTES * table.count),
    crcs: table.crcs.subarray(0, table.count),
    offsets: table.offsets.subarray(0, table.count),
  };
  return { checksum: sealed.toString('hex'), index: encodePackIndex(columns, sealed), objects: table.count };
}

/**
 * Makes the index of a pack that has just arrived, in bounded memory. A thin pack is completed on the way: its file
 * grows. Throws `PackCutOff` where the checksum at its end does not fit, `PackInvalid` where it does and the content is
 * nothing that we can read (both transient), and `Cancelled`.
 */
export async function buildPackIndex(request: BuildRequest): Promise<BuiltIndex> {
  const breathe = createBreathe(request.signal, 'reading a pack');
  const checksum = await assertWhole(request, breathe);
  try {
    return await build(request, checksum, breathe);
  } catch (error) {
    if (isCoded(error)) throw error;
    const why = error instanceof TooLarge ? 'an object is too large' : messageOf(error);
    throw transientError('PackInvalid', `the pack cannot be read: ${why}`, { cause: error });
  }
}
