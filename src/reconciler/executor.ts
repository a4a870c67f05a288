import { setTimeout as sleep } from 'node:timers/promises';
import { eachOf } from '../each-of.ts';
import { asCoded, type CodedError, isCoded, terminalError, transientError } from '../errors.ts';
import type { JobFacts, LedgerChange } from '../ledger/port.ts';
import type { LiveRun, RunKey } from '../runner/port.ts';
import type { Outcome, PlannedAction } from '../schemas/index.ts';
import { createBatch } from './batch.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';
import { runRecord } from './record.ts';
import { createRests } from './rests.ts';
import type { Wake } from './wake.ts';

export interface Executor {
  /**
   * Does what the actions say, without waiting for what takes long. Returns the jobs that have to be planned again although
   * nothing will ring for them: those beyond the capacity, and those whose number another process has taken.
   */
  execute(
    actions: readonly PlannedAction[],
    seen: Observation,
    options: SettleOptions,
    mostLive: number,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** Whether the run's outcome is being recorded here, or was and is about to be let go of. */
  handles(key: RunKey): boolean;
  /** Writes facts that no run brings. */
  note(change: LedgerChange): void;
  /** Whether something that was begun here is still to be recorded; once `stopping`, only what this process has to see through. */
  busy(stopping: boolean): boolean;
  /** Waits for what `note` began, and lets the ledger write what it writes at the end. */
  flush(signal: AbortSignal): Promise<void>;
  report(): { readonly outcomes: readonly Outcome[]; readonly failures: readonly CodedError[] };
}

/** The longest pause between two tries to write the ledger. */
const RETRY_MOST_MS = 15_000;
const RETRY_STEP_MS = 1_000;
/** Runs that are recorded within this time are let go of together. */
const RELEASE_AFTER_MS = 100;
/** How many runs are started at the same time. */
const STARTS_AT_ONCE = 16;

const nameOf = ({ job, run }: RunKey): string => `${job}/${run}`;

export function createExecutor(parts: ReconcilerParts, wake: Wake, touch: (job: string) => void): Executor {
  const open = new Set<string>(); // started or found here, and not recorded yet
  const recording = new Set<string>();
  const unrecorded = new Set<string>(); // could not be recorded: left for a later pass
  // Jobs whose start failed: tried again after a while, as long as this goes on.
  const rests = createRests((job) => {
    touch(job);
    wake.ring();
  });
  const outcomes: Outcome[] = [];
  const failures: CodedError[] = [];
  const notStarted = new Map<string, CodedError>(); // by job; what starts later has not failed
  let notes: Promise<unknown> = Promise.resolve();
  const releases = createBatch<RunKey>(RELEASE_AFTER_MS, (keys) =>
    parts.runner.release(keys, new AbortController().signal),
  );

  const say = (error: CodedError): void =>
    parts.emit({ kind: 'trouble', message: error.hint ? `${error.message}; ${error.hint}` : error.message });

  const fail = (error: CodedError): void => {
    failures.push(error);
    say(error);
  };

  const settled = (key: RunKey): void => {
    open.delete(nameOf(key));
    recording.delete(nameOf(key));
    touch(key.job);
    wake.ring();
  };

  const record = async (run: LiveRun, seen: Observation, signal: AbortSignal): Promise<void> => {
    const facts = finishedFacts(parts, run, seen);
    const { outcome } = facts.finished;
    outcomes.push(outcome);
    parts.emit({ kind: 'finished', outcome });
    try {
      const park = async (): Promise<void> => parts.runner.park?.(run.record, facts.finished, signal);
      await parts.reached?.('beforeRecord');
      const commit = await writeWithin(parts, { facts: [facts] }, signal, park);
      await parts.reached?.('afterRecord');
      await releases.add(run.record);
      parts.emit({ kind: 'recorded', key: { job: outcome.job, run: outcome.run }, commit });
    } catch (error) {
      if (isCoded(error, 'RunAlreadyRecorded')) await releases.add(run.record);
      else unrecorded.add(nameOf(run.record));
      fail(
        asCoded(error, (message) => terminalError('NotRecorded', `${run.record.job} #${run.record.run}: ${message}`)),
      );
    } finally {
      settled(run.record);
    }
  };

  const start = async (action: PlannedAction, seen: Observation, options: SettleOptions, signal: AbortSignal) => {
    const job = seen.catalog.jobs.get(action.job);
    if (!job) return false;
    const id = action.trigger?.kind === 'request' ? action.trigger.id : undefined;
    const request = options.requests.find((candidate) => candidate.id === id);
    const covered = await parts.covered(job, seen.snapshot);
    const params = parts.params(job, request?.params ?? {});
    const files = await parts.files(job, seen.snapshot);
    const now = parts.now().toISOString();
    const planned = runRecord(action, job, seen.catalog.revision, covered, request, params, now);
    open.add(nameOf(planned));
    const isRecorded = async (): Promise<boolean> => {
      const view = await parts.ledger.read(signal);
      return (await view.outcome(planned.job, planned.run)) !== undefined;
    };
    const result = await parts.runner.start(planned, files, signal, isRecorded);
    if (result === 'exists') open.delete(nameOf(planned));
    else parts.emit({ kind: 'started', action });
    return result === 'started';
  };

  /** False when the job has to be planned again, since its number was taken. */
  const tryStart = async (...args: Parameters<typeof start>): Promise<boolean> => {
    const [{ job, run }, { catalog }] = args;
    try {
      const isOurs = await start(...args);
      rests.remove(job);
      notStarted.delete(job);
      return isOurs;
    } catch (error) {
      const { code, message, hint, retryAfterMs } = asCoded(error, (text) => transientError('StartFailed', text));
      open.delete(nameOf({ job, run: run ?? 0 }));
      rests.add(job, catalog.revision, retryAfterMs);
      const details = hint === undefined ? {} : { hint };
      const told = terminalError(code, `${job} #${run} was not started: ${message}`, details);
      notStarted.set(job, told);
      say(told);
      return true;
    }
  };

  const recordAction = (action: PlannedAction, seen: Observation, signal: AbortSignal): void => {
    const run = seen.live.find(({ record: { job, run: number } }) => job === action.job && number === action.run);
    const name = run && nameOf(run.record);
    if (!run || !name || recording.has(name) || unrecorded.has(name)) return;
    open.add(name);
    recording.add(name);
    void record(run, seen, signal);
  };

  const cancel = async ({ job, run }: PlannedAction): Promise<void> => {
    if (run === undefined) return;
    await parts.runner.cancel({ job, run }, 'JobRemoved');
    open.add(nameOf({ job, run }));
  };

  return {
    async execute(actions, seen, options, mostLive, signal) {
      const left: string[] = [];
      const starts: PlannedAction[] = [];
      for (const action of actions) {
        if (action.action === 'record') recordAction(action, seen, signal);
        else if (action.action === 'cancel') await cancel(action);
        else if (action.action === 'run' && !rests.has(action.job, seen.catalog.revision)) starts.push(action);
      }
      const room = Math.max(0, mostLive - open.size);
      left.push(...starts.slice(room).map(({ job }) => job));
      await eachOf(starts.slice(0, room), STARTS_AT_ONCE, async (action) => {
        if (!(await tryStart(action, seen, options, signal))) left.push(action.job);
      });
      return left;
    },
    note(change) {
      if (change.facts.length === 0 && change.invalid === undefined) return;
      notes = writeWithin(parts, change, new AbortController().signal).catch((error: unknown) =>
        fail(asCoded(error, (message) => terminalError('NotRecorded', `statuses: ${message}`))),
      );
    },
    handles: (key) => recording.has(nameOf(key)),
    busy: (stopping) => (stopping && parts.runner.outlives ? recording : open).size > 0,
    async flush(signal) {
      await notes;
      await parts.ledger.flush(signal);
    },
    report: () => ({ outcomes, failures: [...failures, ...notStarted.values()] }),
  };
}

function finishedFacts(
  parts: ReconcilerParts,
  run: LiveRun,
  { catalog }: Observation,
): JobFacts & Required<Pick<JobFacts, 'finished'>> {
  const at = parts.now().toISOString();
  const { job, trigger, digest, covered } = run.record;
  const desired = catalog.jobs.get(job);
  const state = desired?.manifest.spec.suspend === true ? 'suspended' : 'valid';
  return {
    job,
    at,
    finished: run.parked ?? parts.finish(run, at),
    ...(trigger.kind === 'commit' ? { commit: { digest, spec: covered } } : {}),
    ...(desired ? { manifest: { state, path: desired.path, revision: catalog.revision } } : {}),
  };
}

/**
 * Writes, and tries again what may work later, with a wait that grows by a second each time, for as long as `recordForMs`
 * says. `late` is called once, when it has been tried for `holdPodsForMs`.
 */
async function writeWithin(
  parts: ReconcilerParts,
  change: LedgerChange,
  signal: AbortSignal,
  late: () => Promise<void> = async () => undefined,
): Promise<string | null> {
  const began = performance.now();
  let isLate = false;
  for (let tries = 1; ; tries += 1) {
    try {
      return await parts.ledger.write(change, signal);
    } catch (error) {
      const tried = performance.now() - began;
      const again = isCoded(error) && error.errorClass === 'transient' && tried < parts.recordForMs;
      if (!again || signal.aborted) throw error;
      parts.emit({ kind: 'trouble', message: `the ledger can't be written, trying again: ${error.message}` });
      if (!isLate && tried >= parts.holdPodsForMs) {
        isLate = true;
        await late();
      }
      const pause = Math.min(RETRY_MOST_MS, tries * RETRY_STEP_MS, Math.max(RETRY_STEP_MS, parts.holdPodsForMs));
      await sleep(Math.max(error.retryAfterMs ?? 0, pause), undefined, { signal });
    }
  }
}
