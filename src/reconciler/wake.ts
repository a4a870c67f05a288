/** A bell that many may ring and one waits for. A ring while nobody waits is kept for the next wait. */
export interface Wake {
  ring(): void;
  /** Resolves at the next ring, when the time is over, or when the signal aborts: whoever waits looks for itself. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createWake(): Wake {
  let rung = false;
  let waiting: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      waiting?.();
    },
    wait(ms, signal) {
      return new Promise((resolve) => {
        const done = (): void => {
          rung = false;
          waiting = undefined;
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        waiting = done;
        signal.addEventListener('abort', done);
        if (rung || signal.aborted) done();
      });
    },
  };
}
