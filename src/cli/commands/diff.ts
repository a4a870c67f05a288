import type { Command } from 'commander';
import { usageError } from '../../errors.ts';
import { duration, oneLine } from '../../ledger/text.ts';
import type { LedgerView } from '../../ledger/port.ts';
import type { Outcome } from '../../schemas/index.ts';
import { EXIT } from '../exit.ts';
import { withLogOptions, withOutput, withRepositoryOptions, withTarget } from '../options.ts';
import { type FieldChange, outcomeDiff, type OutcomeDiff } from '../outcome-diff.ts';
import { shortRevision } from '../plan-text.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { reading, type ReadingOptions } from '../reading.ts';
import { recordedOutcome, runNumber } from '../recorded.ts';
import { type Cell, type Paint, paintFor, RESULT_LOOK, table, widthOf } from '../terminal.ts';
import { collect } from '../options.ts';
import { statusOf } from './get.ts';

interface DiffOptions extends ReadingOptions {
  readonly run?: readonly string[];
}

/** How many commits of the ledger are searched for what a run executed. */
const HISTORY = 1_000;

export function diffCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(withTarget(withRepositoryOptions(command))))
    .description('show how two runs of a job differ: how they ended, and what they executed')
    .argument('<job>', 'the name of the job')
    .option('--run <number>', 'a run; twice: the earlier and the later one; default: the last two', collect)
    .addHelpText('after', EXAMPLES);
  return command.action(async (job: string, options: DiffOptions) => {
    const wanted = wantedRuns(options.run ?? []);
    const { io } = context;
    context.exit(
      await reading(options, io, async ({ ledger }, signal) => {
        const view = await ledger.read(signal);
        const diff = await diffOf(view, job, wanted);
        print(io, options.output, diff, () => diffText(diff, widthOf(io.stdout, io.env), paintFor(io.stdout, io.env)));
        return EXIT.ok;
      }),
    );
  });
}

const EXAMPLES = `
Examples:
  runledger diff nightly-report                      the last two runs
  runledger diff nightly-report --run 9              run 9 and the one before it
  runledger diff nightly-report --run 9 --run 12     these two
`;

/** Throws `RunNumberForm`, `RunCount`. */
function wantedRuns(given: readonly string[]): readonly number[] {
  if (given.length > 2)
    throw usageError('RunCount', `--run is given ${given.length} times`, { hint: 'give it once or twice' });
  return given.map(runNumber);
}

/** Throws `JobUnknown`, `NoRun`, `RunUnknown`, `RunsTooFew`. */
async function diffOf(view: LedgerView, job: string, wanted: readonly number[]): Promise<OutcomeDiff> {
  statusOf(view, job);
  const [from, to] = await pairOf(view, job, wanted);
  const digests = new Set([from.source.digest, to.source.digest]);
  const specs = digests.size === 1 ? new Map() : await view.specs(job, digests, HISTORY);
  return outcomeDiff(from, to, specs);
}

async function pairOf(view: LedgerView, job: string, wanted: readonly number[]): Promise<readonly [Outcome, Outcome]> {
  const [first, second] = wanted;
  if (first !== undefined && second !== undefined)
    return [await recordedOutcome(view, job, first), await recordedOutcome(view, job, second)];
  const runs = await view.runs(job);
  const to = first ?? runs.at(-1);
  if (to === undefined) throw usageError('NoRun', `${job} never ran`, { hint: `\`runledger run ${job}\` runs it now` });
  const later = await recordedOutcome(view, job, to);
  const from = runs.findLast((run) => run < to);
  if (from !== undefined) return [await recordedOutcome(view, job, from), later];
  throw usageError('RunsTooFew', `${job} has no run before run ${to} in the ledger`, {
    hint: `\`runledger get ${job}\` shows the one that there is`,
  });
}

const COLUMNS = (from: number, to: number) => [
  { title: 'FIELD', shrinkTo: 16 },
  { title: `#${from}`, shrinkTo: 14 },
  { title: `#${to}`, shrinkTo: 14 },
];

export function diffText({ job, from, to, changes, spec }: OutcomeDiff, width: number, paint: Paint): string {
  const look = (run: OutcomeDiff['from']): string => {
    const { mark, style } = RESULT_LOOK[run.result];
    return `#${run.run} ${paint(style, `${mark} ${run.result}`)}`;
  };
  const rows = changes.map(({ field, from: old, to: now }): readonly Cell[] => [
    { text: field.replace(/Ms$/, '') },
    { text: valueText(field, old) },
    { text: valueText(field, now) },
  ]);
  const body = rows.length === 0 ? 'they ended alike\n' : table(COLUMNS(from.run, to.run), rows, width, paint);
  return `${paint('bold', job)}  ${look(from)} → ${look(to)}\n${body}\n${specText(spec)}`;
}

function valueText(field: string, value: FieldChange['from']): string {
  if (value === null) return '–';
  if (typeof value === 'number' && field.endsWith('Ms')) return duration(value);
  return field === 'revision' ? shortRevision(String(value)) : oneLine(String(value), 500);
}

function specText({ state, fields, missing }: OutcomeDiff['spec']): string {
  switch (state) {
    case 'same':
      return 'spec: the same\n';
    case 'changed':
      return `spec: changed in ${fields.length} ${fields.length === 1 ? 'field' : 'fields'}\n${fields.map((field) => `  ${oneLine(field, 200)}\n`).join('')}`;
    case 'unknown': {
      const runs = missing.map((run) => `run ${run}`).join(' and ');
      return `spec: changed; what ${runs} executed is not in the ledger's history here (it keeps that of commit runs)\n`;
    }
  }
}
