/** A bell that any number may wait for. */
export interface News {
  ring(): void;
  /** Resolves at the next ring, after so many milliseconds, or when the signal aborts. */
  next(ms: number, signal: AbortSignal): Promise<void>;
}

export function createNews(): News {
  let waiting = new Set<() => void>();
  return {
    ring() {
      const woken = waiting;
      waiting = new Set();
      for (const wake of woken) wake();
    },
    next(ms, signal) {
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        waiting.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    },
  };
}
