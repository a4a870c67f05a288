import { createLru } from './lru.ts';
import { applyDelta, inflateExactly, parsePackEntry, TYPES } from './pack-entry.ts';
import { digestOf, readExactly, type Breathe, type OpenPack } from './pack-scan.ts';
import { CHECKSUM_BYTES, type PackTable } from './pack-table.ts';

/** Objects that deltas stand on, kept while their deltas are resolved. */
const CACHE_BYTES = 32 * 1024 * 1024;
/** What an object in the cache takes beside its content. */
const ENTRY_BYTES = 200;

/** Gives the deltas of a pack their ids and types. */
export interface DeltaResolver {
  /** Resolves the deltas that stand on a row whose own id and type are known, and those that stand on these. */
  resolveAbove(row: number): Promise<void>;
}

/** What the entries of a scanned pack hold. */
function createContents(descriptor: number, table: PackTable) {
  const cache = createLru<number, Uint8Array>(CACHE_BYTES);
  const readData = (row: number): Uint8Array => {
    const kept = table.kept.get(row);
    if (kept) return kept;
    const offset = table.offsets[row]!;
    const length = table.offsets[row + 1]! - offset;
    const entry = parsePackEntry(readExactly(descriptor, Buffer.allocUnsafe(length), offset, length), offset);
    return inflateExactly(entry.data, entry.size);
  };
  const keep = (row: number, content: Uint8Array): void => {
    // Small buffers are parts of a larger one that would stay with them.
    const own = content.length < Buffer.poolSize ? Uint8Array.from(content) : content;
    cache.set(row, own, own.length + ENTRY_BYTES);
  };
  /** The object of a resolved row: from the cache, or made again from what is below it. */
  const read = (row: number): Uint8Array => {
    const deltas: number[] = [];
    let at = row;
    let content = cache.get(at);
    for (; !content && table.bases[at]! >= 0; content = cache.get(at)) {
      deltas.push(at);
      at = table.bases[at]!;
    }
    content ??= readData(at);
    for (const delta of deltas.reverse()) content = applyDelta(readData(delta), content);
    return content;
  };
  return { readData, keep, read };
}

/**
 * Each delta is made into an object once: from a base to what stands on it, depth first, so that few bases have to be
 * held at a time. Throws a plain Error for a delta that is none, and what {@link applyDelta} throws.
 */
export function createDeltaResolver({ descriptor }: OpenPack, table: PackTable, breathe: Breathe): DeltaResolver {
  const contents = createContents(descriptor, table);
  const idOf = (row: number): Buffer => table.ids.subarray(CHECKSUM_BYTES * row, CHECKSUM_BYTES * (row + 1));
  const waitsFor = (row: number): readonly number[] | undefined =>
    table.waiting.size === 0 ? undefined : table.waiting.get(idOf(row).toString('hex'));
  const hasDeltas = (row: number): boolean => table.firstDelta[row]! >= 0 || waitsFor(row) !== undefined;

  /** The rows that stand on this one, by its place or by its id. */
  const takeDeltas = (row: number): readonly number[] => {
    const rows: number[] = [];
    for (let at = table.firstDelta[row]!; at >= 0; at = table.nextDelta[at]!) rows.push(at);
    for (const at of waitsFor(row) ?? []) {
      table.bases[at] = row;
      rows.push(at);
    }
    if (table.waiting.size > 0) table.waiting.delete(idOf(row).toString('hex'));
    return rows;
  };

  return {
    async resolveAbove(start) {
      const stack = hasDeltas(start) ? [start] : [];
      for (let base = stack.pop(); base !== undefined; base = stack.pop()) {
        const below = contents.read(base);
        const number = table.types[base]!;
        for (const row of takeDeltas(base)) {
          const content = applyDelta(contents.readData(row), below);
          table.kept.delete(row);
          table.types[row] = number;
          table.ids.set(digestOf(TYPES[number]!, content), CHECKSUM_BYTES * row);
          if (hasDeltas(row)) {
            contents.keep(row, content);
            stack.push(row);
          }
          const turn = breathe(content.length);
          if (turn) await turn;
        }
      }
    },
  };
}
