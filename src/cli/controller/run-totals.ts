/** Runs that have begun, and runs that wait. */
export interface RunCounts {
  readonly active: number;
  readonly queued: number;
}

/** The runs of a source with those of its pull requests, which have no series of their own: there may be any number of them. */
export interface RunTotals {
  /** Of the source itself, or of the pull request with this number. */
  set(of: 'source' | number, counts: RunCounts): void;
  remove(of: number): void;
  all(): RunCounts;
}

export function createRunTotals(): RunTotals {
  const counts = new Map<'source' | number, RunCounts>();
  return {
    set: (of, found) => void counts.set(of, found),
    remove: (of) => void counts.delete(of),
    all: () =>
      [...counts.values()].reduce(
        (sum, { active, queued }) => ({
          active: sum.active + active,
          queued: sum.queued + queued,
        }),
        { active: 0, queued: 0 },
      ),
  };
}
