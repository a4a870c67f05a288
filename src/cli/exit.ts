import type { Outcome } from '../schemas/index.ts';

/** The exit codes of every command. */
export const EXIT = {
  ok: 0,
  /** A run did not succeed, or could not be started or recorded. */
  failed: 1,
  /** What was typed or configured is wrong, or the repository can't be used. */
  usage: 2,
  /** Some manifest is invalid; the valid ones were processed. */
  invalid: 3,
  /** `--dry-run --exit-code`: something would run. */
  wouldRun: 4,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const;

/** Whether a result counts as well: `warning` and `skipped` do, unless `strict`. */
export function isWell(result: Outcome['result'], strict: boolean): boolean {
  return result === 'succeeded' || (!strict && (result === 'warning' || result === 'skipped'));
}

export interface Findings {
  readonly invalid: boolean;
  readonly failed: boolean;
  readonly wouldRun?: boolean;
}

/** The exit code where several apply: 3 before 1, before 4, before 0. */
export function exitCodeOf({ invalid, failed, wouldRun = false }: Findings): number {
  if (invalid) return EXIT.invalid;
  if (failed) return EXIT.failed;
  return wouldRun ? EXIT.wouldRun : EXIT.ok;
}
