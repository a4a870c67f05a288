import { runFileOf } from './layout.ts';

export interface Keep {
  /** How many runs stay in the tree at most. */
  readonly runs: number;
  /** For how many milliseconds after its end a run stays. */
  readonly forMs: number;
}

export interface RetentionInput {
  /** The names of the files in the job's folder, new ones included. */
  readonly names: readonly string[];
  readonly keep: Keep;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When a run of the folder ended, in milliseconds since 1970; null when that can't be known: such a run stays. */
  readonly finished: (run: number) => Promise<number | null>;
}

/**
 * The names of the run files that leave the tree (they stay in history): all but the newest `keep.runs` runs, and what
 * ended longer ago than `keep.forMs`. The last run always stays, and a run's outcome and logs go together. Runs are asked
 * for their end from the oldest on, until one is young enough, so that usually one file is read.
 */
export async function expiredFiles(input: RetentionInput): Promise<readonly string[]> {
  const runs = [...new Set(input.names.flatMap((name) => runFileOf(name)?.run ?? []))].sort((a, b) => a - b);
  const keptByCount = Math.max(1, input.keep.runs);
  const expired = new Set(runs.slice(0, Math.max(0, runs.length - keptByCount)));
  for (const run of runs.slice(expired.size, -1)) {
    const finished = await input.finished(run);
    if (finished === null || input.now - finished <= input.keep.forMs) break;
    expired.add(run);
  }
  return input.names.filter((name) => expired.has(runFileOf(name)?.run ?? 0));
}
