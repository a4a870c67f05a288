/** A function that remembers its newest `most` answers: for pure ones whose answers are dear and few. */
export function memoize<Key extends string | number, Value>(most: number, make: (key: Key) => Value) {
  const known = new Map<Key, Value>();
  return (key: Key): Value => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const made = make(key);
    if (known.size >= most) for (const oldest of [...known.keys()].slice(0, Math.ceil(most / 4))) known.delete(oldest);
    known.set(key, made);
    return made;
  };
}
