/**
 * JSON with one text per value: keys sorted by UTF-16 code units, no white space, numbers and strings as JSON.stringify
 * writes them (the rules of RFC 8785, except that lone surrogates are escaped and not refused). Takes what JSON can
 * hold and nothing else. Throws a TypeError for NaN, infinities, undefined, functions, bigints, dates, maps and the like.
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form`);
      return String(value);
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value);
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      throw new TypeError(`a value of type ${typeof value} has no JSON form`);
  }
}

function canonicalArray(value: readonly unknown[]): string {
  let text = '[';
  // By index: holes are undefined and so refused.
  for (let index = 0; index < value.length; index += 1) {
    if (index > 0) text += ',';
    text += canonicalJson(value[index]);
  }
  return text + ']';
}

function canonicalObject(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('only plain objects have a JSON form');
  const keys = Object.keys(value);
  if (!isSorted(keys)) keys.sort();
  let text = '{';
  for (const key of keys) {
    if (text.length > 1) text += ',';
    text += quotedKey(key) + canonicalJson((value as Record<string, unknown>)[key]);
  }
  return text + '}';
}

function isSorted(keys: readonly string[]): boolean {
  for (let index = 1; index < keys.length; index += 1) if (keys[index - 1]! > keys[index]!) return false;
  return true;
}

/** Manifests use the same few keys over and over; the bounds keep what a hostile one could fill memory with small. */
const KNOWN_KEYS = { most: 1_000, length: 40 } as const;
const knownKeys = new Map<string, string>();

/** The key as it stands before its value: quoted, with the colon. */
function quotedKey(key: string): string {
  const known = knownKeys.get(key);
  if (known !== undefined) return known;
  const quoted = `${JSON.stringify(key)}:`;
  if (knownKeys.size < KNOWN_KEYS.most && key.length <= KNOWN_KEYS.length) knownKeys.set(key, quoted);
  return quoted;
}
