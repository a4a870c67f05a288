import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { messageOf, terminalError, transientError } from '../../errors.ts';
import type { Reason } from '../../schemas/index.ts';
import type { AttemptStart, RunFile, RunKey, Runner, RunnerEvents, RunRecord } from '../port.ts';
import type { LogKeeper } from '../whole-log.ts';
import { type KeepArtifacts, runAttempt } from './attempt.ts';
import { type Checkout, holdCheckout, wantsCheckout } from './checkout.ts';
import type { StopCause } from './course.ts';
import { exists } from './durable.ts';
import { createProcesses } from './identity.ts';
import { runName, statePaths } from './layout.ts';
import { attemptId, createLister } from './list.ts';
import { writeFiles } from './prepare.ts';
import type { Secrets } from './secrets.ts';
import { createRunStore, type FinishedAttempt, type Holder } from './store.ts';
import { signalGroup } from './strays.ts';
import { ignoredFields, refusedFields } from './support.ts';

export interface ProcessRunnerOptions {
  /** Where claims, logs and endings are kept until they are released. One machine's, and not part of any work tree. */
  readonly stateDir: string;
  /** Where the steps' workspaces go; default: with the rest of the run, in `stateDir`. */
  readonly workspaceRoot?: string;
  readonly secrets: Secrets;
  readonly events: RunnerEvents;
  /** runledger's own environment; the steps inherit what environment.ts lists. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  readonly hostname: string;
  /** Where whole logs go; absent: nowhere. */
  readonly keeper?: LogKeeper | undefined;
  /** Keeps artifacts. Absent: jobs that have any are refused. */
  readonly keep?: KeepArtifacts;
  /** Absent: jobs that check out their revision are refused. */
  readonly checkout?: Checkout;
  /** Only looks: runs of dead processes are shown as lost, and nothing is written or killed. */
  readonly observe?: boolean;
}

export interface ProcessRunner extends Runner {
  /** As the port says. What another live process has claimed is never taken up, so that the ledger need not be asked. */
  start(
    record: RunRecord,
    files: readonly RunFile[],
    attempts: readonly AttemptStart[],
    signal: AbortSignal,
  ): Promise<void>;
  /** Kills everything that is being executed, at once and without waiting: for a process that is about to exit. */
  kill(): void;
}

