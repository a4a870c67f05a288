import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32, createInflate } from 'node:zlib';
import { throwIfCancelled } from './cancel.ts';
import { CHECKSUM_BYTES, createKeeper, linkDelta, newTable, type PackTable } from './pack-table.ts';
import { TYPE_NUMBER, type PackedType } from './pack.ts';
import { inflatePrefix, parsePackEntry, type PackEntry } from './pack-entry.ts';

/** A pack on the disk, opened for reading. */
export interface OpenPack {
  readonly descriptor: number;
  /** With header and trailer. */
  readonly bytes: number;
}

/** Lets other work run once enough was done: undefined until then. Throws `Cancelled`. */
export type Breathe = (cost: number) => Promise<void> | undefined;

export const PACK_HEADER_BYTES = 12;
/** The shortest entry: a header of one byte, and eight of an empty zlib stream. */
const MIN_ENTRY_BYTES = 9;
/** Type, size and base of an entry take no more. */
const MAX_ENTRY_HEADER = 64;
const WINDOW_BYTES = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
/** Entries of more bytes than this are never in memory as a whole here. */
const STREAM_FROM = 4 * 1024 * 1024;
/** Of compressed bytes that are looked at together. */
const MAX_ROOM = 4 * STREAM_FROM;
const ENTRY_COST = 4096;
const TURN_COST = 1024 * 1024;

/** Work is measured in bytes; a turn is some 5 ms. */
export function createBreathe(signal: AbortSignal, what: string): Breathe {
  let done = 0;
  return (cost) => {
    done += cost + ENTRY_COST;
    if (done < TURN_COST) return undefined;
    done = 0;
    return nextTurn().then(() => throwIfCancelled(signal, what));
  };
}

/** Reads `length` bytes; throws when the file ends before. */
export function readExactly(descriptor: number, buffer: Buffer, offset: number, length: number): Buffer {
  let filled = 0;
  while (filled < length) {
    const read = readSync(descriptor, buffer, filled, length - filled, offset + filled);
    if (read === 0) throw new Error('the pack ends too early');
    filled += read;
  }
  return buffer.subarray(0, length);
}

/** The SHA-1 id of an object of any type. */
export const digestOf = (type: string, content: Uint8Array): Buffer =>
  createHash('sha1').update(`${type} ${content.length}\0`).update(content).digest();

/**
 * A view that moves over the file: at least `wanted` bytes from `offset` on (fewer at the end), good until the next call.
 */
function createWindow(descriptor: number, end: number): (offset: number, wanted: number) => Buffer {
  let buffer: Buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  let start = 0;
  let filled = 0;
  return (offset, wanted) => {
    const needed = Math.min(wanted, end - offset);
    if (offset < start || offset + needed > start + filled) {
      if (needed > buffer.length) buffer = Buffer.allocUnsafeSlow(needed);
      start = offset;
      filled = Math.min(buffer.length, end - offset);
      readExactly(descriptor, buffer, start, filled);
    }
    return buffer.subarray(offset - start, filled);
  };
}

interface Passed {
  /** Compressed bytes. */
  readonly taken: number;
  /** Of a whole object. */
  readonly id: Buffer | undefined;
  /** Of a small delta. */
  readonly delta: Uint8Array | undefined;
}

function* chunksOf(descriptor: number, start: number, end: number): Generator<Buffer> {
  for (let at = start; at < end; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, end - at);
    yield readExactly(descriptor, Buffer.allocUnsafeSlow(length), at, length);
  }
}

