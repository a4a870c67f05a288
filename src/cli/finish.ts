import { normalizeSpec } from '../job/defaults.ts';
import { logPath } from '../ledger/layout.ts';
import type { FinishedRun } from '../ledger/port.ts';
import { buildOutcome, logsOf } from '../outcome/build.ts';
import type { Judgement } from '../outcome/judge.ts';
import type { LiveRun } from '../runner/port.ts';
import type { Outcome } from '../schemas/index.ts';

/**
 * The outcome of a run that has ended, with its logs and how long they are kept: what goes into the ledger. `unstarted`: how
 * tasks ended that their attempts do not tell.
 */
export function finishRun(
  { record, attempts, cancelledBy }: LiveRun,
  unstarted: ReadonlyMap<string, Judgement>,
  finished: string,
  by: Outcome['by'],
): FinishedRun {
  const { runs, forMs } = normalizeSpec(record.spec).keep;
  const outcome = buildOutcome({ record, attempts, unstarted, by, cancelledBy, finished, logPath });
  return { outcome, logs: logsOf(record, attempts, logPath), keep: { runs, forMs } };
}
