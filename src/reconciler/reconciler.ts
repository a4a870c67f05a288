import { type CodedError, messageOf, transientError } from '../errors.ts';
import type { Catalog } from '../job/model.ts';
import type { FoundRequest, JobFacts, LedgerView } from '../ledger/port.ts';
import type { LiveRun, RunKey } from '../runner/port.ts';
import type { Outcome, PlannedAction } from '../schemas/index.ts';
import type { Snapshot } from '../sources/port.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { createExecutor } from './executor.ts';
import { createAgenda } from './agenda.ts';
import { manifestFacts, triggerFacts, unattributed } from './facts.ts';
import { createLedgerReader, type LedgerReading } from './ledger-reader.ts';
import { watchLedger } from './ledger-watch.ts';
import { knownJobs, plan, type PlanInput } from './plan.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';
import { judgeRequests, namedRuns, type Requested } from './requests.ts';
import { createWake } from './wake.ts';

export interface SettleReport {
  /** What was planned first, before anything was executed. */
  readonly plan: readonly PlannedAction[];
  readonly observation: Observation;
  /** The outcomes that this call recorded, in the order they ended. */
  readonly outcomes: readonly Outcome[];
  /** Runs that could not be started or recorded, with why. */
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
  /** For whoever watches the source: a fetch may bring something new. */
  sourceChanged(): void;
}

/** With more changed jobs than this, a plan does not look up which fields changed: it would read a file a job. */
const MOST_EXPLAINED = 200;
/** How often to look at runs that another process executes: they ring no bell here. */
const LOOK_MS = 500;
/**
 * A pass is followed by a rest as long as it took, but no longer than this: with a thousand runs, those that change
 * meanwhile are looked at together.
 */
const REST_MS = 100;
/** How often to look although nobody rings. */
const IDLE_MS = 60_000;
/** The shortest pause before something that is due by the clock. */
const LEAST_MS = 20;
const UNREADABLE = 'the ledger can not be read any more, and nothing starts on what was read of it before';

export function createReconciler(parts: ReconcilerParts): Reconciler {
  const wake = createWake();
  const touched = new Set<string>();
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

  const observe = async (signal: AbortSignal): Promise<Observation> => {
    const found = await actual(parts, () => ledger.read(signal), nobody, signal);
    const snapshot = await newest(signal); // after the claims: a job of theirs that it lacks has been removed
    const catalog = await parts.catalogs.build(snapshot, { knownFiles: knownFiles(found) });
    return { snapshot, catalog, ...found };
  };

  /** What is asked for: on the command line, and on the ledger. A command that runs one job hears only of its cancellation. */
  const askedIn = async (seen: Observation, { triggers, requests: own, jobs }: SettleOptions): Promise<Requested> => {
    const mine = ({ request }: FoundRequest): boolean =>
      request?.action === 'cancel' && jobs?.has(request.job) === true;
    const requests = triggers
      ? seen.view.requests
      : new Map([...seen.view.requests].filter(([, found]) => mine(found)));
    const { reruns, cancels, answers } = judgeRequests({
      ...seen,
      requests,
      named: await namedRuns(requests, seen),
      refuses: (job) => parts.runner.refuses(job.manifest.spec),
      params: parts.params,
    });
    return { reruns: [...own, ...reruns], cancels, answers };
  };

  const planFor = async (seen: Observation, options: SettleOptions, asked: Requested, keys?: Iterable<string>) => {
    const wanted = keys ?? options.jobs ?? knownJobs(seen);
    const base: PlanInput = {
      ...seen,
      requests: asked.reruns,
      cancels: asked.cancels,
      triggers: options.triggers,
      changes: new Map(),
      refuses: (job) => parts.runner.refuses(job.manifest.spec),
      now: parts.now(),
    };
    const first = plan(base, wanted);
    const changed = first.filter((action) => action.reason === 'Changed').map((action) => action.job);
    if (changed.length === 0 || changed.length > MOST_EXPLAINED) return first;
    const changes = await changesOf(parts, seen, changed);
    return plan({ ...base, changes }, wanted);
  };

  const settle = async (options: SettleOptions, stop: AbortSignal, signal: AbortSignal): Promise<SettleReport> => {
    const executor = createExecutor(parts, wake, (job) => touch(job));
    const agenda = createAgenda();
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
        return { now: await observe(signal), keys: undefined };
      }
      const keys = new Set([...touched, ...waiting, ...agenda.due(parts.now().getTime())]);
      touched.clear();
      const latest = parts.ledger.latest();
      const read = async (): Promise<LedgerReading> => (latest ? { view: latest, fresh: false } : ledger.read(signal));
      return { now: { ...seen, ...(await actual(parts, read, handled, signal)) }, keys };
    };

    const pass = async (): Promise<boolean> => {
      const { now, keys } = await look();
      const isWhole = keys === undefined;
      let current = now;
      let asked = await askedIn(current, options);
      let actions = await planFor(current, options, asked, keys);
      if (!current.fresh && actions.some(({ action }) => action === 'run')) {
        // Nothing starts on what was known some time ago.
        current = { ...current, ...(await actual(parts, () => ledger.read(signal), handled, signal)) };
        if (hasNewRequests(current.view, now.view)) {
          sourceTouched = true;
          return pass();
        }
        asked = await askedIn(current, options);
        actions = await planFor(current, options, asked, keys);
      }
      const held = current.fresh ? [] : actions.filter(({ action }) => action === 'run');
      seen = current;
      firstPlan ??= actions;
      const left = current.recorded.filter((key) => !executor.handles(key));
      if (left.length > 0) await parts.runner.release(left, signal);
      if (isWhole) parts.emit({ kind: 'planned', revision: current.snapshot.revision, actions });
      agenda.take(current, keys ?? current.catalog.jobs.keys(), parts.now());
      executor.note(statusFacts(parts, current, actions, options));
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
      const next = [done.wakeAt, agenda.next()].filter((at) => at !== null);
      wakeAt = next.length > 0 ? Math.min(...next) : null;
      return done.busy || (!stop.aborted && waiting.size > 0);
    };

    const onStop = (): void => {
      stopping ??= parts.runner.close('CancelRequested').then(() => wake.ring());
      wake.ring();
    };
    stop.addEventListener('abort', onStop);
    if (stop.aborted) onStop();
    const left = new AbortController();
    const watching = watchLedger(parts, () => wake.ring(), AbortSignal.any([signal, left.signal]));
    try {
      for (let busy = true; busy || (options.goOn && !stop.aborted);) {
        const began = performance.now();
        busy = await parts.inTurn(pass, signal);
        if (!busy && !options.goOn) break;
        await sleep(Math.min(performance.now() - began, REST_MS), undefined, { signal });
        if (!busy && touched.size === 0) await executor.flush(signal);
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
    await executor.flush(signal);
    await parts.runner.flush?.();
    if (!seen) throw new TypeError('a pass ended without having looked at anything');
    return { plan: firstPlan ?? [], observation: seen, ...executor.report() };
  };

  return {
    observe,
    plan: async (seen, options) => planFor(seen, options, await askedIn(seen, options)),
    settle,
    changed({ job }) {
      touched.add(job);
      wake.ring();
    },
    sourceChanged() {
      sourceTouched = true;
      wake.ring();
    },
  };
}

