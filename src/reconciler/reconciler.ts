import { type CodedError, messageOf, transientError } from '../errors.ts';
import type { Catalog } from '../job/model.ts';
import type { JobFacts, LedgerView } from '../ledger/port.ts';
import type { LiveRun, RunKey } from '../runner/port.ts';
import type { Outcome, PlannedAction } from '../schemas/index.ts';
import type { Snapshot } from '../sources/port.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { createExecutor } from './executor.ts';
import { manifestFacts, unattributed } from './facts.ts';
import { createLedgerReader, type LedgerReading } from './ledger-reader.ts';
import { knownJobs, plan, type PlanInput } from './plan.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';
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
const UNREADABLE = 'the ledger can not be read any more, and nothing starts on what was read of it before';

export function createReconciler(parts: ReconcilerParts): Reconciler {
  const wake = createWake();
  const touched = new Set<string>();
  let sourceTouched = false;

  let lastGood: Snapshot | undefined;
  const ledger = createLedgerReader(parts.ledger, (message) => parts.emit({ kind: 'trouble', message }));

  /** A source that can't be reached now leaves its last good revision in force. */
  const newest = async (signal: AbortSignal): Promise<Snapshot> => {
    try {
      lastGood = await parts.source.fetch(signal);
    } catch (error) {
      if (lastGood === undefined || signal.aborted) throw error;
      const message = `the source can't be read, going on with ${lastGood.revision}: ${messageOf(error)}`;
      parts.emit({ kind: 'trouble', message });
    }
    return lastGood;
  };

  const observe = async (signal: AbortSignal): Promise<Observation> => {
    const snapshot = await newest(signal);
    const found = await actual(parts, () => ledger.read(signal), nobody, signal);
    const catalog = await parts.catalogs.build(snapshot, { knownFiles: knownFiles(found.view) });
    return { snapshot, catalog, ...found };
  };

  const planFor = async (seen: Observation, options: SettleOptions, keys?: Iterable<string>) => {
    const wanted = keys ?? options.jobs ?? knownJobs(seen);
    const base: PlanInput = {
      ...seen,
      requests: options.requests,
      triggers: options.triggers,
      changes: new Map(),
      refuses: (job) => parts.runner.refuses(job.manifest.spec),
    };
    const first = plan(base, wanted);
    const changed = first.filter((action) => action.reason === 'Changed').map((action) => action.job);
    if (changed.length === 0 || changed.length > MOST_EXPLAINED) return first;
    const changes = await changesOf(parts, seen, changed);
    return plan({ ...base, changes }, wanted);
  };

  const settle = async (options: SettleOptions, stop: AbortSignal, signal: AbortSignal): Promise<SettleReport> => {
    const executor = createExecutor(parts, wake, (job) => touched.add(job));
    const waiting = new Set<string>(); // jobs with something left to do
    const handled = (key: RunKey): boolean => executor.handles(key);
    let seen: Observation | undefined;
    let firstPlan: readonly PlannedAction[] | undefined;
    let stopping: Promise<void> | undefined;

    /** Desired and actual as they are now; the source and the whole ledger only where something may have come. */
    const look = async (): Promise<{ readonly now: Observation; readonly keys: ReadonlySet<string> | undefined }> => {
      if (!seen || sourceTouched) {
        sourceTouched = false;
        return { now: await observe(signal), keys: undefined };
      }
      const keys = new Set([...touched, ...waiting]);
      touched.clear();
      const latest = parts.ledger.latest();
      const read = async (): Promise<LedgerReading> => (latest ? { view: latest, fresh: false } : ledger.read(signal));
      return { now: { ...seen, ...(await actual(parts, read, handled, signal)) }, keys };
    };

    const pass = async (): Promise<boolean> => {
      const { now, keys } = await look();
      const isWhole = keys === undefined;
      let current = now;
      let actions = await planFor(current, options, keys);
      if (!current.fresh && actions.some(({ action }) => action === 'run')) {
        // Nothing starts on what was known some time ago.
        current = { ...current, ...(await actual(parts, () => ledger.read(signal), handled, signal)) };
        actions = await planFor(current, options, keys);
      }
      const held = current.fresh ? [] : actions.filter(({ action }) => action === 'run');
      seen = current;
      firstPlan ??= actions;
      const left = current.recorded.filter((key) => !executor.handles(key));
      if (left.length > 0) await parts.runner.release(left, signal);
      if (isWhole) parts.emit({ kind: 'planned', revision: current.snapshot.revision, actions });
      executor.note(statusFacts(parts, current, actions, options));
      for (const action of actions) waiting.delete(action.job);
      // Whoever goes on waits for the ledger; a command ends.
      if (held.length > 0 && options.goOn !== true) throw transientError('LedgerUnreadable', UNREADABLE);
      for (const { job } of held) waiting.add(job);
      const possible = actions.filter((action) => !held.includes(action));
      const wanted = stop.aborted ? actions.filter(({ action }) => action === 'record') : possible;
      for (const job of await executor.execute(wanted, current, options, parts.mostLive, signal)) waiting.add(job);
      const ours = current.live.filter(({ record }) => options.jobs?.has(record.job) ?? true);
      for (const run of ours) if (!run.mine) waiting.add(run.record.job);
      // Runs that an earlier process started ring when they change, as those started here do. One that could not be started
      // rings nothing.
      const adopted = ours.some((run) => run.mine && (run.phase === 'running' || run.phase === 'queued'));
      return executor.busy(stop.aborted) || (!stop.aborted && (adopted || waiting.size > 0));
    };

    const onStop = (): void => {
      stopping ??= parts.runner.close('CancelRequested').then(() => wake.ring());
      wake.ring();
    };
    stop.addEventListener('abort', onStop);
    if (stop.aborted) onStop();
    try {
      for (let busy = true; busy || (options.goOn && !stop.aborted);) {
        const began = performance.now();
        busy = await parts.inTurn(pass, signal);
        if (!busy && !options.goOn) break;
        await sleep(Math.min(performance.now() - began, REST_MS), undefined, { signal });
        if (!busy && touched.size === 0) await executor.flush(signal);
        const idle = !busy || (waiting.size === 0 && touched.size === 0);
        await wake.wait(idle ? IDLE_MS : LOOK_MS, busy ? signal : AbortSignal.any([signal, stop]));
        signal.throwIfAborted();
      }
      await stopping;
    } finally {
      stop.removeEventListener('abort', onStop);
    }
    await executor.flush(signal);
    await parts.runner.flush?.();
    if (!seen) throw new TypeError('a pass ended without having looked at anything');
    return { plan: firstPlan ?? [], observation: seen, ...executor.report() };
  };

  return {
    observe,
    plan: planFor,
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

/** Whether the ledger has the outcome of a run that is still claimed: whoever recorded it was cut off before it let go of it. */
async function isRecorded({ phase, mine, record }: LiveRun, view: LedgerView): Promise<boolean> {
  if (!mine || phase === 'running' || phase === 'queued') return false;
  if ((view.statuses.get(record.job)?.nextRun ?? 1) <= record.run) return false;
  const outcome = await view.outcome(record.job, record.run);
  return (
    outcome !== undefined &&
    outcome.source.digest === record.digest &&
    isDeepStrictEqual(outcome.trigger, record.trigger)
  );
}

function knownFiles(view: LedgerView): ReadonlySet<string> {
  const paths = new Set<string>();
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
  { view, catalog }: Observation,
  actions: readonly PlannedAction[],
  { triggers }: SettleOptions,
): { readonly facts: readonly JobFacts[]; readonly invalid?: Catalog['problems'] } {
  // A command that runs one job has not looked at the others, and says nothing of them.
  if (!triggers) return { facts: [] };
  const at = parts.now().toISOString();
  const facts = actions.flatMap(
    (action) => manifestFacts(action, view.statuses.get(action.job), catalog.revision, at) ?? [],
  );
  const invalid = unattributed(catalog, view.invalid);
  return invalid === undefined ? { facts } : { facts, invalid };
}
