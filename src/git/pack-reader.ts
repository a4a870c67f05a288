import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { messageOf, terminalError } from '../errors.ts';
import { createLru } from './lru.ts';
import { applyDelta, inflateExactly, parsePackEntry, TooLarge, type PackEntry } from './pack-entry.ts';
import { parsePackIndex } from './pack-index.ts';

/** An object as it is stored: its type (`tag` too) and its bytes. */
export interface RawObject {
  readonly type: string;
  readonly content: Uint8Array;
}

type ReadOther = (id: string) => RawObject | undefined;

/** One pack of `objects/pack`, read in place: an id is looked up in the index, then its entry alone is read. */
export interface PackFile {
  /**
   * The object, or undefined when it is not in this pack. `readOther` gives the bases that lie outside of it.
   * Throws `ObjectCorrupt`, or {@link TooLarge}.
   */
  read(id: string, readOther: ReadOther): RawObject | undefined;
  close(): void;
}

const MAX_DELTA_DEPTH = 5000;
const BASE_CACHE_BYTES = 16 * 1024 * 1024;

/** Opens a pack by the path of its `.idx`. */
export async function openPackFile(indexPath: string): Promise<PackFile> {
  const index = parsePackIndex(await readFile(indexPath), indexPath);
  const path = indexPath.replace(/\.idx$/, '.pack');
  const bases = createLru<number, RawObject>(BASE_CACHE_BYTES);
  let file: { readonly descriptor: number; readonly bytes: number } | undefined;

  const readEntry = (offset: number): PackEntry => {
    if (!file) {
      const descriptor = openSync(path, 'r');
      file = { descriptor, bytes: fstatSync(descriptor).size };
    }
    const length = index.endOf(offset, file.bytes) - offset;
    if (length <= 0) throw new Error('the pack ends too early');
    const bytes = Buffer.allocUnsafeSlow(length);
    if (readSync(file.descriptor, bytes, 0, length, offset) < length) throw new Error('the pack ends too early');
    return parsePackEntry(bytes, offset);
  };

  /** Walks from a delta to its base, and back up applying each. */
  const readAt = (start: number, readOther: ReadOther): RawObject => {
    const deltas: { readonly offset: number; readonly delta: Uint8Array }[] = [];
    let offset = start;
    let object = bases.get(offset);
    while (!object) {
      if (deltas.length > MAX_DELTA_DEPTH) throw new Error('deltas without an end');
      const entry = readEntry(offset);
      const data = inflateExactly(entry.data, entry.size);
      if (entry.type) {
        object = { type: entry.type, content: data };
        if (deltas.length > 0) bases.set(offset, object, data.length);
      } else {
        deltas.push({ offset, delta: data });
        const base: number | undefined = entry.baseOffset ?? index.offsetOf(entry.baseId!);
        if (base === undefined) object = readOther(entry.baseId!);
        else object = bases.get(base);
        if (base === undefined && !object) throw new Error(`the base ${entry.baseId} is missing`);
        offset = base ?? offset;
      }
    }
    for (const { offset: at, delta } of deltas.reverse()) {
      object = { type: object.type, content: applyDelta(delta, object.content) };
      if (at !== start) bases.set(at, object, object.content.length);
    }
    return object;
  };

  return {
    read(id, readOther) {
      const offset = index.offsetOf(id);
      if (offset === undefined) return undefined;
      try {
        return readAt(offset, readOther);
      } catch (error) {
        // A pack that `git gc` has just replaced: the object is in another one by now.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        if (error instanceof TooLarge) throw error;
        throw terminalError('ObjectCorrupt', `object ${id} in ${path} cannot be read: ${messageOf(error)}`, {
          hint: 'Run `git fsck` there.',
        });
      }
    },
    close() {
      if (file) closeSync(file.descriptor);
      file = undefined;
    },
  };
}
