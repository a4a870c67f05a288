import type { LedgerView } from '../ledger/port.ts';
import { isAnswer, type PullRequestOrder } from '../reconciler/pull-request.ts';
import type { Outcome, PlannedAction } from '../schemas/index.ts';
import type { Row } from './report.ts';
import { rowOfOutcome } from './rows.ts';

/** What the jobs of a pull request have come to at its head. */
export interface Standing {
  readonly rows: readonly Row[];
  /** Of those that have ended. */
  readonly outcomes: readonly Outcome[];
  /** How many are still to end. */
  readonly open: number;
}

/**
 * How every job stands that an order asks for: by the newest outcome of what it asks for, else by what is planned for it. `actions` are
 * those of a plan, where there is one. Throws like the ledger.
 */
export async function standingOf(
  order: PullRequestOrder,
  view: Pick<LedgerView, 'statuses' | 'outcome'>,
  actions: readonly PlannedAction[],
): Promise<Standing> {
  const rows: Row[] = [];
  const outcomes: Outcome[] = [];
  let open = 0;
  for (const [job, why] of order.jobs) {
    const run = view.statuses.get(job)?.lastRuns.find((known) => isAnswer(known, order))?.run;
    const outcome = run === undefined ? undefined : await view.outcome(job, run);
    if (outcome) {
      outcomes.push(outcome);
      rows.push(rowOfOutcome(true)(outcome));
      continue;
    }
    const planned = actions.find((action) => action.job === job && (SAID.has(action.action) || isRefused(action)));
    const state = planned === undefined ? 'run' : isRefused(planned) ? 'refused' : 'suspended';
    if (state === 'run') open += 1;
    rows.push({ job, state, message: planned?.message.replace(/^[a-z]+: /, '') ?? why, ms: null });
  }
  return { rows, outcomes, open };
}

const SAID: ReadonlySet<PlannedAction['action']> = new Set(['suspended']);
const isRefused = ({ action, reason }: PlannedAction): boolean => action === 'invalid' && reason === 'Refused';

/** Whether an order asks for a run that the ledger does not have. */
export const asksForMore = (order: PullRequestOrder, { statuses }: Pick<LedgerView, 'statuses'>): boolean =>
  Array.from(order.jobs.keys()).some((job) => statuses.get(job)?.lastRuns.some((run) => isAnswer(run, order)) !== true);
