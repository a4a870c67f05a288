import { type CodedError, messageOf, transientError } from '../errors.ts';
import type { LiveRun, RunKey } from '../runner/port.ts';
import type { Outcome, PlannedAction } from '../schemas/index.ts';
import type { Snapshot } from '../sources/port.ts';
import { actual, hasNewRequests, nobody } from './actual.ts';
import { createAgenda } from './agenda.ts';
import { createDirtyJobs, type DirtyJobs } from './dirty.ts';
import { createExecutor } from './executor.ts';
import { statusFacts } from './facts.ts';
import { knownIn } from './known.ts';
import { createLedgerReader, type LedgerReading } from './ledger-reader.ts';
import { watchLedger } from './ledger-watch.ts';
import { createPlanning } from './planning.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';
import { createRunnerSets, createSetStatuses } from './runner-sets.ts';
import { createStatements } from './statements.ts';
import { createWake } from './wake.ts';

export interface SettleReport {
  /** What was planned first, before anything was executed. */
  readonly plan: readonly PlannedAction[];
  readonly observation: Observation;
  /** The outcomes that this call recorded, in the order they ended; with `goOn` the newest thousand. */
  readonly outcomes: readonly Outcome[];
  /** Runs that could not be started or recorded, with why; with `goOn` the newest thousand. */
  readonly failures: readonly CodedError[];
}

export interface Reconciler {
  /** Reads desired and actual afresh. Changes nothing. */
  observe(signal: AbortSignal): Promise<Observation>;
  /** The plan for an observation, changed fields included. Changes nothing. */
  plan(observation: Observation, options: SettleOptions): Promise<readonly PlannedAction[]>;
  /**
   * Executes all that is due, waits for it and records it; returns when nothing is left to do, or with `goOn` only
   * when it is stopped. When `stop` aborts,
   * nothing more is started, what runs in this process is cancelled and recorded, and the call returns. When
   * `signal` aborts it throws at once.
   */
  settle(options: SettleOptions, stop: AbortSignal, signal: AbortSignal): Promise<SettleReport>;
  /** For the runner: something about this run changed. */
  changed(key: RunKey): void;
  /** For the runner: something about a runner set is worth telling. */
  setsChanged(): void;
  /** For whoever watches the source: a fetch may bring something new. */
  sourceChanged(): void;
  /** The jobs that wait to be looked at. */
  readonly queue: Pick<DirtyJobs, 'size' | 'oldestMs'>;
}

/** How often to look at runs that another process executes: they ring no bell here. */
const LOOK_MS = 500;
/**
 * A pass is followed by a rest of a millisecond for each run that is live, since each of them costs it something, but no longer
 * than this: what a thousand runs do meanwhile is looked at together. A source that may have changed ends it.
 */
const REST_MOST_MS = 100;
/** How often to look although nobody rings. */
const IDLE_MS = 60_000;
/** The shortest pause before something that is due by the clock. */
const LEAST_MS = 20;

/** For how long outcomes are still written after a stop, where runs outlive this process. */
const LAST_WRITES_MS = 10_000;
const UNREADABLE = 'the ledger can not be read any more, and nothing starts on what was read of it before';

