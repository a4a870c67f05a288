import type { ApiObject } from './wire.ts';

/** What became of an object. */
export interface Change<T> {
  readonly type: 'added' | 'modified' | 'deleted';
  /** Of a deletion: as it was last seen. */
  readonly object: T;
  /** As it was before, if it was known. */
  readonly before: T | null;
  /**
   * True for a deletion that was not seen: the object was missing, or another one had its name, when the list was
   * taken anew. How it ended is not known.
   */
  readonly vanished: boolean;
}

/** The objects that a watch knows, by namespace and name. */
export interface ReadonlyStore<T> {
  readonly size: number;
  get(name: string, namespace?: string): T | undefined;
  values(): IterableIterator<T>;
}

/** A store and how lists and events change it. Every method returns what changed, in order. */
export interface Store<T> extends ReadonlyStore<T> {
  /** The object is there, as this. */
  put(object: T): readonly Change<T>[];
  /** The object was deleted, and this is how it last was. */
  remove(object: T): readonly Change<T>[];
  /** These objects are there, and no others. */
  replace(objects: readonly T[]): readonly Change<T>[];
}

const keyOf = ({ metadata }: ApiObject): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
const sameVersion = (one: ApiObject, other: ApiObject): boolean =>
  one.metadata?.uid === other.metadata?.uid && one.metadata?.resourceVersion === other.metadata?.resourceVersion;

/** Makes an empty store. */
export function createStore<T extends ApiObject>(): Store<T> {
  const objects = new Map<string, T>();

  const put = (object: T): readonly Change<T>[] => {
    const key = keyOf(object);
    const before = objects.get(key) ?? null;
    if (before !== null && sameVersion(before, object)) return [];
    objects.set(key, object);
    if (before === null) return [{ type: 'added', object, before, vanished: false }];
    if (before.metadata?.uid === object.metadata?.uid) return [{ type: 'modified', object, before, vanished: false }];
    return [
      { type: 'deleted', object: before, before, vanished: true },
      { type: 'added', object, before: null, vanished: false },
    ];
  };

  return {
    get size() {
      return objects.size;
    },
    get: (name, namespace = '') => objects.get(`${namespace}/${name}`),
    values: () => objects.values(),
    put,
    remove(object) {
      const before = objects.get(keyOf(object)) ?? null;
      // A late word about an object whose successor is known already says nothing new.
      if (before === null || before.metadata?.uid !== object.metadata?.uid) return [];
      objects.delete(keyOf(object));
      return [{ type: 'deleted', object, before, vanished: false }];
    },
    replace(all) {
      const there = new Set(all.map(keyOf));
      const changes: Change<T>[] = [];
      for (const [key, before] of objects) {
        if (there.has(key)) continue;
        objects.delete(key);
        changes.push({ type: 'deleted', object: before, before, vanished: true });
      }
      for (const object of all) changes.push(...put(object));
      return changes;
    },
  };
}
