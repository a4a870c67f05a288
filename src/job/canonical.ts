/**
 * JSON with one text per value: keys sorted by UTF-16 code units, no white space, numbers and strings as JSON.stringify
 * writes them (the rules of RFC 8785, except that lone surrogates are escaped and not refused). Takes what JSON can
 * hold and nothing else. Throws a TypeError for NaN, infinities, undefined, functions, bigints, dates, maps and the like.
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form`);
      return JSON.stringify(value);
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
  let text = '';
  // By index: holes are undefined and so refused.
  for (let index = 0; index < value.length; index += 1)
    text += `${index === 0 ? '' : ','}${canonicalJson(value[index])}`;
  return `[${text}]`;
}

function canonicalObject(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('only plain objects have a JSON form');
  let text = '';
  for (const key of Object.keys(value).sort()) {
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson((value as Record<string, unknown>)[key])}`;
  }
  return `{${text}}`;
}
