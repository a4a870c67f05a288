/** Collects items for a moment and hands them over together: one call where many would do the same. */
export interface Batch<T> {
  /** Resolves when the work that took the item in is done; rejects with what it threw. */
  add(item: T): Promise<void>;
}

export function createBatch<T>(waitMs: number, work: (items: readonly T[]) => Promise<void>): Batch<T> {
  let open: { readonly items: T[]; readonly done: Promise<void> } | undefined;
  return {
    add(item) {
      if (!open) {
        const items: T[] = [];
        const done = new Promise<void>((resolve, reject) => {
          setTimeout(() => {
            open = undefined;
            work(items).then(resolve, reject);
          }, waitMs);
        });
        open = { items, done };
      }
      open.items.push(item);
      return open.done;
    },
  };
}
