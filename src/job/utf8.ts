import type { Position } from './model.ts';
import { createLineIndex } from './positions.ts';

export interface Decoded {
  readonly text: string;
  readonly fault?: Position & { readonly message: string };
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The text of bytes, without a byte order mark; or where they stop to be UTF-8. */
export function decodeUtf8(bytes: Uint8Array): Decoded {
  try {
    return { text: decoder.decode(bytes) };
  } catch {
    const offset = firstBadByte(bytes);
    const hex = (bytes[offset] ?? 0).toString(16).padStart(2, '0');
    const before = new TextDecoder().decode(bytes.subarray(0, offset));
    const message = `the byte 0x${hex} is not valid UTF-8`;
    return { text: '', fault: { ...createLineIndex(before).at(before.length), message } };
  }
}

/** The offset of the first sequence that is not UTF-8: decoding up to it succeeds, and one byte further does not. */
function firstBadByte(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.byteLength;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (decodes(bytes.subarray(0, middle))) low = middle;
    else high = middle - 1;
  }
  return wholeSequences(bytes, low);
}

/** Whether the bytes are UTF-8, perhaps cut off within the last character. */
function decodes(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** Steps back from the middle of a character to where it begins. */
function wholeSequences(bytes: Uint8Array, offset: number): number {
  for (let length = 1; length <= 3 && length <= offset; length += 1) {
    const byte = bytes[offset - length] ?? 0;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needed > length ? offset - length : offset;
    }
    if (byte < 0x80) break;
  }
  return offset;
}
