/** When the README is to be written: at most once in a while as long as runs keep ending, and once more after that. */
export interface ReadmeClock {
  /** Whether a commit that is made now takes the README along. */
  isDue(): boolean;
  /** Whether something has been committed since that the README does not show. */
  isStale(): boolean;
  /** The buckets with jobs that changed since the README was written. */
  staleBuckets(): ReadonlySet<string>;
  /** A commit is in the ledger: the buckets it changed, and whether it took the README along. */
  committed(buckets: ReadonlySet<string>, withReadme: boolean): void;
  /** The same by another writer, who will bring the README up to date: it is for us to see to it only at the end. */
  takenIn(buckets: ReadonlySet<string>): void;
  /** The README shows everything already; nothing had to be committed. */
  upToDate(): void;
}

export interface ReadmeClockOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly everyMs: number;
  /** Called once when the README is stale and nothing has taken it along in time; does not keep the process alive. */
  readonly onDue: () => void;
  readonly signal: AbortSignal;
}

/** The first commit of a process always takes the README along: the process before may have ended in between. */
export function createReadmeClock(options: ReadmeClockOptions): ReadmeClock {
  const stale = new Set<string>();
  let isStale = false;
  let written: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  const upToDate = (): void => {
    stop();
    stale.clear();
    isStale = false;
  };
  options.signal.addEventListener('abort', stop, { once: true });
  return {
    isDue: () => written === undefined || options.now() - written >= options.everyMs,
    isStale: () => isStale,
    staleBuckets: () => stale,
    upToDate,
    takenIn(buckets) {
      for (const bucket of buckets) stale.add(bucket);
      isStale = true;
    },
    committed(buckets, withReadme) {
      if (withReadme) {
        upToDate();
        written = options.now();
        return;
      }
      for (const bucket of buckets) stale.add(bucket);
      isStale = true;
      if (timer !== undefined || options.signal.aborted) return;
      const rest = Math.max(0, (written ?? 0) + options.everyMs - options.now());
      timer = setTimeout(() => {
        timer = undefined;
        options.onDue();
      }, rest);
      timer.unref();
    },
  };
}
