import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../artifacts/port.ts';
import { usageError } from '../errors.ts';
import { createCatalogBuilder } from '../job/catalog.ts';
import { changedFields } from '../job/changes.ts';
import { resolveFiles } from '../job/files.ts';
import { coveredOf } from '../job/inputs.ts';
import { resolveParameters } from '../job/parameters.ts';
import type { ReconcilerEvent, ReconcilerParts } from '../reconciler/ports.ts';
import { createReconciler, type Reconciler } from '../reconciler/reconciler.ts';
import {
  acquireLock,
  createProcesses,
  createProcessRunner,
  type ProcessRunner,
  readSecretsFile,
} from '../runner/process/index.ts';
import type { Log } from '../runner/kubernetes/clock.ts';
import type { Runner, RunnerEvents } from '../runner/port.ts';
import type { LogKeeper } from '../runner/whole-log.ts';
import type { Outcome, RunnerKind } from '../schemas/index.ts';
import type { Source } from '../sources/port.ts';
import type { Repository } from './compose.ts';
import { finishRun } from './finish.ts';
import type { RunnerOptions } from './options.ts';
import { sourceName } from './source-name.ts';
import { localStore, namesStore, storeFrom, type StoreOptions } from './store.ts';
import type { Io } from './terminal.ts';
import { VERSION } from './version.ts';
import { checkoutOf, expirerOf, keeperOf } from './workspace.ts';

/** A repository with everything that is needed to reconcile it. */
export interface Workshop {
  readonly repository: Repository;
  readonly source: Source;
  readonly ledgerBranch: string | null;
  readonly runner: Runner;
  readonly reconciler: Reconciler;
  /** Ends what runs here; `now`: at once, without waiting for it. */
  close(now?: boolean): Promise<void>;
}

/** What a reconciler is made of where everything else is as always. */
export interface ReconcilerChoice extends Pick<
  ReconcilerParts,
  | 'source'
  | 'ledger'
  | 'ledgerEveryMs'
  | 'runner'
  | 'emit'
  | 'mostLive'
  | 'inTurn'
  | 'recordForMs'
  | 'holdPodsForMs'
  | 'capacities'
  | 'expireArtifacts'
> {
  /** Who signs the outcomes. */
  readonly by: Outcome['by'];
  readonly reached?: ReconcilerParts['reached'];
  /** Absent: the clock of the machine. */
  readonly now?: ReconcilerParts['now'];
  readonly defaults?: ReconcilerParts['defaults'];
}

export function composeReconciler({ by, ...choice }: ReconcilerChoice): Reconciler {
  return createReconciler({
    now: () => new Date(),
    ...choice,
    catalogs: createCatalogBuilder(VERSION),
    covered: coveredOf,
    changedFields,
    params: (job, given) => resolveParameters(job.manifest.spec, given),
    files: resolveFiles,
    finish: (run, unstarted, finished) => finishRun(run, unstarted, finished, by),
  });
}

/** A command gives up after so long; what it could not record is kept for the next one. */
const RECORD_FOR_MS = 120_000;
export const HOLD_PODS_FOR_MS = 600_000;

/** How long one process waits for another that plans and starts runs of the same repository. */
const TURN_LIMIT_MS = 60_000;

/** Runs of this process that are claimed and not yet recorded. */
const MOST_LIVE = 1_000;
/** Pods at once, unless the options say otherwise. */
export const DEFAULT_CONCURRENCY = 100;

