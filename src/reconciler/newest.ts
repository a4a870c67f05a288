/** A list that keeps its newest entries. */
export interface Newest<T> {
  add(entry: T): void;
  /** In the order in which they were added. */
  all(): readonly T[];
}

/** `most`: how many are kept; what is older is forgotten, a part at a time. */
export function createNewest<T>(most: number): Newest<T> {
  let entries: T[] = [];
  return {
    add(entry) {
      entries.push(entry);
      // Not at each entry: moving all of them costs as much as there are.
      if (entries.length >= 2 * most) entries = entries.slice(-most);
    },
    all: () => (entries.length > most ? entries.slice(-most) : entries),
  };
}