export function createReconciler(parts: ReconcilerParts): Reconciler {
  const wake = createWake();
  const hurry = createWake();
  const touched = createDirtyJobs();
  let sourceTouched = false;

  let lastGood: Snapshot | undefined;
  let stale = false; // the source could not be read the last time
  const ledger = createLedgerReader(parts.ledger, (message) => parts.emit({ kind: 'trouble', message }));

  /** A source that can't be reached now leaves its last good revision in force. */
  const newest = async (signal: AbortSignal): Promise<Snapshot> => {
    try {
      lastGood = await parts.source.fetch(signal);
      stale = false;
    } catch (error) {
      if (lastGood === undefined || signal.aborted) throw error;
      stale = true;
      const message = `the source can't be read, going on with ${lastGood.revision}: ${messageOf(error)}`;
      parts.emit({ kind: 'trouble', message });
    }
    return lastGood;
  };

  const planning = createPlanning(parts);

  const observe = async (signal: AbortSignal): Promise<Observation> => {
    // The source, too, is read after the claims: a job of theirs that it lacks has been removed.
    const read = async () => {
      const [reading, snapshot] = await Promise.all([ledger.read(signal), newest(signal)]);
      return { ...reading, snapshot };
    };
    const found = await actual(parts, read, nobody, signal);
    const catalog = await parts.catalogs.build(found.snapshot, knownIn(found));
    return { ...found, catalog };
  };

  const settle = async (options: SettleOptions, stop: AbortSignal, signal: AbortSignal): Promise<SettleReport> => {
    const lastWrites = new AbortController();
    const writing = AbortSignal.any([signal, lastWrites.signal]);
    const executor = createExecutor(parts, wake, (job) => touch(job), options, writing);
    const agenda = createAgenda();
    const statements = createStatements({
      ...parts,
      note: (change) => executor.note(change),
      handles: (key) => executor.handles(key),
    });
    const runnerSets = createRunnerSets(parts.runner);
    const setStatuses = createSetStatuses();
    let waiting: ReadonlySet<string> = new Set(); // jobs with something left to do, for which nothing rings
    const handled = (key: RunKey): boolean => executor.handles(key);
    let seen: Observation | undefined;
    let firstPlan: readonly PlannedAction[] | undefined;
    let stopping: Promise<void> | undefined;
    let wakeAt: number | null = null;

    /** A job of which something has changed, with those that need it. */
    const touch = (job: string): void => {
      touched.add(job);
      for (const dependent of agenda.dependentsOf(job)) touched.add(dependent);
    };

    /** Desired and actual as they are now; the source and the whole ledger only where something may have come. */
    const look = async (): Promise<{ readonly now: Observation; readonly keys: ReadonlySet<string> | undefined }> => {
      // What is asked for may be for a job that has come since.
      if (!seen || sourceTouched || hasNewRequests(parts.ledger.latest(), seen.view)) {
        sourceTouched = false;
        touched.take(); // what is marked from here on may not be seen
        return { now: await observe(signal), keys: undefined };
      }
      const keys = new Set([...touched.take(), ...waiting, ...agenda.due(parts.now().getTime())]);
      const latest = parts.ledger.latest();
      const read = async (): Promise<LedgerReading> => (latest ? { view: latest, fresh: false } : ledger.read(signal));
      return { now: { ...seen, ...(await actual(parts, read, handled, signal)) }, keys };
    };

    const pass = async (): Promise<boolean> => {
      const { now, keys } = await look();
      const isWhole = keys === undefined;
      let current = now;
      let asked = await planning.askedIn(current, options);
      let actions = await planning.planFor(current, options, asked, keys);
      if (!current.fresh && actions.some(({ action }) => action === 'run')) {
        // Nothing starts on what was known some time ago.
        current = { ...current, ...(await actual(parts, () => ledger.read(signal), handled, signal)) };
        if (hasNewRequests(current.view, now.view)) {
          sourceTouched = true;
          return pass();
        }
        asked = await planning.askedIn(current, options);
        actions = await planning.planFor(current, options, asked, keys);
      }
      const held = current.fresh ? [] : actions.filter(({ action }) => action === 'run');
      seen = current;
      firstPlan ??= actions;
      const left = current.recorded.filter((key) => !executor.handles(key));
      if (left.length > 0) await parts.runner.release(left, signal);
      if (isWhole) parts.emit({ kind: 'planned', revision: current.snapshot.revision, actions });
      agenda.take(current, keys ?? current.catalog.jobs.keys(), parts.now());
      const window = runnerSets.keep(current.catalog, parts.now());
      if (parts.runner.pools) {
        const changed = setStatuses(parts.runner.pools(), current.view.runnerSets, current.catalog, parts.now());
        void executor.note({ facts: [], runnerSets: changed });
      }
      void executor.note(statusFacts(parts, current, actions, options));
      // Whoever goes on waits for the ledger; a command ends.
      if (held.length > 0 && options.goOn !== true) throw transientError('LedgerUnreadable', UNREADABLE);
      // Whoever claimed these may have read a newer source than this one: it is read again before they are ended.
      const doubtful = isWhole && !stale ? [] : actions.filter((action) => cancelsOthers(action, current.live));
      if (doubtful.length > 0 && !stale) sourceTouched = true;
      const possible = actions.filter((action) => !held.includes(action) && !doubtful.includes(action));
      const renew = async (): Promise<Observation> => {
        if (current.fresh) return current;
        current = { ...current, ...(await actual(parts, () => ledger.read(signal), handled, signal)) };
        return (seen = current);
      };
      const done = await executor.execute(
        { actions: possible, seen: current, options, asked, renew },
        stop.aborted,
        signal,
      );
      waiting = new Set([...done.again, ...held.map(({ job }) => job)]);
      const stated = statements.make(current, done.waits, options);
      const next = [done.wakeAt, agenda.next(), stated, window].filter((at) => at !== null);
      wakeAt = next.length > 0 ? Math.min(...next) : null;
      return done.busy || (!stop.aborted && waiting.size > 0);
    };

    /** Tells how long a pass took, its turn waited for, and what it has seen. */
    const counted = async (work: () => Promise<boolean>): Promise<boolean> => {
      const began = performance.now();
      const tell = (failed: boolean): void => {
        if (signal.aborted) return;
        parts.emit({ kind: 'passed', ms: performance.now() - began, failed, runs: countRuns(seen?.live ?? []) });
      };
      try {
        const result = await work();
        tell(false);
        return result;
      } catch (error) {
        tell(true);
        throw error;
      }
    };

    /** What is not written by the end is said where it is not written. */
    const flush = async (): Promise<void> => {
      try {
        await executor.flush(writing);
      } catch (error) {
        if (!lastWrites.signal.aborted) throw error;
      }
    };
    const onStop = (): void => {
      // A ledger that can't be written keeps nobody from ending: whoever comes next finds what is not recorded in the cluster.
      if (parts.runner.outlives) setTimeout(() => lastWrites.abort(), LAST_WRITES_MS).unref();
      stopping ??= parts.runner.close('CancelRequested').then(() => wake.ring());
      wake.ring();
    };
    stop.addEventListener('abort', onStop);
    if (stop.aborted) onStop();
    const left = new AbortController();
    const watching = watchLedger(parts, () => wake.ring(), AbortSignal.any([signal, left.signal]));
    try {
      for (let busy = true; busy || (options.goOn && !stop.aborted);) {
        busy = await counted(() => parts.inTurn(pass, signal));
        if (!busy && !options.goOn) break;
        await hurry.wait(Math.min(seen?.live.length ?? 0, REST_MOST_MS), signal);
        signal.throwIfAborted();
        if (!busy && touched.size === 0) await flush();
        const idle = !busy || (waiting.size === 0 && touched.size === 0);
        const pause = Math.min(idle ? IDLE_MS : LOOK_MS, wakeAt === null ? IDLE_MS : wakeAt - parts.now().getTime());
        await wake.wait(Math.max(LEAST_MS, pause), busy ? signal : AbortSignal.any([signal, stop]));
        signal.throwIfAborted();
      }
      await stopping;
    } finally {
      stop.removeEventListener('abort', onStop);
      left.abort();
      await watching;
    }
    await flush();
    await parts.runner.flush?.();
    if (!seen) throw new TypeError('a pass ended without having looked at anything');
    return { plan: firstPlan ?? [], observation: seen, ...executor.report() };
  };

  return {
    observe,
    plan: async (seen, options) => planning.planFor(seen, options, await planning.askedIn(seen, options)),
    settle,
    changed({ job }) {
      touched.add(job);
      wake.ring();
    },
    setsChanged: () => wake.ring(),
    sourceChanged() {
      sourceTouched = true;
      hurry.ring();
      wake.ring();
    },
    queue: touched,
  };
}

/** How many of these runs have begun, and how many wait. */
function countRuns(live: readonly LiveRun[]): { readonly active: number; readonly queued: number } {
  const queued = live.filter(({ attempts, parked }) => attempts.length === 0 && !parked).length;
  return { active: live.length - queued, queued };
}

/** Whether an action ends the run of another process. */
const cancelsOthers = ({ action, job, run }: PlannedAction, live: readonly LiveRun[]): boolean =>
  action === 'cancel' && live.some(({ mine, record }) => !mine && record.job === job && record.run === run);
