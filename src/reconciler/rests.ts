/** Jobs whose start has failed, and which are left alone for a while. */
export interface Rests {
  /** Whether the job is left alone now. A new revision is a new chance. */
  has(job: string, revision: string): boolean;
  /**
   * Its start has failed at this revision. Returns after how many milliseconds `over` will be called for it; each failure in a
   * row doubles them. `askedMs`: not earlier than this.
   */
  add(job: string, revision: string, askedMs?: number): number;
  /** It has started. */
  remove(job: string): void;
}

const FIRST_MS = 2_000;
const MOST_MS = 120_000;

/** `over` is told every job whose rest has ended. */
export function createRests(over: (job: string) => void, random: () => number = Math.random): Rests {
  const failures = new Map<string, number>();
  const resting = new Map<string, { readonly revision: string; readonly timer: NodeJS.Timeout }>();
  return {
    has: (job, revision) => resting.get(job)?.revision === revision,
    add(job, revision, askedMs = 0) {
      const count = (failures.get(job) ?? 0) + 1;
      failures.set(job, count);
      // Jobs that failed together do not come back together.
      const step = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(count - 1, 10)) * (0.75 + random() / 4);
      const pause = Math.max(askedMs, Math.round(step));
      clearTimeout(resting.get(job)?.timer);
      const timer = setTimeout(() => {
        resting.delete(job);
        over(job);
      }, pause);
      timer.unref();
      resting.set(job, { revision, timer });
      return pause;
    },
    remove(job) {
      clearTimeout(resting.get(job)?.timer);
      resting.delete(job);
      failures.delete(job);
    },
  };
}