interface Active {
  readonly record: RunRecord;
  readonly task: string;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

const notEnded = (run: string): Error =>
  transientError('RunNotEnded', `${run} is still being executed`, { hint: 'cancel it first' });

/** How often wishes of other processes to cancel a run are looked for. */
const CANCEL_POLL_MS = 500;

/**
 * Runs jobs as processes of this machine (port.ts). Everything that matters is on the disk before it is acted on: the
 * claim before anything runs, the ending before anybody is told of it.
 */
export function createProcessRunner(options: ProcessRunnerOptions): ProcessRunner {
  const { stateDir, workspaceRoot, secrets, events, env, now, observe = false } = options;
  const processes = createProcesses(options.hostname);
  const me: Holder = { ...processes.self, id: randomUUID() };
  const store = createRunStore(statePaths(stateDir), workspaceRoot);
  const active = new Map<string, Active>();
  const groups = new Map<string, number>();
  const unwritten = new Map<string, FinishedAttempt>();
  const means = { keeps: options.keep !== undefined, checksOut: options.checkout !== undefined };
  const halt = new AbortController();
  let closed = false;
  let polling: NodeJS.Timeout | undefined;

  const stopWith = (run: Active, reason: Reason): void => {
    const cause: StopCause = { kind: 'cancelled', reason };
    run.stop.abort(cause);
  };
  const pollCancels = async (): Promise<void> => {
    for (const run of active.values()) {
      const wish = await store.cancelWish(store.paths(run.record)).catch(() => undefined);
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

  /** Executes an attempt that was made to its durable end. */
  const execute = async (record: RunRecord, start: AttemptStart, stop: AbortSignal): Promise<void> => {
    const id = attemptId(record, { task: start.task.name, number: start.number });
    const paths = store.attemptPaths(record, { task: start.task.name, number: start.number });
    try {
      const onGroup = (group: number): unknown => groups.set(id, group);
      const { files, checkout } = store.paths(record);
      const finished = await runAttempt({
        record,
        attempt: start,
        paths,
        files,
        checkout: wantsCheckout(record) ? checkout : null,
        secrets,
        env,
        now,
        processes,
        stop,
        halt: halt.signal,
        events,
        onGroup,
        keeper: options.keeper,
        keep: options.keep,
      });
      unwritten.set(id, finished);
      await store.writeEnding(paths, finished);
      unwritten.delete(id);
    } catch (error) {
      // Each list() tries again; if this process ends before that works, the next one calls the attempt lost.
      const text = `runledger could not write down how ${record.job} #${record.run} ended: ${messageOf(error)}`;
      events.output?.({ key: record, at: now().toISOString(), step: 'runledger', stream: 'stderr', text });
    } finally {
      active.delete(id);
      groups.delete(id);
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
    isActive: (id) => active.has(id),
    unwritten: (id) => unwritten.get(id),
  });

  const executedElsewhere = async (key: RunKey): Promise<boolean> => {
    const claim = await store.readClaim(store.paths(key));
    if (claim === undefined || claim.owner.id === me.id || processes.state(claim.owner) === 'dead') return false;
    const made = await store.attempts(key);
    const endings = await Promise.all(made.map((attempt) => exists(store.attemptPaths(key, attempt).ending)));
    return endings.length === 0 || endings.includes(false);
  };
  const activeOf = (key: RunKey): readonly Active[] =>
    [...active.values()].filter(({ record }) => runName(record) === runName(key));
  const assertOpen = ({ job, run, spec }: RunRecord): void => {
    if (closed || observe) throw terminalError('RunnerClosed', `${job} #${run}: this runner starts nothing any more`);
    const refused = refusedFields(spec, means);
    if (refused.length > 0)
      throw terminalError('NotSupported', `${job}: local processes can't do ${refused.join(', ')}`, {
        hint: 'run it on Kubernetes, or leave these fields out',
      });
  };

  return {
    kind: 'process',
    outlives: false,
    refuses: (spec) => refusedFields(spec, means),
    ignores: ignoredFields,
    list,
    async claim(record, signal) {
      signal.throwIfAborted();
      assertOpen(record);
      if (await store.claim({ format: 1, record, owner: me })) return 'claimed';
      const there = (await list(signal)).find((run) => runName(run.record) === runName(record));
      const isSame =
        there?.mine === true &&
        // What has not been put down yet is executed as the job is by now.
        (!there.held || there.record.digest === record.digest) &&
        isDeepStrictEqual(there.record.trigger, record.trigger);
      return isSame ? 'claimed' : 'exists';
    },
    async start(record, files, attempts, signal) {
      signal.throwIfAborted();
      assertOpen(record);
      await store.hold(record, async (at) => {
        await writeFiles(at.files, files);
        if (options.checkout && wantsCheckout(record))
          await holdCheckout(at.checkout, options.checkout(record, signal));
      });
      const held = (await store.readRecord(store.paths(record))) ?? record;
      for (const start of attempts) {
        if (!(await store.makeAttempt(record, { task: start.task.name, number: start.number }))) continue;
        const stop = new AbortController();
        const { promise, resolve } = Promise.withResolvers<void>();
        const id = attemptId(record, { task: start.task.name, number: start.number });
        active.set(id, { record: held, task: start.task.name, stop, done: promise });
        poll(true);
        void execute(held, start, stop.signal).finally(resolve);
      }
    },
    async cancel(key, reason, tasks, by) {
      const mine = activeOf(key).filter(({ task }) => tasks?.includes(task) ?? true);
      if (tasks === undefined) await store.wishCancelled(key, by === undefined ? { reason } : { reason, by });
      for (const run of mine) stopWith(run, reason);
      if (mine.length === 0) events.changed(key);
    },
    async release(keys, signal) {
      for (const key of keys) {
        signal.throwIfAborted();
        for (const mine of activeOf(key)) {
          const { job, run } = mine.record;
          const made = (await store.attempts(key)).filter(({ task }) => task === mine.task);
          const endings = await Promise.all(made.map((attempt) => exists(store.attemptPaths(key, attempt).ending)));
          if (endings.includes(false)) throw notEnded(`${job} #${run}`);
          await mine.done; // it is written down, and about to be let go of
        }
        if (await executedElsewhere(key)) throw notEnded(`${key.job} #${key.run}`);
        await store.remove(key);
        for (const id of unwritten.keys()) if (id.startsWith(`${runName(key)}/`)) unwritten.delete(id);
      }
    },
    async close(reason) {
      closed = true;
      const runs = [...active.values()];
      // What has begun ends with this process, tasks that were still to start included.
      for (const { record } of new Map(runs.map((run) => [runName(run.record), run])).values())
        await store.wishCancelled(record, { reason }).catch(() => undefined);
      for (const run of runs) stopWith(run, reason);
      await Promise.all(runs.map(({ done }) => done));
      poll(false);
    },
    kill() {
      closed = true;
      halt.abort();
      for (const group of groups.values()) signalGroup(group, 'SIGKILL');
    },
  };
}
