import { join } from 'node:path';
import { createCatalogBuilder } from '../../src/job/catalog.ts';
import { changedFields } from '../../src/job/changes.ts';
import { resolveFiles } from '../../src/job/files.ts';
import { coveredOf } from '../../src/job/inputs.ts';
import { resolveParameters } from '../../src/job/parameters.ts';
import { openTarget } from '../../src/cli/compose.ts';
import { finishRun } from '../../src/cli/finish.ts';
import { localStore } from '../../src/cli/store.ts';
import type { Io } from '../../src/cli/terminal.ts';
import { checkoutOf, keeperOf } from '../../src/cli/workspace.ts';
import type { LedgerView } from '../../src/ledger/port.ts';
import type { ReconcilerEvent, ReconcilerParts, SettleOptions } from '../../src/reconciler/ports.ts';
import { createReconciler, type Reconciler, type SettleReport } from '../../src/reconciler/reconciler.ts';
import {
  acquireLock,
  createProcesses,
  createProcessRunner,
  type ProcessRunner,
} from '../../src/runner/process/index.ts';
import type { Runner } from '../../src/runner/port.ts';
import type { Secrets } from '../../src/runner/process/secrets.ts';
import type { JobStatus, Outcome } from '../../src/schemas/index.ts';
import { commitFiles, initRepository, temporaryDirectory } from '../support/git.ts';

const HOST = 'test-host';
const never = new AbortController().signal;
const ALL: SettleOptions = { triggers: true, requests: [] };

/** A reconciler with a process runner of its own, as one command has them. */
export interface Housekeeper {
  readonly reconciler: Reconciler;
  readonly runner: ProcessRunner;
  readonly events: readonly ReconcilerEvent[];
  settle(options?: Partial<SettleOptions>, stop?: AbortSignal): Promise<SettleReport>;
}

export interface KeeperOptions {
  readonly attempts?: number;
  readonly mostLive?: number;
  readonly now?: () => Date;
  /** Puts something around the runner, which keeps its state in this folder. */
  readonly around?: (runner: Runner, stateDir: string) => Runner;
  readonly reached?: ReconcilerParts['reached'];
  readonly secrets?: Secrets;
}

/** A repository in a folder, its ledger, and those who reconcile it. */
export interface House {
  readonly folder: string;
  /** A folder beside it, for what jobs leave behind. */
  readonly dir: string;
  /** Commits these manifests (null removes one); jobs by their name, as the YAML of their spec. */
  commit(specs: Readonly<Record<string, string | null>>): Promise<string>;
  keeper(options?: KeeperOptions): Promise<Housekeeper>;
  /** Reconciles all until nothing is left to do. */
  settle(options?: { readonly attempts?: number; readonly mostLive?: number }): Promise<SettleReport>;
  view(): Promise<LedgerView>;
  status(job: string): Promise<JobStatus | undefined>;
  outcome(job: string, run: number): Promise<Outcome | undefined>;
}

export const manifest = (name: string, spec: string): string =>
  `apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: ${name} }\nspec:\n${spec.replace(/^(?=.)/gm, '  ')}\n`;

/** `a #1 succeeded Completed`, in the order in which they were recorded. */
export const told = ({ outcomes }: Pick<SettleReport, 'outcomes'>): readonly string[] =>
  outcomes.map(({ job, run, result, reason }) => `${job} #${run} ${result} ${reason}`);

const openFolder = (folder: string) => openTarget(folder, {}, { cwd: folder, env: {} } as unknown as Io, never);

/** Somebody who reconciles the repository in a folder. */
export async function openKeeper(folder: string, options: KeeperOptions = {}): Promise<Housekeeper> {
  const {
    attempts = 4,
    mostLive = 1_000,
    now = () => new Date(),
    around = (inner) => inner,
    reached,
    secrets = new Map(),
  } = options;
  const repository = await openFolder(folder);
  const events: ReconcilerEvent[] = [];
  const runner = createProcessRunner({
    stateDir: repository.stateDir,
    secrets,
    events: { changed: (key) => reconciler.changed(key), output: (line) => events.push({ kind: 'output', line }) },
    env: { PATH: process.env['PATH'] },
    now,
    hostname: HOST,
    keep: keeperOf('jobs', () => localStore(repository.stateDir).open()),
    checkout: (record, signal) => repository.source.checkout(record.revision, checkoutOf(record), signal),
  });
  const by = { runner: 'process', version: '0.1.0' } as const;
  const reconciler = createReconciler({
    ...repository,
    runner: around(runner, repository.stateDir),
    catalogs: createCatalogBuilder(),
    now,
    reached,
    covered: coveredOf,
    changedFields,
    params: (job, given) => resolveParameters(job.manifest.spec, given),
    files: resolveFiles,
    finish: (run, unstarted, finished) => finishRun(run, unstarted, finished, by),
    recordForMs: 10_000,
    holdPodsForMs: 10_000,
    mostLive,
    capacities: () => ({ attempts, sets: new Map() }),
    emit: (event) => events.push(event),
    inTurn: (turn, signal) => inTurn(join(repository.stateDir, 'lock'), turn, signal),
  });
  return {
    reconciler,
    runner,
    events,
    settle: (given = {}, stop = never) => reconciler.settle({ ...ALL, ...given }, stop, never),
  };
}

export async function withHouse(work: (house: House) => Promise<void>): Promise<void> {
  const { path: root, remove } = await temporaryDirectory();
  const folder = await initRepository(join(root, 'jobs'));
  const open = () => openFolder(folder);
  const runners: ProcessRunner[] = [];
  const house: House = {
    folder,
    dir: root,
    commit: (specs) =>
      commitFiles(
        folder,
        Object.fromEntries(
          Object.entries(specs).map(([name, spec]) => [`${name}.yaml`, spec === null ? null : manifest(name, spec)]),
        ),
      ),
    async keeper(options) {
      const keeper = await openKeeper(folder, options);
      runners.push(keeper.runner);
      return keeper;
    },
    settle: async (options) => (await house.keeper(options)).settle(),
    view: async () => (await open()).ledger.read(never),
    status: async (job) => (await house.view()).statuses.get(job),
    outcome: async (job, run) => (await house.view()).outcome(job, run),
  };
  try {
    await work(house);
  } finally {
    await Promise.all(runners.map((runner) => runner.close('CancelRequested')));
    await remove();
  }
}

async function inTurn<T>(path: string, turn: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const lock = await acquireLock(path, {
    processes: createProcesses(HOST),
    purpose: 'test',
    now: () => new Date(),
    onWait: () => undefined,
    signal,
    timeoutMs: 60_000,
  });
  try {
    return await turn();
  } finally {
    await lock.release();
  }
}
