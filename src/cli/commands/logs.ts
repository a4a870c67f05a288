import type { Command } from 'commander';
import { hostname } from 'node:os';
import { usageError } from '../../errors.ts';
import type { LedgerView } from '../../ledger/port.ts';
import { createProcessRunner, followRun } from '../../runner/process/index.ts';
import type { LiveRun } from '../../runner/port.ts';
import type { Outcome } from '../../schemas/index.ts';
import { openTarget, type Repository } from '../compose.ts';
import { EXIT } from '../exit.ts';
import {
  type CommonOptions,
  type RepositoryOptions,
  withLogOptions,
  withRepositoryOptions,
  withTarget,
} from '../options.ts';
import type { Context } from '../program.ts';
import { recordedOutcome, runNumber } from '../recorded.ts';
import { stopSignals } from '../signals.ts';
import { paintFor, type Io } from '../terminal.ts';
import { statusOf } from './get.ts';

interface LogsOptions extends CommonOptions, RepositoryOptions {
  readonly in: string;
  readonly run?: string;
  readonly follow?: boolean;
  readonly timestamps?: boolean;
}

export function logsCommand(command: Command, context: Context): Command {
  withLogOptions(withTarget(withRepositoryOptions(command)))
    .description('print what a run printed, from the ledger or while it runs')
    .argument('<job>', 'the name of the job')
    .option('--run <number>', 'which run; default: the newest')
    .option('-f, --follow', 'go on until the run ends; waits for one that is queued')
    .option('--timestamps', 'with the time, step and stream of each line, as the ledger keeps them');
  return command.action(async (job: string, options: LogsOptions) => {
    context.exit(await logs(job, options, context));
  });
}

async function logs(job: string, options: LogsOptions, { io }: Context): Promise<number> {
  const wanted = options.run === undefined ? undefined : runNumber(options.run);
  const stop = stopSignals(io);
  const repository = await openTarget(options.in, options, io, stop.hard);
  const write = lineWriter(io, options.timestamps === true);
  try {
    const live = await liveRuns(repository, job, io, stop.soft);
    const view = await repository.ledger.read(stop.soft);
    const number = wanted ?? newest(view, live, job);
    const running = live.find(({ record }) => record.run === number);
    if (running && !hasEnded(running)) {
      await follow(running, repository, options.follow === true, write, io, stop.soft);
    } else if (running) {
      for (const { output } of running.attempts) writeLines(output?.log, write);
    } else {
      await stored(view, job, number, write, io);
    }
    return stop.soft.aborted ? EXIT.interrupted : EXIT.ok;
  } finally {
    await repository.close();
    stop.close();
  }
}

/** The runs of the job that are claimed on this machine; looking at them changes nothing. */
async function liveRuns(repository: Repository, job: string, io: Io, signal: AbortSignal): Promise<readonly LiveRun[]> {
  const runner = createProcessRunner({
    stateDir: repository.stateDir,
    secrets: new Map(),
    events: { changed: () => undefined, output: () => undefined },
    env: io.env,
    now: () => new Date(),
    hostname: hostname(),
    observe: true,
  });
  return (await runner.list(signal)).filter(({ record }) => record.job === job);
}

/** Throws `JobUnknown`, or `NoRun` for a job that never ran. */
function newest(view: LedgerView, live: readonly LiveRun[], job: string): number {
  const running = Math.max(0, ...live.map(({ record }) => record.run));
  const recorded = running > 0 ? view.statuses.get(job) : statusOf(view, job);
  const number = Math.max(running, recorded?.lastRuns[0]?.run ?? 0);
  if (number > 0) return number;
  throw usageError('NoRun', `${job} never ran`, { hint: `\`runledger run ${job}\` runs it now` });
}

type WriteLine = (line: string) => void;

/** Stored lines are `<time> <step> <stream> <text>`: the text alone, unless `whole`. Standard error stays standard error. */
function lineWriter(io: Io, whole: boolean): WriteLine {
  return (line) => {
    const [, stream, text] = /^\S+ \S+ (stdout|stderr) ?(.*)$/s.exec(line) ?? [];
    if (text === undefined || whole) io.stdout.write(`${line}\n`);
    else (stream === 'stderr' ? io.stderr : io.stdout).write(`${text}\n`);
  };
}

function writeLines(log: Uint8Array | undefined, write: WriteLine): void {
  const text = Buffer.from(log ?? '').toString();
  if (text !== '') for (const line of text.replace(/\n$/, '').split('\n')) write(line);
}

const hasEnded = ({ attempts, parked }: LiveRun): boolean =>
  parked !== undefined || (attempts.length > 0 && attempts.every(({ ending }) => ending !== null));

async function follow(
  run: LiveRun,
  repository: Repository,
  goOn: boolean,
  write: WriteLine,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const { stateDir } = repository;
  const note = paintFor(io.stderr, io.env);
  if (run.attempts.length === 0) {
    io.stderr.write(`${note('gray', `${run.record.job} #${run.record.run} is queued: it waits for a free slot`)}\n`);
    if (!goOn) return;
  }
  // Without -f: what there is by now, and no waiting for more.
  const now = goOn ? signal : AbortSignal.abort();
  for await (const line of followRun({ stateDir, key: run.record, hostname: hostname(), signal: now })) write(line);
}

async function stored(view: LedgerView, job: string, number: number, write: WriteLine, io: Io): Promise<void> {
  const outcome = await recordedOutcome(view, job, number);
  const paths = logPaths(outcome);
  const note = paintFor(io.stderr, io.env);
  if (paths.length === 0)
    io.stderr.write(
      `${note('gray', `${job} #${number} ${outcome.result}: ${outcome.message}; nothing was printed`)}\n`,
    );
  for (const path of paths) writeLines(await view.read(path), write);
}

/** The logs of all attempts, in order. */
const logPaths = ({ tasks }: Outcome): readonly string[] =>
  tasks.flatMap(({ attempts }) => attempts.flatMap(({ log }) => (log ? [log.path] : [])));