/** Decompresses an entry in a stream, for what is too large to hold. */
async function passLarge(entry: PackEntry, dataAt: number, { descriptor, bytes }: OpenPack): Promise<Passed> {
  const source = Readable.from(chunksOf(descriptor, dataAt, bytes - CHECKSUM_BYTES), { objectMode: true });
  const inflate = createInflate();
  source.on('error', (error) => inflate.destroy(error)).pipe(inflate);
  const hash = createHash('sha1').update(`${entry.type} ${entry.size}\0`);
  let size = 0;
  try {
    for await (const part of inflate) {
      size += (part as Buffer).length;
      if (size > entry.size) break;
      hash.update(part as Buffer);
    }
  } finally {
    source.destroy();
  }
  if (size !== entry.size) throw new Error(`another size than the ${entry.size} bytes that were announced`);
  return { taken: inflate.bytesWritten, id: entry.type ? hash.digest() : undefined, delta: undefined };
}

type Window = ReturnType<typeof createWindow>;

function passSmall(entry: PackEntry, dataAt: number, window: Window): Passed {
  // Zlib makes incompressible data a little longer; what is longer still takes another round.
  let room = entry.size + (entry.size >> 8) + MAX_ENTRY_HEADER;
  for (;;) {
    const data = window(dataAt, room);
    const found = inflatePrefix(data, entry.size);
    if (found) {
      const { content, taken } = found;
      return entry.type
        ? { taken, id: digestOf(entry.type, content), delta: undefined }
        : { taken, id: undefined, delta: content };
    }
    if (data.length < room || room > MAX_ROOM) throw new Error('the pack ends in the middle of an entry');
    room *= 2;
  }
}

function checksumOfRange(window: Window, start: number, end: number): number {
  let crc = 0;
  for (let at = start; at < end;) {
    const part = window(at, Math.min(end - at, WINDOW_BYTES)).subarray(0, end - at);
    crc = crc32(part, crc);
    at += part.length;
  }
  return crc;
}

/** How many entries the header announces. */
function readCount({ descriptor, bytes }: OpenPack): number {
  const header = readExactly(descriptor, Buffer.alloc(PACK_HEADER_BYTES), 0, PACK_HEADER_BYTES);
  const version = header.readUInt32BE(4);
  if (header.toString('latin1', 0, 4) !== 'PACK' || (version !== 2 && version !== 3)) {
    throw new Error('it is no pack of version 2');
  }
  const count = header.readUInt32BE(8);
  if (count * MIN_ENTRY_BYTES > bytes - PACK_HEADER_BYTES - CHECKSUM_BYTES) {
    throw new Error(`${count} entries cannot be in ${bytes} bytes`);
  }
  return count;
}

/**
 * Goes through a pack once, from its beginning to its end: where each entry lies, its CRC-32, the id of each whole
 * object, and what each delta stands on. See gitformat-pack(5). Throws a plain Error for what is no such pack.
 */
export async function scanPack(pack: OpenPack, breathe: Breathe): Promise<PackTable> {
  const table = newTable(readCount(pack));
  const end = pack.bytes - CHECKSUM_BYTES;
  const window = createWindow(pack.descriptor, end);
  const keep = createKeeper(table.kept);
  let offset = PACK_HEADER_BYTES;
  for (let row = 0; row < table.count; row++) {
    const head = window(offset, MAX_ENTRY_HEADER);
    if (head.length === 0) throw new Error('the pack has fewer entries than it announces');
    const entry = parsePackEntry(head, offset);
    const dataAt = offset + head.length - entry.data.length;
    const large = entry.size > STREAM_FROM;
    const passed = large ? await passLarge(entry, dataAt, pack) : passSmall(entry, dataAt, window);
    const next = dataAt + passed.taken;
    table.offsets[row] = offset;
    table.crcs[row] = checksumOfRange(window, offset, next);
    if (passed.id) {
      table.types[row] = TYPE_NUMBER[entry.type as PackedType];
      table.ids.set(passed.id, CHECKSUM_BYTES * row);
    } else linkDelta(table, row, entry);
    if (passed.delta) keep(row, passed.delta);
    offset = next;
    const turn = breathe(entry.size);
    if (turn) await turn;
  }
  if (offset !== end) throw new Error('the pack goes on behind its last entry');
  table.offsets[table.count] = end;
  return table;
}
