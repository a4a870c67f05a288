import { randomUUID } from 'node:crypto';
import { messageOf, terminalError, transientError } from '../../errors.ts';
import type { Reason } from '../../schemas/index.ts';
import type { AttemptEnding, RunFile, RunKey, Runner, RunnerEvents, RunRecord } from '../port.ts';
import { runAttempt, type StopCause } from './attempt.ts';
import { createDurably, exists, readJson } from './durable.ts';
import { createProcesses } from './identity.ts';
import { type RunPaths, runName, statePaths } from './layout.ts';
import { createLister } from './list.ts';
import { writeFiles } from './prepare.ts';
import type { Secrets } from './secrets.ts';
import { createSlots } from './slots.ts';
import { createRunStore, type FinishedAttempt, type Holder } from './store.ts';
import { signalGroup } from './strays.ts';
import { ignoredFields, refusedFields } from './support.ts';

export interface ProcessRunnerOptions {
  /** Where claims, logs and endings are kept until they are released. One machine's, and not part of any work tree. */
  readonly stateDir: string;
  /** Where the steps' workspaces go; default: with the rest of the run, in `stateDir`. */
  readonly workspaceRoot?: string;
  readonly secrets: Secrets;
  /** Runs that are executed at once; the others wait in the order in which they came. */
  readonly concurrency: number;
  readonly events: RunnerEvents;
  /** runledger's own environment; the steps inherit what environment.ts lists. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  readonly hostname: string;
  /** Only looks: runs of dead processes are shown as lost, and nothing is written or killed. */
  readonly observe?: boolean;
}

export interface ProcessRunner extends Runner {
  /** Whoever has the claim owns the start: nobody takes up another's, and so nobody has to ask the ledger. */
  start(record: RunRecord, files: readonly RunFile[], signal: AbortSignal): Promise<'started' | 'exists'>;
  /** Kills everything that is being executed, at once and without waiting: for a process that is about to exit. */
  kill(): void;
}