/** The runs that an observation without an executor handles. */
const nobody = (): boolean => false;

/**
 * What is claimed is read before what is recorded: a run that is recorded and then released in between is seen in the
 * ledger; the other way round it would be seen nowhere, and run again.
 */
async function actual(
  parts: ReconcilerParts,
  read: () => Promise<LedgerReading>,
  handled: (key: RunKey) => boolean,
  signal: AbortSignal,
): Promise<Pick<Observation, 'live' | 'view' | 'fresh' | 'recorded'>> {
  const claimed = await parts.runner.list(signal);
  await parts.reached?.('betweenReads');
  const { view, fresh } = await read();
  await parts.reached?.('afterReads');
  const live: LiveRun[] = [];
  const recorded: RunKey[] = [];
  for (const run of claimed) {
    // What is being recorded here is not looked up: with a thousand runs ending, every pass would read all their outcomes.
    if (!handled(run.record) && (await isRecorded(run, view))) recorded.push(run.record);
    else live.push(run);
  }
  return { live, view, fresh, recorded };
}

/** Whether a ledger holds requests that an earlier state of it did not. */
const hasNewRequests = (now: LedgerView | null, before: LedgerView): boolean =>
  now !== null &&
  now.requests !== before.requests &&
  [...now.requests].some(([path, { version }]) => before.requests.get(path)?.version !== version);

/** Whether the ledger has the outcome of a run that is still claimed: whoever recorded it was cut off before it let go of it. */
async function isRecorded({ mine, record }: LiveRun, view: LedgerView): Promise<boolean> {
  const status = view.statuses.get(record.job);
  if (!mine || (status?.nextRun ?? 1) <= record.run) return false;
  const [newest] = status?.lastRuns ?? [];
  if ((newest?.run ?? 0) < record.run) return false; // its number is known, and not how it ended
  const outcome = await view.outcome(record.job, record.run);
  return (
    outcome !== undefined &&
    outcome.source.digest === record.digest &&
    isDeepStrictEqual(outcome.trigger, record.trigger)
  );
}

/** Whether an action ends the run of another process. */
const cancelsOthers = ({ action, job, run }: PlannedAction, live: readonly LiveRun[]): boolean =>
  action === 'cancel' && live.some(({ mine, record }) => !mine && record.job === job && record.run === run);

function knownFiles({ view, live }: Pick<Observation, 'view' | 'live'>): ReadonlySet<string> {
  const paths = new Set(live.map(({ record }) => record.path));
  for (const { source } of view.statuses.values()) if (source?.path !== undefined) paths.add(source.path);
  return paths;
}

async function changesOf(
  parts: ReconcilerParts,
  { view, catalog, snapshot }: Observation,
  jobs: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const changes = new Map<string, readonly string[]>();
  for (const name of jobs) {
    const job = catalog.jobs.get(name);
    const before = await view.spec(name);
    if (job && before) changes.set(name, parts.changedFields(before, await parts.covered(job, snapshot)));
  }
  return changes;
}

/** What the manifests of a revision mean for statuses, where the ledger does not say so yet. */
function statusFacts(
  parts: ReconcilerParts,
  { snapshot, view, catalog }: Observation,
  actions: readonly PlannedAction[],
  { triggers }: SettleOptions,
): { readonly facts: readonly JobFacts[]; readonly invalid?: Catalog['problems'] } {
  // A command that runs one job has not looked at the others, and says nothing of them.
  if (!triggers) return { facts: [] };
  const at = parts.now().toISOString();
  const jobs = new Map(actions.map((action) => [action.job, action]));
  const facts = [...jobs.values()].flatMap((action) => {
    const status = view.statuses.get(action.job);
    const desired = catalog.jobs.get(action.job);
    const timed = desired && triggerFacts(desired, action, status, snapshot, parts.now());
    return timed ?? manifestFacts(action, status, catalog.revision, at) ?? [];
  });
  const invalid = unattributed(catalog, view.invalid);
  return invalid === undefined ? { facts } : { facts, invalid };
}
