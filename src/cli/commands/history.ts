import type { Command } from 'commander';
import { usageError } from '../../errors.ts';
import { duration, oneLine } from '../../ledger/text.ts';
import type { LedgerView } from '../../ledger/port.ts';
import { isRemoved } from '../../reconciler/plan.ts';
import type { JobStatus } from '../../schemas/index.ts';
import { EXIT } from '../exit.ts';
import { withLogOptions, withOutput, withRepositoryOptions, withTarget } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { reading, type ReadingOptions } from '../reading.ts';
import { reasonText, type RunEntry, runEntry } from '../run-entry.ts';
import { median, sparkline } from '../sparkline.ts';
import { ago, type Cell, type Paint, paintFor, RESULT_LOOK, table, widthOf } from '../terminal.ts';
import { triggerText } from '../trigger-text.ts';
import { statusOf } from './get.ts';

interface HistoryOptions extends ReadingOptions {
  readonly limit: string;
}

/** What `-o json` prints. */
interface JobHistory {
  readonly job: string;
  /** What has become of its manifest. */
  readonly manifest: 'valid' | 'invalid' | 'removed';
  /** How many runs the ledger's tree holds; older ones are in its history. */
  readonly recorded: number;
  /** The newest first. */
  readonly runs: readonly RunEntry[];
  /** Of the runs above that started something; null: of none. */
  readonly medianMs: number | null;
}

const DEFAULT_LIMIT = '20';
const MOST = 1_000;

export function historyCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(withTarget(withRepositoryOptions(command))))
    .description('show the runs of a job, with how long they took')
    .argument('<job>', 'the name of the job')
    .option('--limit <number>', 'how many runs, the newest first', DEFAULT_LIMIT);
  return command.action(async (job: string, options: HistoryOptions) => {
    const limit = limitOf(options.limit);
    const { io } = context;
    context.exit(
      await reading(options, io, async ({ ledger }, signal) => {
        const history = await historyOf(await ledger.read(signal), job, limit);
        const width = widthOf(io.stdout, io.env);
        print(io, options.output, history, () => historyText(history, width, paintFor(io.stdout, io.env), new Date()));
        return EXIT.ok;
      }),
    );
  });
}

/** Throws `LimitForm`. */
function limitOf(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST) return limit;
  throw usageError('LimitForm', `--limit ${text}: write a whole number from 1 to ${MOST}`);
}

/** Throws `JobUnknown`. */
async function historyOf(view: LedgerView, job: string, limit: number): Promise<JobHistory> {
  const manifest = manifestOf(statusOf(view, job));
  const numbers = await view.runs(job);
  const runs: RunEntry[] = [];
  for (const number of numbers.slice(-limit).toReversed()) {
    const outcome = await view.outcome(job, number);
    if (outcome) runs.push(runEntry(outcome));
  }
  const known = runs.flatMap(({ durationMs }) => durationMs ?? []);
  return { job, manifest, recorded: numbers.length, runs, medianMs: median(known) };
}

const manifestOf = (status: JobStatus): JobHistory['manifest'] =>
  status.phase === 'Invalid' ? 'invalid' : isRemoved(status) ? 'removed' : 'valid';

const COLUMNS = [
  { title: 'RUN' },
  { title: 'RESULT' },
  { title: 'WHEN' },
  { title: 'TOOK' },
  { title: 'TRIGGER', shrinkTo: 12 },
  { title: 'WHY', shrinkTo: 10 },
];

const NEVER_RAN: Readonly<Record<JobHistory['manifest'], (job: string) => string>> = {
  valid: (job) => `\`runledger run ${job}\` runs it now`,
  invalid: () => 'its manifest is invalid, and `runledger validate` says why',
  removed: () => 'no manifest holds it any more',
};

/** A table, and below it a line of bars: the durations, the oldest first, each in the colour of its result. */
export function historyText(
  { job, manifest, recorded, runs, medianMs }: JobHistory,
  width: number,
  paint: Paint,
  now: Date,
): string {
  if (runs.length === 0) return `${job} never ran: ${NEVER_RAN[manifest](job)}\n`;
  const rows = runs.map((run): readonly Cell[] => {
    const { mark, style } = RESULT_LOOK[run.result];
    return [
      { text: `#${run.run}` },
      { text: `${mark} ${run.result}`, style },
      { text: run.finished === null ? '' : ago(run.finished, now) },
      { text: run.durationMs === null ? '' : duration(run.durationMs) },
      { text: oneLine(triggerText(run), 80) },
      { text: reasonText(run) },
    ];
  });
  const shown = runs.slice(0, Math.max(10, width - 2)).toReversed();
  const bars = sparkline(shown.map(({ durationMs }) => durationMs));
  const line = bars.map((bar, index) => paint(RESULT_LOOK[shown[index]?.result ?? 'succeeded'].style, bar)).join('');
  const middle = medianMs === null ? '' : `, half of them within ${duration(medianMs)}`;
  const total =
    recorded > runs.length
      ? `${runs.length} of ${recorded} runs`
      : `${runs.length} ${runs.length === 1 ? 'run' : 'runs'}`;
  return `${table(COLUMNS, rows, width, paint)}\n${line}\n${paint('gray', `${total}${middle}`)}\n`;
}
