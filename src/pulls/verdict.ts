import { RESULT_ICONS } from '../ledger/readme.ts';
import { WORST_FIRST } from '../outcome/run.ts';
import type { Outcome, PlannedAction, Result } from '../schemas/index.ts';

/** What has become of the jobs, as far as the verdict depends on it. */
export interface Findings {
  readonly problems: number;
  /** Jobs that were not let run for what nobody has approved, or that the runner can't run. */
  readonly refused: number;
  /** Runs that could not be started or recorded. */
  readonly failures: number;
  readonly outcomes: readonly Pick<Outcome, 'result' | 'reason'>[];
  /** Runs that a plan would start. */
  readonly planned: number;
}

/** `none`: nothing ran; `invalid`: a manifest is; `refused`: a job was. */
export type Verdict = Result | 'invalid' | 'refused' | 'planned' | 'none';

/** Of these, somebody has to do something. */
export const BAD: ReadonlySet<Verdict> = new Set(['error', 'timed-out', 'failed', 'cancelled', 'invalid', 'refused']);

/** The one word for all of it. A run that was skipped because what it needs failed or never ran is a failure. */
export function verdictOf({ problems, refused, failures, outcomes, planned }: Findings): Verdict {
  const results = new Set(
    outcomes.map(({ result, reason }): Result => (reason === 'UpstreamFailed' ? 'failed' : result)),
  );
  if (failures > 0) return 'error';
  const worst = WORST_FIRST.find((result) => results.has(result));
  if (worst !== undefined && BAD.has(worst)) return worst;
  if (problems > 0) return 'invalid';
  if (refused > 0) return 'refused';
  return worst ?? (planned > 0 ? 'planned' : 'none');
}

const MARKS: Readonly<Record<Verdict | PlannedAction['action'], string>> = {
  ...RESULT_ICONS,
  invalid: '⛔',
  refused: '🔒',
  planned: '▶️',
  none: '➖',
  run: '▶️',
  wait: '⏳',
  record: '📝',
  cancel: '🚫',
  suspended: '⏸️',
  removed: '🗑️',
};

export const markOf = (word: keyof typeof MARKS): string => MARKS[word];
