/** A cache that forgets what was used longest ago once the weights of what it holds exceed `capacity`. */
export interface Lru<Key, Value> {
  get(key: Key): Value | undefined;
  set(key: Key, value: Value, weight: number): void;
}

/** `capacity` and weights are in any one unit, such as bytes. What weighs more than a quarter of the capacity is not kept. */
export function createLru<Key, Value>(capacity: number): Lru<Key, Value> {
  const held = new Map<Key, { readonly value: Value; readonly weight: number }>();
  let total = 0;
  return {
    get(key) {
      const found = held.get(key);
      if (!found) return undefined;
      held.delete(key);
      held.set(key, found);
      return found.value;
    },
    set(key, value, weight) {
      if (weight > capacity / 4) return;
      total += weight - (held.get(key)?.weight ?? 0);
      held.delete(key);
      held.set(key, { value, weight });
      for (const [oldest, { weight: freed }] of held) {
        if (total <= capacity) break;
        held.delete(oldest);
        total -= freed;
      }
    },
  };
}
