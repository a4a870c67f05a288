import { inflateSync } from 'node:zlib';
import { MAX_OBJECT_BYTES } from './limits.ts';

/** An entry of a pack as it is stored, still compressed: gitformat-pack(5). */
export interface PackEntry {
  /** The object's type; undefined for a delta. */
  readonly type: string | undefined;
  /** Bytes after decompression: of the object, or of the delta. */
  readonly size: number;
  /** Where the base of a delta is: an offset in this pack, or an id. */
  readonly baseOffset: number | undefined;
  readonly baseId: string | undefined;
  readonly data: Uint8Array;
}

/** The types of whole objects by their numbers in a pack. */
export const TYPES: Readonly<Record<number, string>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' };
const OFFSET_DELTA = 6;
const ID_DELTA = 7;
/** The smallest chunk that zlib accepts, in bytes. */
const MIN_CHUNK = 64;

/** Thrown for what is larger than {@link MAX_OBJECT_BYTES}; whoever knows the object's id makes a coded error of it. */
export class TooLarge extends Error {}

/** Reads the header of the entry that lies at `offset` of its pack; `bytes` are the whole entry. */
export function parsePackEntry(bytes: Buffer, offset: number): PackEntry {
  let at = 0;
  let byte = bytes[at++]!;
  const kind = (byte >> 4) & 7;
  let size = byte & 15;
  for (let factor = 16; byte & 0x80; factor *= 128) {
    byte = bytes[at++]!;
    size += (byte & 0x7f) * factor;
  }
  let baseOffset: number | undefined;
  let baseId: string | undefined;
  if (kind === OFFSET_DELTA) {
    byte = bytes[at++]!;
    let distance = byte & 0x7f;
    while (byte & 0x80) {
      byte = bytes[at++]!;
      distance = (distance + 1) * 128 + (byte & 0x7f);
    }
    baseOffset = offset - distance;
  } else if (kind === ID_DELTA) {
    baseId = bytes.toString('hex', at, at + 20);
    at += 20;
  } else if (!TYPES[kind]) throw new Error(`there is no type ${kind} of pack entries`);
  return { type: TYPES[kind], size, baseOffset, baseId, data: bytes.subarray(at) };
}

/** Decompresses to exactly `size` bytes. */
export function inflateExactly(data: Uint8Array, size: number): Uint8Array {
  if (size > MAX_OBJECT_BYTES) throw new TooLarge();
  // A chunk of the right size: zlib's own of 16 KiB would stay in memory with every small object.
  const content = inflateSync(data, { maxOutputLength: size + 1, chunkSize: Math.max(size + 1, MIN_CHUNK) });
  if (content.length !== size) throw new Error(`${content.length} bytes where ${size} were announced`);
  return content;
}

/**
 * Decompresses exactly `size` bytes from the beginning of `data`, which may go on behind them. Returns them and how many
 * bytes of `data` they took; undefined when `data` ends too early.
 */
export function inflatePrefix(
  data: Uint8Array,
  size: number,
): { readonly content: Uint8Array; readonly taken: number } | undefined {
  const options = { maxOutputLength: size + 1, chunkSize: Math.max(size + 1, MIN_CHUNK), info: true };
  try {
    const { buffer, engine } = inflateSync(data, options) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    if (buffer.length !== size) throw new Error(`${buffer.length} bytes where ${size} were announced`);
    return { content: buffer, taken: engine.bytesWritten };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR') return undefined;
    throw error;
  }
}

/** A size in a delta: seven bits a byte, lowest first. Returns it and where it ends. */
function deltaSize(delta: Uint8Array, start: number): readonly [number, number] {
  let at = start;
  let size = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = delta[at++]!;
    size += (byte & 0x7f) * factor;
    if (!(byte & 0x80)) return [size, at];
  }
}

/** The object that a delta makes of its base: runs to copy from the base, and runs that the delta brings along. */
export function applyDelta(delta: Uint8Array, base: Uint8Array): Uint8Array {
  const [baseSize, afterBase] = deltaSize(delta, 0);
  const [size, start] = deltaSize(delta, afterBase);
  if (baseSize !== base.length) throw new Error('a delta for another base');
  if (size > MAX_OBJECT_BYTES) throw new TooLarge();
  const result = Buffer.allocUnsafe(size);
  let at = start;
  let filled = 0;
  while (at < delta.length) {
    const command = delta[at++]!;
    if (command & 0x80) {
      let from = 0;
      let length = 0;
      for (let bit = 0; bit < 4; bit++) if (command & (1 << bit)) from += delta[at++]! * 256 ** bit;
      for (let bit = 0; bit < 3; bit++) if (command & (16 << bit)) length += delta[at++]! * 256 ** bit;
      if (length === 0) length = 0x10000;
      if (from + length > base.length || filled + length > size) throw new Error('a delta reaches beyond its base');
      result.set(base.subarray(from, from + length), filled);
      filled += length;
    } else {
      if (command === 0 || at + command > delta.length || filled + command > size) throw new Error('a broken delta');
      result.set(delta.subarray(at, at + command), filled);
      at += command;
      filled += command;
    }
  }
  if (filled !== size) throw new Error('a delta that ends too early');
  return result;
}
