import { normalizeSpec } from '../job/defaults.ts';
import { logPath } from '../ledger/layout.ts';
import type { FinishedRun } from '../ledger/port.ts';
import { buildOutcome, DEFAULT_TASK } from '../outcome/build.ts';
import type { LiveRun } from '../runner/port.ts';
import type { Outcome } from '../schemas/index.ts';

/** The outcome of a run that has ended, with its logs and how long they are kept: what goes into the ledger. */
export function finishRun({ record, attempts }: LiveRun, finished: string, by: Outcome['by']): FinishedRun {
  const { runs, forMs } = normalizeSpec(record.spec).keep;
  const logs = attempts.flatMap(({ task, number, output, started }) => {
    const path = logPath(record.job, record.run, number, task === DEFAULT_TASK ? undefined : task);
    return output && started !== null ? [[path, output.log] as const] : [];
  });
  return { outcome: buildOutcome(record, attempts, by, finished, logPath), logs: new Map(logs), keep: { runs, forMs } };
}