interface Active {
  readonly record: RunRecord;
  readonly paths: RunPaths;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** How often wishes of other processes to cancel a run are looked for. */
const CANCEL_POLL_MS = 500;

interface CancelWish {
  readonly reason: Reason;
}

const EMPTY = { log: new Uint8Array(), complete: true, vars: {}, annotations: [], warnings: [] } as const;

/**
 * Runs jobs as processes of this machine (port.ts). Everything that matters is on the disk before it is acted on: the
 * claim before anything runs, the ending before anybody is told of it.
 */
export function createProcessRunner(options: ProcessRunnerOptions): ProcessRunner {
  const { stateDir, workspaceRoot, secrets, events, env, now, observe = false } = options;
  const processes = createProcesses(options.hostname);
  const me: Holder = { ...processes.self, id: randomUUID() };
  const store = createRunStore(statePaths(stateDir, workspaceRoot), workspaceRoot);
  const slots = createSlots(options.concurrency);
  const active = new Map<string, Active>();
  const groups = new Map<string, number>();
  const unwritten = new Map<string, FinishedAttempt>();
  let closed = false;
  let polling: NodeJS.Timeout | undefined;

  const stopWith = (run: Active, reason: Reason): void => {
    const cause: StopCause = { kind: 'cancelled', reason };
    run.stop.abort(cause);
  };
  const pollCancels = async (): Promise<void> => {
    for (const run of active.values()) {
      const wish = await readJson<CancelWish>(run.paths.cancel).catch(() => undefined);
      if (wish) stopWith(run, wish.reason);
    }
  };
  const poll = (on: boolean): void => {
    if (on) polling ??= setInterval(() => void pollCancels(), CANCEL_POLL_MS);
    else {
      clearInterval(polling);
      polling = undefined;
    }
  };

  const attempt = async (record: RunRecord, paths: RunPaths, stop: AbortSignal): Promise<FinishedAttempt> => {
    const unstarted = (ending: AttemptEnding): FinishedAttempt => ({
      started: null,
      finished: now().toISOString(),
      ending,
      output: EMPTY,
    });
    if (!(await slots.take(stop)))
      return unstarted({
        kind: 'cancelled',
        reason: (stop.reason as Extract<StopCause, { kind: 'cancelled' }>).reason,
        step: null,
      });
    try {
      const onGroup = (group: number): unknown => groups.set(runName(record), group);
      return await runAttempt({ record, paths, secrets, env, now, processes, stop, events, onGroup });
    } finally {
      slots.give();
    }
  };

  /** Executes a claimed run to its durable end. */
  const execute = async (record: RunRecord, paths: RunPaths, stop: AbortSignal): Promise<void> => {
    const name = runName(record);
    try {
      const finished = await attempt(record, paths, stop);
      unwritten.set(name, finished);
      await store.writeEnding(paths, finished);
      unwritten.delete(name);
    } catch (error) {
      // Each list() tries again; if this process ends before that works, the next one calls the run lost.
      const text = `runledger could not write down how ${record.job} #${record.run} ended: ${messageOf(error)}`;
      events.output({ key: record, at: now().toISOString(), step: 'runledger', stream: 'stderr', text });
    } finally {
      active.delete(name);
      groups.delete(name);
      if (active.size === 0) poll(false);
      events.changed({ job: record.job, run: record.run });
    }
  };
  const list = createLister({
    store,
    me,
    processes,
    now,
    observe,
    isActive: (name) => active.has(name),
    unwritten: (name) => unwritten.get(name),
  });

  const executedElsewhere = async (key: RunKey): Promise<boolean> => {
    const claim = await store.readClaim(store.paths(key));
    return claim !== undefined && claim.owner.id !== me.id && processes.state(claim.owner) !== 'dead';
  };

  return {
    kind: 'process',
    outlives: false,
    refuses: refusedFields,
    ignores: ignoredFields,
    list,
    async start(record, files, signal) {
      signal.throwIfAborted();
      if (closed || observe)
        throw terminalError('RunnerClosed', `${record.job} #${record.run}: this runner starts nothing any more`);
      const refused = refusedFields(record.spec);
      if (refused.length > 0)
        throw terminalError('NotSupported', `${record.job}: local processes can't do ${refused.join(', ')}`, {
          hint: 'run it on Kubernetes, or leave these fields out',
        });
      const claimed = await store.claim({ format: 1, record, owner: me }, (paths) => writeFiles(paths.files, files));
      if (!claimed) return 'exists';
      const stop = new AbortController();
      const paths = store.paths(record);
      const { promise, resolve } = Promise.withResolvers<void>();
      active.set(runName(record), { record, paths, stop, done: promise });
      poll(true);
      void execute(record, paths, stop.signal).finally(resolve);
      return 'started';
    },
    async cancel(key, reason) {
      const mine = active.get(runName(key));
      if (mine) return stopWith(mine, reason);
      const paths = store.paths(key);
      if (!(await exists(paths.claim)) || (await exists(paths.ending))) return;
      const wish: CancelWish = { reason };
      await createDurably(paths.cancel, JSON.stringify(wish));
    },
    async release(keys, signal) {
      for (const key of keys) {
        signal.throwIfAborted();
        const mine = active.get(runName(key));
        const isOver = await exists(store.paths(key).ending);
        if (isOver)
          await mine?.done; // it is written down, and about to be let go of
        else if (mine || (await executedElsewhere(key)))
          throw transientError('RunNotEnded', `${key.job} #${key.run} is still being executed`, {
            hint: 'cancel it first',
          });
        await store.remove(key);
        unwritten.delete(runName(key));
      }
    },
    async close(reason) {
      closed = true;
      const runs = [...active.values()];
      for (const run of runs) stopWith(run, reason);
      await Promise.all(runs.map(({ done }) => done));
      poll(false);
    },
    kill() {
      closed = true;
      for (const group of groups.values()) signalGroup(group, 'SIGKILL');
    },
  };
}
