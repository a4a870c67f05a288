import { asCoded, type CodedError, isCoded, terminalError, transientError } from '../errors.ts';
import type { LedgerChange } from '../ledger/port.ts';
import type { LiveRun, RunKey, RunRecord } from '../runner/port.ts';
import type { Outcome, PlannedAction } from '../schemas/index.ts';
import { createBatch } from './batch.ts';
import { conditionEnd, withGroup } from './condition.ts';
import { needsOf, upstreamFirst } from './chain.ts';
import { dispatch, endUnbegun, type RunEnd, runId, type RunStart, supersededBy } from './dispatch.ts';
import { finishedFacts } from './facts.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';
import { chainOf, runRecord, upstreamOf } from './record.ts';
import type { Wake } from './wake.ts';
import { writeWithin } from './write.ts';

export interface Executor {
  /** Claims, starts, cancels and records what the actions and the queue say, without waiting for what takes long. */
  execute(
    actions: readonly PlannedAction[],
    seen: Observation,
    options: SettleOptions,
    stopping: boolean,
    signal: AbortSignal,
  ): Promise<Execution>;
  /** Whether the run's outcome is being recorded here, or was and is about to be let go of. */
  handles(key: RunKey): boolean;
  /** Writes facts that no run brings. */
  note(change: LedgerChange): void;
  /** Waits for what `note` began, and lets the ledger write what it writes at the end. */
  flush(signal: AbortSignal): Promise<void>;
  report(): { readonly outcomes: readonly Outcome[]; readonly failures: readonly CodedError[] };
}

/** What is left after a pass. */
export interface Execution {
  /** Whether something is under way that this process has to see through before it may end. */
  readonly busy: boolean;
  /** Jobs that have to be planned again although nothing will ring for them. */
  readonly again: readonly string[];
  /** When to look again if nothing rings before: milliseconds since 1970. */
  readonly wakeAt: number | null;
  /** What each run that waits waits for, by `job/run`. */
  readonly waits: ReadonlyMap<string, string>;
}

/** Runs that are recorded within this time are let go of together. */
const RELEASE_AFTER_MS = 100;
/** How many runs are claimed or started at the same time. */
const STARTS_AT_ONCE = 16;