/** Puts the parts together. Changes nothing until something is executed. */
export async function openWorkshop(
  repository: Repository,
  options: RunnerOptions,
  io: Io,
  emit: (event: ReconcilerEvent) => void,
  signal: AbortSignal,
): Promise<Workshop> {
  const kind = runnerKind(repository, options.runner);
  const by = { runner: kind, version: VERSION, host: hostname() } as const;
  const events: RunnerEvents = {
    changed: (key) => reconciler.changed(key),
    output: (line) => emit({ kind: 'output', line }),
  };
  const runner =
    kind === 'kubernetes'
      ? // Loaded here: what speaks to a cluster makes no process runner wait.
        await (
          await import('./kubernetes.ts')
        ).openUserRunner(
          {
            location: repository.location,
            source: repository.source,
            forgets: repository.ledgerBranch === null,
            openStore: storeOpener(repository, options, io),
            keeper: keeperFor(repository, options, io),
          },
          options,
          io,
          events,
          quietLog(emit),
          signal,
        )
      : await openProcessRunner(repository, options, io, events);
  const capacities = { attempts: concurrencyOf(options.concurrency, kind), sets: new Map<string, number>() };
  const reconciler: Reconciler = composeReconciler({
    source: repository.source,
    ledger: repository.ledger,
    ledgerEveryMs: repository.ledgerEveryMs,
    runner,
    emit,
    by,
    mostLive: MOST_LIVE,
    capacities: () => capacities,
    recordForMs: RECORD_FOR_MS,
    holdPodsForMs: HOLD_PODS_FOR_MS,
    expireArtifacts: expirerOf(sourceName(repository.location), storeOpener(repository, options, io)),
    inTurn: (work, turnSignal) => inTurn(join(repository.stateDir, 'lock'), work, emit, turnSignal),
  });
  return {
    repository,
    source: repository.source,
    ledgerBranch: repository.ledgerBranch,
    runner,
    reconciler,
    async close(now = false) {
      if (now) runner.kill?.();
      else await runner.close('CancelRequested');
      await repository.close();
    },
  };
}

/** Nobody runs a stranger's scripts on their own machine by accident: a URL has to name its runner. */
function runnerKind({ kind, location }: Repository, wanted: RunnerKind | undefined): RunnerKind {
  if (wanted === undefined && kind === 'url') {
    const hint = '--runner process runs its commands on this machine, as you; --runner kubernetes in your cluster';
    throw usageError('RunnerMissing', `${location}: a URL needs a runner named`, { hint });
  }
  return wanted ?? 'process';
}

function quietLog(emit: (event: ReconcilerEvent) => void): Log {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (_fields, message) => emit({ kind: 'trouble', message }),
  };
}

/** Opens the store that the options name, else one with the state. */
export const storeOpener =
  ({ stateDir }: Repository, options: RunnerOptions, io: Io): (() => Promise<Store>) =>
  () => {
    const named = namedStore(options);
    return namesStore(named, io) ? storeFrom(named, io) : localStore(stateDir).open();
  };

const namedStore = ({ store }: RunnerOptions): StoreOptions => (store === undefined ? {} : { store });

async function openProcessRunner(
  repository: Repository,
  options: RunnerOptions,
  io: Io,
  events: RunnerEvents,
): Promise<ProcessRunner> {
  const store = storeOpener(repository, options, io);
  return createProcessRunner({
    keep: keeperOf(sourceName(repository.location), store),
    checkout: (record, signal) => repository.source.checkout(record.revision, checkoutOf(record), signal),
    stateDir: repository.stateDir,
    secrets: options.secrets === undefined ? new Map() : await readSecretsFile(options.secrets),
    env: io.env,
    hostname: hostname(),
    now: () => new Date(),
    observe: options.dryRun === true,
    events,
    keeper: keeperFor(repository, options, io),
  });
}

/** Where whole logs go: to a store that --store or RUNLEDGER_STORE names. */
function keeperFor({ location, stateDir }: Repository, options: RunnerOptions, io: Io): LogKeeper | undefined {
  const named = namedStore(options);
  if (!namesStore(named, io)) return undefined;
  return { source: sourceName(location), folder: stateDir, openStore: () => storeFrom(named, io) };
}

function concurrencyOf(text: string | undefined, kind: RunnerKind): number {
  if (text === undefined) return kind === 'process' ? availableParallelism() : DEFAULT_CONCURRENCY;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000) return value;
  throw usageError('ConcurrencyForm', `--concurrency ${text}: write a whole number from 1 to 1000`);
}

async function inTurn<T>(
  path: string,
  work: () => Promise<T>,
  emit: (event: ReconcilerEvent) => void,
  signal: AbortSignal,
): Promise<T> {
  const lock = await acquireLock(path, {
    processes: createProcesses(hostname()),
    purpose: `runledger ${process.argv[2] ?? ''}`.trim(),
    now: () => new Date(),
    onWait: ({ purpose, pid }) =>
      emit({ kind: 'notice', message: `waits for its turn: ${purpose} (process ${pid}) plans now` }),
    signal,
    timeoutMs: TURN_LIMIT_MS,
  });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}
