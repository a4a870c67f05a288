import type { Command } from 'commander';
import { closest } from 'fastest-levenshtein';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { usageError } from '../../errors.ts';
import type { Catalog } from '../../job/model.ts';
import { resolveParameters } from '../../job/parameters.ts';
import { formatProblem } from '../../job/problems.ts';
import type { SettleReport } from '../../reconciler/reconciler.ts';
import { openTarget, scratchRepository, type Repository } from '../compose.ts';
import { EXIT, isWell } from '../exit.ts';
import { sourceOfPath } from '../folder.ts';
import { createLogger } from '../logger.ts';
import {
  collect,
  parametersOf,
  type CommonOptions,
  type RepositoryOptions,
  type RunnerOptions,
  withLogOptions,
  withOutput,
  withRepositoryOptions,
  withRunnerOptions,
  withTarget,
} from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { createProgress, type Progress } from '../progress.ts';
import { type StopSignals, stopSignals, untilStopped } from '../signals.ts';
import type { Io } from '../terminal.ts';
import { openWorkshop, type Workshop } from '../workshop.ts';

interface RunOptions extends CommonOptions, RepositoryOptions, RunnerOptions {
  readonly in: string;
  readonly file?: string;
  readonly param?: readonly string[];
  readonly exitCodeFromStep?: boolean;
  readonly strict?: boolean;
}

export function runCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(withRunnerOptions(withTarget(withRepositoryOptions(command)))))
    .description('run one job now, with its log on the terminal')
    .argument('[job]', 'the name of the job; with -f only needed when the file holds several')
    .argument('[args...]', 'after --: further arguments of its last step')
    .option('-f, --file <file>', 'a manifest outside any repository, - for standard input; nothing is recorded')
    .option('--param <name=value>', 'a parameter of the job; may be repeated', collect)
    .option('--exit-code-from-step', "exit with the step's own exit code")
    .option('--strict', 'count warning and skipped as not succeeded')
    .addHelpText('after', EXAMPLES);
  return command.action(async (job: string | undefined, args: readonly string[], options: RunOptions) => {
    context.exit(await run(job, args, options, context));
  });
}

const EXAMPLES = `
Examples:
  runledger run nightly-report --param REGION=us
  runledger run smoke-test -- --verbose
  runledger run -f job.yaml --exit-code-from-step
`;

async function run(
  job: string | undefined,
  args: readonly string[],
  options: RunOptions,
  { io }: Context,
): Promise<number> {
  const log = createLogger(io, options, 'warn');
  const stop = stopSignals(io);
  const progress = createProgress({ io, log, quiet: options.logFormat === 'json', output: options.output === 'text' });
  const repository = await openRepository(options, io, stop.hard);
  let workshop: Workshop | undefined;
  try {
    workshop = await openWorkshop(repository, options, io, (event) => progress.emit(event), stop.hard);
    const opened = workshop;
    return await untilStopped(stop, () => runIn(opened, job, args, options, { progress, stop, io }));
  } finally {
    progress.close();
    await (workshop?.close(stop.hard.aborted) ?? repository.close());
    stop.close();
  }
}

interface Surroundings {
  readonly progress: Progress;
  readonly stop: StopSignals;
  readonly io: Io;
}

async function runIn(
  { reconciler }: Workshop,
  job: string | undefined,
  args: readonly string[],
  options: RunOptions,
  { progress, stop, io }: Surroundings,
): Promise<number> {
  const { catalog } = await reconciler.observe(stop.soft);
  const name = nameOf(job, catalog, options);
  const problems = catalog.invalidJobs.get(name)?.problems;
  if (problems) {
    io.stderr.write(problems.map((problem) => `invalid: ${formatProblem(problem)}\n`).join(''));
    return EXIT.invalid;
  }
  const params = parametersOf(options.param ?? []);
  const desired = catalog.jobs.get(name);
  if (desired) resolveParameters(desired.manifest.spec, params);
  const request = { job: name, id: randomUUID(), params, args, requestedBy: userInfo().username };
  const settling = { triggers: false, requests: [request], jobs: new Set([name]) };
  const report = await reconciler.settle(settling, stop.soft, stop.hard);
  progress.close();
  return stop.soft.aborted ? EXIT.interrupted : finish(report, request.id, options, io);
}

/** The repository of the command line, or one made of a manifest file, with a ledger in memory. */
async function openRepository(options: RunOptions, io: Io, signal: AbortSignal): Promise<Repository> {
  if (options.file === undefined) return openTarget(options.in, options, io, signal);
  if (options.file !== '-') {
    const path = resolve(io.cwd, options.file);
    return scratchRepository(path, (await sourceOfPath(path)).source, signal);
  }
  const folder = await mkdtemp(join(tmpdir(), 'runledger-'));
  await writeFile(join(folder, 'stdin.yaml'), await readAll(io.stdin));
  const repository = await scratchRepository('standard input', (await sourceOfPath(folder)).source, signal);
  return {
    ...repository,
    async close() {
      await repository.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Throws `JobUnknown`, `JobMissing`, or `ManifestsInvalid` for a file without a readable job. */
function nameOf(job: string | undefined, catalog: Catalog, options: RunOptions): string {
  const names = [...catalog.jobs.keys(), ...catalog.invalidJobs.keys()].sort();
  if (job !== undefined && names.includes(job)) return job;
  if (job !== undefined) {
    const hint =
      names.length > 0 ? `did you mean ${closest(job, names)}?` : 'no manifest was found; `runledger init` writes one';
    throw usageError('JobUnknown', `there is no job "${job}" here`, { hint });
  }
  const [only] = names;
  if (options.file !== undefined && only !== undefined && names.length === 1) return only;
  const problem = [...catalog.problems, ...[...catalog.brokenFiles.values()].flat()][0];
  if (problem) throw usageError('ManifestsInvalid', formatProblem(problem));
  const hint =
    names.length > 0
      ? `the jobs here: ${names.slice(0, 10).join(', ')}`
      : 'no manifest was found; `runledger init` writes one';
  throw usageError('JobMissing', 'which job? name it: `runledger run JOB`', { hint });
}

function finish(report: SettleReport, id: string, options: RunOptions, io: Io): number {
  const outcome = report.outcomes.find(({ trigger }) => trigger.kind === 'request' && trigger.id === id);
  if (!outcome) {
    const action = report.plan[0];
    if (report.failures.length === 0) io.stderr.write(`not run: ${action?.message ?? 'nothing was planned'}\n`);
    return action?.action === 'invalid' ? EXIT.invalid : EXIT.failed;
  }
  print(io, options.output, outcome, () => '');
  if (options.exitCodeFromStep && outcome.exitCode !== null && outcome.exitCode !== undefined) return outcome.exitCode;
  return isWell(outcome.result, options.strict === true) && report.failures.length === 0 ? EXIT.ok : EXIT.failed;
}