export function createExecutor(parts: ReconcilerParts, wake: Wake, touch: (job: string) => void): Executor {
  const recording = new Set<string>();
  const unrecorded = new Set<string>(); // could not be recorded: left for a later pass
  const unstartable = new Set<string>(); // jobs whose start failed: not tried again here
  const outcomes: Outcome[] = [];
  const failures: CodedError[] = [];
  let notes: Promise<unknown> = Promise.resolve();
  const releases = createBatch<RunKey>(RELEASE_AFTER_MS, (keys) =>
    parts.runner.release(keys, new AbortController().signal),
  );

  const fail = (error: CodedError): void => {
    failures.push(error);
    parts.emit({ kind: 'trouble', message: error.hint ? `${error.message}; ${error.hint}` : error.message });
  };

  const record = async (end: RunEnd, seen: Observation, signal: AbortSignal): Promise<void> => {
    const { record: key } = end.run;
    const facts = finishedFacts(parts, end, seen);
    const { outcome } = facts.finished;
    outcomes.push(outcome);
    parts.emit({ kind: 'finished', outcome });
    try {
      const park = async (): Promise<void> => parts.runner.park?.(key, facts.finished, signal);
      await parts.reached?.('beforeRecord');
      const commit = await writeWithin(parts, { facts: [facts] }, signal, park);
      await parts.reached?.('afterRecord');
      await releases.add(key);
      parts.emit({ kind: 'recorded', key: { job: outcome.job, run: outcome.run }, commit });
    } catch (error) {
      if (isCoded(error, 'RunAlreadyRecorded')) await releases.add(key);
      else unrecorded.add(runId(key));
      fail(asCoded(error, (message) => terminalError('NotRecorded', `${key.job} #${key.run}: ${message}`)));
    } finally {
      recording.delete(runId(key));
      touch(key.job);
      wake.ring();
    }
  };

  const startRecording = (end: RunEnd, seen: Observation, signal: AbortSignal): void => {
    const id = runId(end.run.record);
    if (recording.has(id) || unrecorded.has(id)) return;
    recording.add(id);
    void record(end, seen, signal);
  };

  /** False: what keeps it from being done may go away. */
  const tryIt = async ({ job, run }: RunKey, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      const { code, message, hint } = asCoded(error, (text) => transientError('StartFailed', text));
      unstartable.add(job);
      fail(terminalError(code, `${job} #${run} was not started: ${message}`, hint === undefined ? {} : { hint }));
      return false;
    }
  };

  /** The runs of these actions, as far as they could be claimed; `again`: jobs whose number was taken. */
  const claim = async (
    actions: readonly PlannedAction[],
    seen: Observation,
    options: SettleOptions,
    signal: AbortSignal,
  ): Promise<{ readonly claimed: readonly LiveRun[]; readonly again: readonly string[] }> => {
    const claimed: LiveRun[] = [];
    const again: string[] = [];
    // Runs of one job are claimed in the order of their numbers: who is cut off leaves only later ones.
    await eachOf([...Map.groupBy(actions, ({ job }) => job).values()], STARTS_AT_ONCE, async (ofJob) => {
      for (const action of ofJob) {
        const job = seen.catalog.jobs.get(action.job);
        if (!job) return;
        let result: 'claimed' | 'exists' | undefined;
        const done = await tryIt({ job: job.name, run: action.run ?? 0 }, async () => {
          const planned = await composeRecord(parts, action, seen, options);
          result = await parts.runner.claim(planned, signal);
          if (result === 'claimed') claimed.push({ record: planned, mine: true, attempts: [], held: false });
        });
        if (result === 'exists') again.push(job.name);
        if (!done || result === 'exists') return;
        parts.emit({ kind: 'claimed', action });
      }
    });
    return { claimed, again };
  };

  const start = async (begin: RunStart, seen: Observation, signal: AbortSignal): Promise<RunEnd | undefined> => {
    const { run, attempts, upstream } = begin;
    const record = run.held ? run.record : { ...run.record, ...(await upstreamOf(seen.view, upstream)) };
    const end = run.held ? null : conditionEnd(record);
    if (end) return endUnbegun(run, end);
    const job = seen.catalog.jobs.get(record.job);
    const files = run.held || !job ? [] : await parts.files(job, seen.snapshot);
    await parts.runner.start(record, files, attempts, signal);
    const first = run.attempts.length === 0;
    if (attempts.length > 0)
      parts.emit({ kind: 'started', key: { job: record.job, run: record.run }, attempts, first });
    return undefined;
  };

  const superseded = (actions: readonly PlannedAction[], { live }: Observation): readonly RunEnd[] =>
    actions.flatMap((action) => {
      if (action.action !== 'record' || action.reason !== 'Superseded') return [];
      const run = live.find(({ record }) => record.job === action.job && record.run === action.run);
      return run ? [endUnbegun(run, supersededBy('the job has changed before it was started'))] : [];
    });

  return {
    async execute(actions, seen, options, stopping, signal) {
      const again: string[] = [];
      for (const { action, job, run } of actions)
        if (action === 'cancel' && run !== undefined) await parts.runner.cancel({ job, run }, 'JobRemoved');
      const wanted = actions.filter(({ action }) => action === 'run');
      const due = stopping ? [] : inOrder(wanted, seen).filter(({ job }) => !unstartable.has(job));
      const ours = seen.live.filter(({ record }) => options.jobs?.has(record.job) ?? true);
      const room = Math.max(0, parts.mostLive - ours.length);
      again.push(...due.slice(room).map(({ job }) => job));
      const { claimed, again: taken } = await claim(due.slice(0, room), seen, options, signal);
      again.push(...taken);
      const fresh = new Set(claimed.map(({ record }) => runId(record)));
      const unclaimed = new Set(wanted.flatMap(({ job, run = 0 }) => (fresh.has(runId({ job, run })) ? [] : [job])));
      const known = ours.filter((run) => !fresh.has(runId(run.record)) && isDecidable(run, seen));
      const others = seen.live.filter(({ mine }) => !mine);
      const live = [...known.filter(({ mine }) => mine), ...claimed, ...others].filter(
        ({ record, held, attempts }) =>
          !recording.has(runId(record)) &&
          // What it needs is about to be claimed: only then it is known whether it has to wait for it.
          (held || attempts.length > 0 || !needsOf(record.spec).some(({ job }) => unclaimed.has(job))),
      );
      const liveByJob = Map.groupBy([...seen.live, ...claimed], ({ record }) => record.job);
      const next = dispatch({
        live,
        liveByJob,
        jobs: seen.catalog.jobs,
        statuses: seen.view.statuses,
        capacities: parts.capacities(),
        now: parts.now().getTime(),
      });
      for (const end of [...superseded(actions, seen), ...next.ends]) startRecording(end, seen, signal);
      for (const { run, reason, tasks } of next.cancels) await parts.runner.cancel(run.record, reason, tasks);
      let begun = false;
      if (!stopping)
        await eachOf(next.starts, STARTS_AT_ONCE, async (begin) => {
          if (unstartable.has(begin.run.record.job)) return;
          await tryIt(begin.run.record, async () => {
            const end = await start(begin, seen, signal);
            if (end) startRecording(end, seen, signal);
            begun ||= end === undefined && begin.attempts.length > 0;
          });
        });
      const left = live.filter(
        ({ record, mine }) => mine && !unrecorded.has(runId(record)) && !unstartable.has(record.job),
      );
      const running = left.some(({ attempts }) => attempts.some(({ ending }) => ending === null));
      const outlived = stopping && parts.runner.outlives;
      return {
        busy: recording.size > 0 || (!outlived && (running || begun || (!stopping && left.length > 0))),
        again: [
          ...again,
          ...ours.flatMap(({ mine, record }) => (mine ? [] : [record.job])),
          // What another process executes rings no bell here when it lets go of a group.
          ...(others.length === 0 ? [] : left.flatMap((run) => (run.attempts.length === 0 ? [run.record.job] : []))),
        ],
        wakeAt: next.wakeAt,
        waits: next.waits,
      };
    },
    note(change) {
      if (change.facts.length === 0 && change.invalid === undefined) return;
      notes = writeWithin(parts, change, new AbortController().signal).catch((error: unknown) =>
        fail(asCoded(error, (message) => terminalError('NotRecorded', `statuses: ${message}`))),
      );
    },
    handles: (key) => recording.has(runId(key)),
    async flush(signal) {
      await notes;
      await parts.ledger.flush(signal);
    },
    report: () => ({ outcomes, failures }),
  };
}

