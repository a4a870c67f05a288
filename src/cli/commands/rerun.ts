import type { Command } from 'commander';
import { usageError } from '../../errors.ts';
import { tasksOf } from '../../job/fan-out.ts';
import type { Catalog } from '../../job/model.ts';
import { resolveParameters } from '../../job/parameters.ts';
import type { Outcome, Result } from '../../schemas/index.ts';
import { EXIT, isWell } from '../exit.ts';
import { collect, parametersOf } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { outcomeLine } from '../progress.ts';
import { recordedOutcome, runNumber } from '../recorded.ts';
import {
  ask,
  type Asked,
  type AskOptions,
  assertKnown,
  type Surroundings,
  waitForAnswer,
  waitLimit,
  type Wish,
  withAskOptions,
} from '../requests.ts';
import { type Io, paintFor } from '../terminal.ts';

interface RerunOptions extends AskOptions {
  readonly param?: readonly string[];
  readonly task?: readonly string[];
  readonly failed?: boolean;
}

export function rerunCommand(command: Command, context: Context): Command {
  withAskOptions(command)
    .description('ask for a run of a job, where its ledger is written')
    .argument('<job>', 'the name of the job')
    .option('--run <number>', 'take the parameters of this run; the job runs as it is now')
    .option('--param <name=value>', 'a parameter of the job; may be repeated', collect)
    .option('--task <name>', 'only this task of its fan-out; may be repeated', collect)
    .option('--failed', 'only the tasks that did not end well in the run, by default the newest')
    .addHelpText('after', EXAMPLES);
  return command.action(async (job: string, options: RerunOptions) => {
    context.exit(await rerun(job, options, context));
  });
}

const EXAMPLES = `
Examples:
  runledger rerun nightly-report                     with the defaults of its parameters
  runledger rerun nightly-report --run 12            with the parameters that run 12 had
  runledger rerun browser-tests --failed --wait      what failed last, once more
`;

async function rerun(job: string, options: RerunOptions, { io }: Context): Promise<number> {
  if (options.failed && options.task) throw usageError('TaskAndFailed', '--task and --failed exclude each other');
  const run = options.run === undefined ? undefined : runNumber(options.run);
  const params = parametersOf(options.param ?? []);
  waitLimit(options);
  return ask(
    options,
    io,
    (surroundings) => wishFor(job, run, params, options, surroundings),
    (asked, surroundings) => report(asked, surroundings, options, io),
  );
}

async function wishFor(
  job: string,
  wanted: number | undefined,
  params: Readonly<Record<string, string>>,
  options: RerunOptions,
  { view, catalog: read }: Surroundings,
): Promise<Wish> {
  const catalog = await read();
  assertKnown(job, catalog, view);
  const run = wanted ?? (options.failed ? view.statuses.get(job)?.lastRuns[0]?.run : undefined);
  if (options.failed && run === undefined) throw usageError('NoRun', `${job} never ran: nothing of it has failed`);
  // One that is not recorded yet may be under way: whoever runs it knows.
  const isRecorded = run !== undefined && (options.failed || run < (view.statuses.get(job)?.nextRun ?? 1));
  const outcome = isRecorded ? await recordedOutcome(view, job, run) : undefined;
  const tasks = options.failed && outcome ? failedTasks(outcome) : options.task;
  check(job, catalog, tasks, outcome?.params, params);
  return {
    action: 'rerun',
    job,
    ...(run === undefined ? {} : { run }),
    ...(Object.keys(params).length === 0 ? {} : { params }),
    ...(tasks === undefined ? {} : { tasks: [...new Set(tasks)] }),
  };
}

const NOT_WELL: ReadonlySet<Result> = new Set(['failed', 'timed-out', 'error', 'cancelled']);

/** The tasks of a run that did not end well, those that were cancelled on the way included. Throws `NothingFailed`. */
function failedTasks({ job, run, tasks }: Outcome): readonly string[] {
  const failed = tasks.filter(({ result }) => NOT_WELL.has(result)).map(({ name }) => name);
  if (failed.length > 0) return failed;
  throw usageError('NothingFailed', `no task of ${job} #${run} has failed`, { hint: '--task NAME names one' });
}

/** Says at once what would be refused, as far as the manifest can be seen from here. Throws `TaskUnknown`, `InvalidParameter`. */
function check(
  job: string,
  catalog: Catalog,
  tasks: readonly string[] | undefined,
  known: Readonly<Record<string, string>> | undefined,
  params: Readonly<Record<string, string>>,
): void {
  const spec = catalog.jobs.get(job)?.manifest.spec;
  if (!spec) return;
  const names = tasksOf(spec).map(({ name }) => name);
  const unknown = tasks?.find((task) => !names.includes(task));
  if (unknown !== undefined)
    throw usageError('TaskUnknown', `${job} has no task "${unknown}"`, { hint: `its tasks: ${names.join(', ')}` });
  const kept = Object.entries(known ?? {}).filter(
    ([name]) => spec.parameters?.[name] !== undefined && !spec.matrix?.[name],
  );
  resolveParameters(spec, { ...Object.fromEntries(kept), ...params });
}

async function report(asked: Asked, surroundings: Surroundings, options: RerunOptions, io: Io): Promise<number> {
  const { request, id, branch } = asked;
  const as = request.run === undefined ? '' : `, with the parameters of run ${request.run}`;
  const only = request.tasks === undefined ? '' : `, only ${request.tasks.join(', ')}`;
  const text = `requested on ${branch}: a run of ${request.job} as it is now${as}${only}\n`;
  if (!options.wait) {
    const where = options.in === '.' ? '' : ` -C ${surroundings.repository.location}`;
    print(
      io,
      options.output,
      { id, commit: asked.commit, request },
      () => `${text}\nNext:\n  ${nextLine(request.job, where)}\n`,
    );
    return EXIT.ok;
  }
  if (options.output === 'text') io.stderr.write(text);
  const answer = await waitForAnswer(asked, surroundings, options);
  print(io, options.output, { id, request, answer }, () =>
    answer.outcome
      ? `${outcomeLine(answer.outcome, paintFor(io.stdout, io.env))}\n`
      : `${answer.verdict}: ${answer.message}\n`,
  );
  return answer.outcome && isWell(answer.outcome.result, false) ? EXIT.ok : EXIT.failed;
}

const nextLine = (job: string, where: string): string =>
  `runledger logs ${job} -f${where}   # once a controller or \`runledger reconcile\` has taken it up`;
