/** The work queue: names of jobs that have to be looked at. A job that is marked twice is looked at once. */
export interface DirtyJobs {
  add(job: string): void;
  /** Every marked job; none is marked any more. */
  take(): readonly string[];
  readonly size: number;
  /** For how many milliseconds the job that was marked first has waited; 0 where none waits. */
  oldestMs(): number;
}

/** `elapsed`: milliseconds from any fixed point, never going back. */
export function createDirtyJobs(elapsed: () => number = () => performance.now()): DirtyJobs {
  /** When each was marked first; the oldest comes first. */
  const marked = new Map<string, number>();
  return {
    add(job) {
      if (!marked.has(job)) marked.set(job, elapsed());
    },
    take() {
      const jobs = [...marked.keys()];
      marked.clear();
      return jobs;
    },
    get size() {
      return marked.size;
    },
    oldestMs() {
      const [first] = marked.values();
      return first === undefined ? 0 : elapsed() - first;
    },
  };
}
