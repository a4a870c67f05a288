import type { LiveRun } from '../runner/port.ts';
import type { PlannedAction } from '../schemas/index.ts';
import { needsOf } from './chain.ts';
import { runId } from './dispatch.ts';
import type { Observation } from './ports.ts';

/** The runs that can be decided on: of what they execute, and of what they need, enough is known. */
export function decidable(
  seen: Observation,
  claimed: readonly LiveRun[],
  wanted: readonly PlannedAction[],
): readonly LiveRun[] {
  const fresh = new Set(claimed.map(({ record }) => runId(record)));
  const unclaimed = new Set(wanted.flatMap(({ job, run = 0 }) => (fresh.has(runId({ job, run })) ? [] : [job])));
  const known = seen.live.filter((run) => !run.mine || (!fresh.has(runId(run.record)) && isDecidable(run, seen)));
  return [...known, ...claimed].filter(
    ({ record, held, attempts, mine }) =>
      !mine ||
      held ||
      attempts.length > 0 ||
      // What it needs is about to be claimed: only then it is known whether it has to wait for it.
      !needsOf(record.spec).some(({ job }) => unclaimed.has(job)),
  );
}

/** Whether what a run executes is known: it is put down, or the job still says it; or it is only to be ended. */
const isDecidable = ({ held, parked, cancelled, partial, record }: LiveRun, { catalog }: Observation): boolean =>
  held ||
  parked !== undefined ||
  cancelled !== undefined ||
  (partial !== true && catalog.jobs.get(record.job)?.digest === record.digest);
