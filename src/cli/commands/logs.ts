import { Option, type Command } from 'commander';
import { hostname } from 'node:os';
import { usageError } from '../../errors.ts';
import type { LedgerView } from '../../ledger/port.ts';
import type { LiveRunRef } from '../../runner/kubernetes/live-logs.ts';
import { createProcessRunner, followRun } from '../../runner/process/index.ts';
import type { LiveRun } from '../../runner/port.ts';
import { asksCluster, type ClusterOptions, masksOf, openUserCluster } from '../cluster-logs.ts';
import { openTarget, type Repository } from '../compose.ts';
import { EXIT } from '../exit.ts';
import { type LineChoice, lineWriter, sinceTime, type WriteLine, writeLines } from '../log-lines.ts';
import {
  type CommonOptions,
  type RepositoryOptions,
  withLogOptions,
  withRepositoryOptions,
  withTarget,
} from '../options.ts';
import type { Context } from '../program.ts';
import { runNumber } from '../recorded.ts';
import { stopSignals } from '../signals.ts';
import { type StoreOptions, withStoreOptions } from '../store.ts';
import { storedLogs } from '../stored-logs.ts';
import { paintFor, type Io } from '../terminal.ts';
import { statusOf } from './get.ts';

interface LogsOptions extends CommonOptions, RepositoryOptions, ClusterOptions, StoreOptions {
  readonly in: string;
  readonly run?: string;
  readonly follow?: boolean;
  readonly task?: string;
  readonly step?: string;
  readonly service?: string;
  readonly since?: string;
  readonly timestamps?: boolean;
  readonly output: 'text' | 'json';
}

