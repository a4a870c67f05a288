import type { Command } from 'commander';
import { usageError } from '../../errors.ts';
import { formatProblem } from '../../job/problems.ts';
import { duration } from '../../ledger/text.ts';
import type { Observation, SettleOptions } from '../../reconciler/ports.ts';
import type { SettleReport } from '../../reconciler/reconciler.ts';
import type { Outcome, PlannedAction } from '../../schemas/index.ts';
import { openTarget } from '../compose.ts';
import { EXIT, exitCodeOf, isWell } from '../exit.ts';
import { createLogger } from '../logger.ts';
import {
  type CommonOptions,
  type RepositoryOptions,
  withLogOptions,
  withOutput,
  withRepositoryOptions,
  withRunnerOptions,
  type RunnerOptions,
} from '../options.ts';
import { planOf, planText, totalsLine, totalsOf } from '../plan-text.ts';
import { createProgress } from '../progress.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { stopSignals, untilStopped } from '../signals.ts';
import { paintFor, widthOf } from '../terminal.ts';
import { createWatch } from '../watch.ts';
import { openWorkshop, type Workshop } from '../workshop.ts';

interface ReconcileOptions extends CommonOptions, RepositoryOptions, RunnerOptions {
  readonly exitCode?: boolean;
  readonly strict?: boolean;
  readonly watch?: boolean;
}

export function reconcileCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(withRunnerOptions(withRepositoryOptions(command))))
    .description('run everything that is due in a repository, and commit how it ended')
    .argument('[target]', 'a folder or an http(s) URL', '.')
    .option('--dry-run', 'print what would happen, and change nothing')
    .option('--exit-code', 'with --dry-run: exit with 4 when something would run')
    .option('--strict', 'count warning and skipped as not succeeded')
    .option('--watch', 'go on whenever something changes')
    .option('--interval <duration>', 'with --watch: how often a URL is asked; default: 30s')
    .addHelpText('after', EXAMPLES);
  return command.action(async (target: string, options: ReconcileOptions) => {
    context.exit(await reconcile(target, options, context));
  });
}

const EXAMPLES = `
Examples:
  runledger reconcile --dry-run                 what would run in this folder, and why
  runledger reconcile                           run it, and commit outcomes to runledger/status
  runledger reconcile --watch                   the same whenever a file changes
  runledger reconcile https://git.example.com/acme/jobs.git --runner process
`;

async function reconcile(target: string, options: ReconcileOptions, { io }: Context): Promise<number> {
  if (options.exitCode && !options.dryRun) throw usageError('ExitCodeNeedsDryRun', '--exit-code goes with --dry-run');
  if (options.dryRun && options.watch) throw usageError('DryRunWatch', '--dry-run and --watch exclude each other');
  const watching = options.watch === true;
  const log = createLogger(io, options, watching ? 'info' : 'warn');
  const stop = stopSignals(io);
  // A watch that nobody looks at is told by its log; everything else by lines that a person reads.
  const quiet = options.logFormat === 'json' || options.logLevel === 'silent' || (watching && !io.stderr.isTTY);
  const progress = createProgress({ io, log, quiet, output: false });
  const repository = await openTarget(target, options, io, stop.hard, (message) => log.info(message));
  let workshop: Workshop | undefined;
  try {
    workshop = await openWorkshop(repository, options, io, (event) => progress.emit(event), stop.hard);
    const opened = workshop;
    return await untilStopped(stop, async () => {
      if (options.dryRun) return dryRun(opened, options, io, stop.soft);
      if (watching) return createWatch(opened, log).run(stop);
      const started = performance.now();
      const report = await opened.reconciler.settle(ALL, stop.soft, stop.hard);
      progress.close();
      printReport(report, opened, options, io, performance.now() - started);
      return stop.soft.aborted ? EXIT.interrupted : exitCodeOf(findings(report, options.strict === true));
    });
  } finally {
    progress.close();
    await (workshop?.close(stop.hard.aborted) ?? repository.close());
    stop.close();
  }
}

const ALL: SettleOptions = { triggers: true, requests: [] };

async function dryRun(
  workshop: Workshop,
  options: ReconcileOptions,
  io: Context['io'],
  signal: AbortSignal,
): Promise<number> {
  const observation = await workshop.reconciler.observe(signal);
  const actions = await workshop.reconciler.plan(observation, ALL);
  const plan = planOf(actions, observation, workshop);
  print(io, options.output, plan, () => planText(plan, widthOf(io.stdout, io.env), paintFor(io.stdout, io.env)));
  const wouldRun = options.exitCode === true && actions.some(({ action }) => action === 'run');
  return exitCodeOf({ invalid: hasInvalid(actions, observation), failed: false, wouldRun });
}

const hasInvalid = (actions: readonly PlannedAction[], { catalog }: Observation): boolean =>
  catalog.problems.length > 0 || actions.some(({ action }) => action === 'invalid');

function findings(report: SettleReport, strict: boolean): { readonly invalid: boolean; readonly failed: boolean } {
  const failed = report.failures.length > 0 || report.outcomes.some(({ result }) => !isWell(result, strict));
  return { invalid: hasInvalid(report.plan, report.observation), failed };
}

function printReport(
  report: SettleReport,
  workshop: Workshop,
  options: ReconcileOptions,
  io: Context['io'],
  ms: number,
): void {
  const plan = planOf(report.plan, report.observation, workshop);
  const machine = {
    plan,
    outcomes: report.outcomes,
    failures: report.failures.map(({ code, message }) => ({ code, message })),
  };
  print(io, options.output, machine, () => {
    const problems = plan.actions.filter(({ action }) => action === 'invalid').map(({ message }) => `${message}\n`);
    const others = (plan.problems ?? []).map((problem) => `invalid: ${formatProblem(problem)}\n`);
    const notes = plan.totals.run > 0 ? plan.notes.map((note) => `note: ${note}\n`) : [];
    return [...problems, ...others, ...notes, `${summary(report, workshop, ms)}\n`].join('');
  });
}

/** `3 runs: 2 succeeded, 1 failed in 4.1s; outcomes are on runledger/status`. */
function summary({ outcomes, plan }: SettleReport, workshop: Workshop, ms: number): string {
  if (outcomes.length === 0)
    return plan.some(({ action }) => action === 'run')
      ? 'nothing was run'
      : `nothing to run: ${totalsLine(totalsOf(plan))}`;
  const runs = `${outcomes.length} ${outcomes.length === 1 ? 'run' : 'runs'}`;
  const where =
    workshop.ledgerBranch === null ? 'no ledger was written' : `outcomes are on the branch ${workshop.ledgerBranch}`;
  return `${runs}: ${countResults(outcomes)} in ${duration(ms)}; ${where}`;
}

export function countResults(outcomes: readonly Pick<Outcome, 'result'>[]): string {
  const counts = Map.groupBy(outcomes, ({ result }) => result);
  return [...counts].map(([result, each]) => `${each.length} ${result}`).join(', ');
}
