import type { Command } from 'commander';
import { closest } from 'fastest-levenshtein';
import { usageError } from '../../errors.ts';
import { formatProblem } from '../../job/problems.ts';
import { duration } from '../../ledger/text.ts';
import type { LedgerView } from '../../ledger/port.ts';
import type { RunWait } from '../../reconciler/dispatch.ts';
import type { JobStatus, RunSummary } from '../../schemas/index.ts';
import { isRemoved } from '../../ledger/status.ts';
import { openTarget } from '../compose.ts';
import { EXIT } from '../exit.ts';
import {
  type CommonOptions,
  type RepositoryOptions,
  withLogOptions,
  withOutput,
  withRepositoryOptions,
  withTarget,
} from '../options.ts';
import { print } from '../print.ts';
import { runnerSetsText } from '../runner-sets-text.ts';
import { waitingHere } from '../waiting.ts';
import type { Context } from '../program.ts';
import { stopSignals } from '../signals.ts';
import { ago, type Cell, paintFor, RESULT_LOOK, table, widthOf, type Paint } from '../terminal.ts';

interface GetOptions extends CommonOptions, RepositoryOptions {
  readonly in: string;
}

export function getCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(withTarget(withRepositoryOptions(command))))
    .description('show how jobs ended, from the ledger')
    .argument('[job]', 'one job with its last runs, or "runners" for the runner sets; default: all jobs');
  return command.action(async (job: string | undefined, options: GetOptions) => {
    context.exit(await get(job, options, context));
  });
}

/** A status as it is shown: with what only those know that execute the runs. */
interface Shown extends JobStatus {
  /** The runs that wait on this machine now, in the order of their numbers. */
  readonly queue?: readonly { readonly run: number; readonly waits: string }[];
}

function queueOf(waits: readonly RunWait[], job: string): Pick<Shown, 'queue'> {
  const queue = waits.filter((wait) => wait.job === job).sort((a, b) => a.run - b.run);
  return queue.length === 0 ? {} : { queue: queue.map(({ run, now }) => ({ run, waits: now })) };
}

const waitsText = (waits: readonly RunWait[]): string =>
  waits.map(({ job, run, now }) => `${job} run ${run} waits ${now}\n`).join('');

async function get(job: string | undefined, options: GetOptions, { io }: Context): Promise<number> {
  const stop = stopSignals(io);
  const repository = await openTarget(options.in, options, io, stop.hard);
  try {
    const view = await repository.ledger.read(stop.soft);
    const waits = await waitingHere(repository, view, io, stop.soft);
    const paint = paintFor(io.stdout, io.env);
    const width = widthOf(io.stdout, io.env);
    const shown = (status: JobStatus): Shown => ({ ...status, ...queueOf(waits, status.job) });
    if (job === undefined) {
      const statuses = [...view.statuses.values()].sort((a, b) => (a.job < b.job ? -1 : 1)).map(shown);
      print(io, options.output, statuses, () => `${jobsText(statuses, width, paint)}${waitsText(waits)}`);
    } else if (job === RUNNERS) {
      const sets = [...view.runnerSets.values()].sort((a, b) => (a.set < b.set ? -1 : 1));
      print(io, options.output, sets, () => runnerSetsText(sets, width, paint));
    } else {
      const status = shown(statusOf(view, job));
      print(io, options.output, status, () => jobText(status, width, paint));
    }
    return EXIT.ok;
  } finally {
    await repository.close();
    stop.close();
  }
}

/** What is asked for in the place of a job. */
const RUNNERS = 'runners';

/** Throws `JobUnknown`, with the nearest name. */
export function statusOf(view: LedgerView, job: string): JobStatus {
  const status = view.statuses.get(job);
  if (status) return status;
  const names = [...view.statuses.keys()];
  const hint =
    names.length > 0
      ? `did you mean ${closest(job, names)}? \`runledger get\` lists all`
      : 'nothing ran yet: `runledger reconcile`';
  throw usageError('JobUnknown', `the ledger knows no job "${job}"`, { hint });
}

const COLUMNS = [
  { title: 'JOB', shrinkTo: 12 },
  { title: 'PHASE' },
  { title: 'LAST RUN' },
  { title: 'RESULT' },
  { title: 'WHEN' },
  { title: 'TOOK' },
  { title: 'WHY', shrinkTo: 10 },
];

function jobsText(statuses: readonly JobStatus[], width: number, paint: Paint): string {
  if (statuses.length === 0) return 'the ledger is empty: nothing ran yet\n';
  const rows = statuses.map((status): readonly Cell[] => {
    const [last] = status.lastRuns;
    return [
      { text: status.job },
      { text: isRemoved(status) ? 'Removed' : status.phase },
      ...(last ? runCells(last) : [{ text: '' }, { text: '' }, { text: '' }, { text: '' }, { text: '' }]),
    ];
  });
  return table(COLUMNS, rows, width, paint);
}

function runCells(run: RunSummary): readonly Cell[] {
  const { mark, style } = RESULT_LOOK[run.result];
  const took = run.started === undefined ? '' : duration(Date.parse(run.finished) - Date.parse(run.started));
  const why =
    run.exitCode === null || run.exitCode === undefined ? run.reason : `${run.reason} (exit code ${run.exitCode})`;
  return [
    { text: `#${run.run}` },
    { text: `${mark} ${run.result}`, style },
    { text: ago(run.finished, new Date()) },
    { text: took },
    { text: why },
  ];
}

function jobText(status: Shown, width: number, paint: Paint): string {
  const rows = status.lastRuns.map((run): readonly Cell[] => [
    ...runCells(run),
    { text: run.trigger.kind },
    { text: run.revision.slice(0, 12) },
  ]);
  const columns = [...COLUMNS.slice(2), { title: 'TRIGGER' }, { title: 'REVISION' }];
  const problems = (status.problems ?? []).map((problem) => `  ${formatProblem(problem)}\n`);
  const conditions = status.conditions.map(
    ({ type, status: value, reason, message }) => `  ${type}: ${value} (${reason})${message ? `: ${message}` : ''}\n`,
  );
  return [
    `${paint('bold', status.job)}  ${status.phase}${status.source ? `  ${status.source.path}` : ''}\n`,
    ...conditions,
    ...problems,
    ...(status.queue ?? []).map(({ run, waits }) => `  run ${run} waits ${waits}\n`),
    ...(status.queue === undefined && status.waiting !== undefined ? [`  ${status.waiting}\n`] : []),
    rows.length > 0 ? table(columns, rows, width, paint) : 'no run yet\n',
  ].join('');
}