export function logsCommand(command: Command, context: Context): Command {
  withLogOptions(withStoreOptions(withTarget(withRepositoryOptions(command))))
    .description('print what a run printed: while it runs, and from the ledger or the store afterwards')
    .argument('<job>', 'the name of the job')
    .option('--run <number>', 'which run; default: the newest')
    .option('-f, --follow', 'go on until the run ends; waits for one that is queued, and says for what')
    .option('--task <name>', 'only one task of a fan-out')
    .option('--step <name>', 'only one step')
    .option('--service <name>', 'a service in place of the steps, while it runs in a cluster')
    .option('--since <time>', 'only what was printed later: 5m, 1h30m, or an RFC 3339 time')
    .option('--timestamps', 'with the time, step and stream of each line, as the ledger keeps them')
    .addOption(
      new Option('-o, --output <format>', 'text: as it was printed; json: an object a line')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('--kubeconfig <file>', 'the cluster of runs that go on; default: KUBECONFIG, else ~/.kube/config')
    .option('--context <name>', 'the context of the kubeconfig; default: the current one')
    .option('-n, --namespace <name>', "the namespace of the jobs; default: the context's")
    .option('--source <name>', 'the source, where several have a job of this name')
    .option('--installation <name>', 'the installation, where several have a job of this name');
  return command.action(async (job: string, options: LogsOptions) => {
    context.exit(await logs(job, options, context));
  });
}

/** Everything that showing a run needs. */
interface Showing {
  readonly job: string;
  readonly options: LogsOptions;
  readonly wanted: number | undefined;
  readonly repository: Repository;
  readonly write: WriteLine;
  /** Tells something about the run on standard error. */
  readonly tell: (text: string) => void;
  readonly io: Io;
  readonly signal: AbortSignal;
}

async function logs(job: string, options: LogsOptions, { io }: Context): Promise<number> {
  const wanted = options.run === undefined ? undefined : runNumber(options.run);
  const choice: LineChoice = {
    step: options.step,
    since: options.since === undefined ? undefined : sinceTime(options.since, Date.now()),
    form: options.output === 'json' ? 'json' : options.timestamps === true ? 'stored' : 'plain',
  };
  const stop = stopSignals(io, { first: () => undefined, second: () => undefined });
  const repository = await openTarget(options.in, options, io, stop.hard);
  const note = paintFor(io.stderr, io.env);
  const showing: Showing = {
    job,
    options,
    wanted,
    repository,
    write: lineWriter(io, choice),
    tell: (text) => io.stderr.write(`${note('gray', text)}\n`),
    io,
    signal: stop.soft,
  };
  try {
    await show(showing);
    return stop.soft.aborted ? EXIT.interrupted : EXIT.ok;
  } finally {
    await repository.close();
    stop.close();
  }
}

/** Where the run is decides: recorded, executed by a process of this machine, or claimed in a cluster. */
async function show(showing: Showing): Promise<void> {
  const { job, wanted, repository, options, io, signal } = showing;
  const view = await repository.ledger.read(signal);
  const recorded = wanted !== undefined && (await view.outcome(job, wanted)) !== undefined;
  const here = recorded ? [] : await runsHere(showing);
  const mine = here.find(({ record }) => record.run === (wanted ?? newestOf(here.map(({ record: { run } }) => run))));
  if (mine && options.service !== undefined) throw noService('a process runs no services');
  if (mine) return showProcess(mine, showing);
  if (!recorded && asksCluster(options, repository.kind, io) && (await showCluster(view, showing))) return;
  if (options.service !== undefined) throw noService('what services print is not kept');
  const number = wanted ?? statusOf(view, job).lastRuns[0]?.run;
  if (number === undefined)
    throw usageError('NoRun', `${job} never ran`, { hint: `\`runledger run ${job}\` runs it now` });
  await storedLogs({ ...showing, view, run: number, store: options });
}

const newestOf = (runs: readonly number[]): number => Math.max(0, ...runs);
const noService = (why: string): Error =>
  usageError('ServiceLog', `${why}: only the output of a service that runs in a cluster can be read`, {
    hint: 'leave --service away, or name the cluster with --kubeconfig, --context or --namespace',
  });

/** The runs of the job that are claimed on this machine; looking at them changes nothing. */
async function runsHere({ job, repository, io, signal }: Showing): Promise<readonly LiveRun[]> {
  const runner = createProcessRunner({
    stateDir: repository.stateDir,
    secrets: new Map(),
    events: { changed: () => undefined },
    env: io.env,
    now: () => new Date(),
    hostname: hostname(),
    observe: true,
  });
  return (await runner.list(signal)).filter(({ record }) => record.job === job);
}

const hasEnded = ({ attempts, parked }: LiveRun): boolean =>
  parked !== undefined || (attempts.length > 0 && attempts.every(({ ending }) => ending !== null));

async function showProcess(run: LiveRun, { options, repository, write, tell, signal }: Showing): Promise<void> {
  const { task, follow } = options;
  if (hasEnded(run)) {
    for (const attempt of run.attempts)
      if (task === undefined || attempt.task === task) writeLines(attempt.output?.log, write);
    return;
  }
  if (run.attempts.length === 0) {
    tell(`${run.record.job} #${run.record.run} is queued: it waits for a free slot`);
    if (!follow) return;
  }
  const { stateDir } = repository;
  // Without -f: what there is by now, and no waiting for more.
  const now = follow ? signal : AbortSignal.abort();
  const lines = followRun({ stateDir, key: run.record, hostname: hostname(), task, signal: now });
  for await (const line of lines) write(line);
}

const LOOK_MS = 2_000;

/** False: the cluster has no run that is not recorded, and none is waited for. */
async function showCluster(view: LedgerView, showing: Showing): Promise<boolean> {
  const { job, options, repository, write, tell, io, signal } = showing;
  const { findLiveRuns, followLive } = await import('../../runner/kubernetes/live-logs.ts');
  const cluster = await openUserCluster(options, io, signal);
  try {
    const { source, installation, task, step, service } = options;
    const scope = { cluster, namespace: options.namespace ?? cluster.namespace, job, source, installation, signal };
    const run = await awaitRun(view, showing, () => findLiveRuns(scope));
    if (!run) return false;
    const isRecorded = async (): Promise<boolean> =>
      (await (await repository.ledger.read(signal)).outcome(job, run.run)) !== undefined;
    await followLive({
      ...scope,
      run,
      goOn: options.follow === true,
      masks: await masksOf(options.config),
      task,
      step,
      service,
      isOver: isRecorded,
      onLine: ({ at, step: of, stream, text }) => write(`${at} ${of} ${stream} ${text}`),
      onWait: (why) => tell(`${job} #${run.run} is queued: ${why}`),
      onMissing: (why) => tell(`not all of it can be shown: ${why}`),
    });
    return true;
  } finally {
    await cluster.close();
  }
}

/** The run to show, if it is live; with -f, one that the ledger says is on its way is waited for. */
async function awaitRun(
  first: LedgerView,
  { job, wanted, options, repository, tell, signal }: Showing,
  find: () => Promise<readonly LiveRunRef[]>,
): Promise<LiveRunRef | undefined> {
  let told = '';
  for (let view = first; !signal.aborted; view = await repository.ledger.read(signal)) {
    const live: LiveRunRef[] = [];
    for (const run of await find()) if ((await view.outcome(job, run.run)) === undefined) live.push(run);
    const found = wanted === undefined ? live.at(-1) : live.find(({ run }) => run === wanted);
    const status = view.statuses.get(job);
    const isComing = status?.phase === 'Queued' || (wanted !== undefined && wanted === status?.nextRun);
    if (found || options.follow !== true || !isComing) return found;
    const why = `${job} has no run yet that could be followed: ${status?.waiting ?? 'it waits to be planned'}`;
    if (why !== told) tell(why);
    told = why;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return undefined;
}
