import { gunzipSync, gzipSync } from 'node:zlib';
import { terminalError } from '../errors.ts';
import type { RunRecord } from '../runner/port.ts';

/**
 * A run record with its texts taken out: what the payload carries anyway (scripts, contents of files) stands there once,
 * and other long texts, which the spec and what its digest covers have in common, once in `texts`. Reading gives exactly
 * what was written.
 */
interface StoredRecord {
  readonly version: 1;
  readonly texts: readonly string[];
  readonly record: unknown;
}

/** Strings that start with NUL are marks; those of the record itself that do get one more. */
const MARK = '\0';
const IN_PAYLOAD = `${MARK}payload:`;
const IN_TEXTS = `${MARK}text:`;
const AS_IS = `${MARK}as is:`;

/** Shorter ones are not worth a mark. */
const SHORTEST_REFERENCE = 64;
const LONG_TEXT = 4096;

/** A record is smaller than the manifest it comes from, but it was stored by others. */
const LARGEST_RECORD = 64 * 1024 * 1024;

/** The record as gzip JSON. `texts`: the entries of the payload by key. */
export function packRecord(record: RunRecord, texts: ReadonlyMap<string, string>): Uint8Array {
  const keyOf = new Map([...texts].map(([key, text]) => [text, key]));
  const long = new Map<string, number>();
  const packed = mapStrings(record, (text) => {
    const key = text.length >= SHORTEST_REFERENCE ? keyOf.get(text) : undefined;
    if (key !== undefined) return IN_PAYLOAD + key;
    if (text.length > LONG_TEXT) {
      if (!long.has(text)) long.set(text, long.size);
      return `${IN_TEXTS}${long.get(text)}`;
    }
    return text.startsWith(MARK) ? AS_IS + text : text;
  });
  const stored: StoredRecord = { version: 1, texts: [...long.keys()], record: packed };
  return gzipSync(JSON.stringify(stored), { level: 9 });
}

/** The record of packed bytes. Throws CodedError `PayloadUnreadable` (terminal) for anything else. */
export function unpackRecord(packed: Uint8Array, texts: ReadonlyMap<string, string>, name: string): RunRecord {
  const unreadable = (why: string): Error =>
    terminalError('PayloadUnreadable', `the payload ${name} holds no record of a run: ${why}`, {
      hint: 'delete it; its run ends as an error',
    });
  let stored: Partial<StoredRecord> | null;
  try {
    stored = JSON.parse(gunzipSync(packed, { maxOutputLength: LARGEST_RECORD }).toString()) as StoredRecord | null;
  } catch {
    throw unreadable('it is damaged');
  }
  if (stored?.version !== 1) throw unreadable('it is of another version');
  return mapStrings(stored.record, (text) => {
    const found = text.startsWith(MARK) ? resolved(text, stored.texts ?? [], texts) : text;
    if (found === undefined) throw unreadable('a text is missing');
    return found;
  }) as RunRecord;
}

function resolved(mark: string, long: readonly string[], texts: ReadonlyMap<string, string>): string | undefined {
  if (mark.startsWith(IN_PAYLOAD)) return texts.get(mark.slice(IN_PAYLOAD.length));
  if (mark.startsWith(IN_TEXTS)) return long[Number(mark.slice(IN_TEXTS.length))];
  return mark.startsWith(AS_IS) ? mark.slice(AS_IS.length) : undefined;
}

/** The JSON value with each of its strings, but for the names of properties, replaced. */
function mapStrings(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, map)]));
}
