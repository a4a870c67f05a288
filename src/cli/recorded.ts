import { usageError } from '../errors.ts';
import type { LedgerView } from '../ledger/port.ts';
import type { Outcome } from '../schemas/index.ts';

/** Reads the number of a run, as `12` or `#12`. Throws `RunNumberForm`. */
export function runNumber(text: string): number {
  const number = Number(text.replace(/^#/, ''));
  if (Number.isInteger(number) && number > 0) return number;
  throw usageError('RunNumberForm', `--run ${text}: write the number of a run, such as 12`);
}

/** The outcome of a run. Throws `RunUnknown`, with the runs that there are. */
export async function recordedOutcome(view: LedgerView, job: string, run: number): Promise<Outcome> {
  const outcome = await view.outcome(job, run);
  if (outcome) return outcome;
  const runs = await view.runs(job);
  const hint =
    runs.length > 0 ? `the ledger has the runs ${runs.slice(-10).join(', ')}` : `\`runledger run ${job}\` runs it now`;
  throw usageError('RunUnknown', `${job} has no run ${run} in the ledger`, { hint });
}
