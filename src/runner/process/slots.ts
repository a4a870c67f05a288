/** A number of places that are given out in the order in which they were asked for. */
export interface Slots {
  /** Resolves to true with a place, or to false once the signal aborts. */
  take(signal: AbortSignal): Promise<boolean>;
  give(): void;
}

export function createSlots(count: number): Slots {
  let free = count;
  const waiting = new Set<() => void>();
  return {
    async take(signal) {
      if (signal.aborted) return false;
      if (free > 0) {
        free -= 1;
        return true;
      }
      return new Promise((resolve) => {
        const taken = (): void => {
          signal.removeEventListener('abort', aborted);
          resolve(true);
        };
        const aborted = (): void => {
          waiting.delete(taken);
          resolve(false);
        };
        waiting.add(taken);
        signal.addEventListener('abort', aborted, { once: true });
      });
    },
    give() {
      const [next] = waiting;
      if (next === undefined) free += 1;
      else {
        waiting.delete(next);
        next();
      }
    },
  };
}