async function composeRecord(
  parts: ReconcilerParts,
  action: PlannedAction,
  seen: Observation,
  options: SettleOptions,
): Promise<RunRecord> {
  const job = seen.catalog.jobs.get(action.job);
  if (!job) throw new TypeError(`a planned run of ${action.job}, which is no job`);
  const id = action.trigger?.kind === 'request' ? action.trigger.id : undefined;
  const request = options.requests.find((candidate) => candidate.id === id);
  const record = runRecord({
    action,
    desired: job,
    revision: seen.catalog.revision,
    covered: await parts.covered(job, seen.snapshot),
    request,
    params: parts.params(job, request?.params ?? {}),
    chain: chainOf(action, seen),
    now: parts.now().toISOString(),
  });
  return withGroup(record);
}

/** Runs of jobs that others need are claimed first. */
function inOrder(actions: readonly PlannedAction[], { catalog }: Observation): readonly PlannedAction[] {
  const byJob = Map.groupBy(actions, ({ job }) => job);
  return upstreamFirst(byJob.keys(), catalog.jobs).flatMap((job) => byJob.get(job) ?? []);
}

/** Whether what a run executes is known: it is put down, or the job still says it; or it is only to be ended. */
const isDecidable = ({ held, parked, cancelled, record }: LiveRun, { catalog }: Observation): boolean =>
  held || parked !== undefined || cancelled !== undefined || catalog.jobs.get(record.job)?.digest === record.digest;

/** Does the work for each item, `limit` at a time. */
async function eachOf<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const open = items.values();
  const worker = async (): Promise<void> => {
    for (const item of open) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
