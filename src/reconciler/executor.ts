import { eachOf } from '../each-of.ts';
import type { CodedError } from '../errors.ts';
import type { LedgerChange, LedgerView } from '../ledger/port.ts';
import type { LiveRun, RunKey } from '../runner/port.ts';
import type { Outcome, PlannedAction } from '../schemas/index.ts';
import { upstreamFirst } from './chain.ts';
import { createClaims, type PlannedRun } from './claims.ts';
import { conditionEnd } from './condition.ts';
import { decidable } from './decidable.ts';
import { type Dispatch, dispatch, endUnbegun, type RunEnd, type RunStart, supersededBy } from './dispatch.ts';
import { createNewest } from './newest.ts';
import { createNotes } from './notes.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';
import { isOvertaken } from './pull-request.ts';
import { composeRecord, upstreamOf } from './record.ts';
import { createRecordings } from './recordings.ts';
import type { Requested } from './requests.ts';
import { setCapacities } from './runner-sets.ts';
import { shareReads } from './shared-read.ts';
import { createTries } from './tries.ts';
import type { Wake } from './wake.ts';

export interface Executor {
  /** Claims, starts, cancels and records what the actions and the queue say, without waiting for what takes long. */
  execute(pass: Pass, stopping: boolean, signal: AbortSignal): Promise<Execution>;
  /** Whether the run's outcome is being recorded here, or was and is about to be let go of. */
  handles(key: RunKey): boolean;
  /** Writes facts that no run brings; resolves when they are there, or could not be written, which is said. */
  note(change: LedgerChange): Promise<void>;
  /** Waits for what `note` began, and lets the ledger write what it writes at the end. */
  flush(signal: AbortSignal): Promise<void>;
  report(): { readonly outcomes: readonly Outcome[]; readonly failures: readonly CodedError[] };
}

/** What a pass has found. */
export interface Pass {
  readonly actions: readonly PlannedAction[];
  readonly seen: Observation;
  readonly options: SettleOptions;
  readonly asked: Requested;
  /** What runner and ledger say now; not `fresh` where the ledger can't be read. Nothing starts on anything older. */
  readonly renew: () => Promise<Observation>;
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
  readonly waits: Dispatch['waits'];
}

/** How many runs a pass claims, and how many it starts, at most: what ends meanwhile is recorded by the one after it. */
const MOST_A_PASS = 200;
/** How many runs are started at the same time. */
const STARTS_AT_ONCE = 16;

/** What whoever goes on reports at its end, of outcomes and of failures: it may go on for months. */
const MOST_REPORTED = 1_000;

/** `writing`: the signal of all that is written beside the passes. */
export function createExecutor(
  parts: ReconcilerParts,
  wake: Wake,
  touch: (job: string) => void,
  { goOn = false }: SettleOptions,
  writing: AbortSignal,
): Executor {
  const most = goOn ? MOST_REPORTED : Number.POSITIVE_INFINITY;
  const failures = createNewest<CodedError>(most);
  const say = (error: CodedError, key?: RunKey): void =>
    parts.emit({
      kind: 'trouble',
      message: error.hint ? `${error.message}; ${error.hint}` : error.message,
      ...(key === undefined ? {} : { key: { job: key.job, run: key.run }, code: error.code }),
    });
  const fail = (error: CodedError, key?: RunKey): void => {
    failures.add(error);
    say(error, key);
  };
  const changed = (job: string): void => {
    touch(job);
    wake.ring();
  };
  const recordings = createRecordings({ parts, fail, changed, most });
  const notes = createNotes(parts, fail, writing);
  const tries = createTries(say, changed);

  /** The runs of these actions as they are going to be; jobs whose runs can't be made rest. */
  const compose = async (
    actions: readonly PlannedAction[],
    seen: Observation,
    reruns: Requested['reruns'],
  ): Promise<readonly PlannedRun[]> => {
    const planned: PlannedRun[] = [];
    for (const action of actions)
      await tries.do({ job: action.job, run: action.run ?? 0 }, seen.catalog.revision, async () => {
        const record = await composeRecord(parts, action, seen, reruns);
        planned.push({ action, run: { record, mine: true, attempts: [], held: false } });
      });
    return planned;
  };

  const start = async (
    begin: RunStart,
    seen: Observation,
    readLedger: () => Promise<LedgerView>,
    signal: AbortSignal,
  ): Promise<RunEnd | undefined> => {
    const { run, attempts, upstream } = begin;
    const record = run.held ? run.record : { ...run.record, ...(await upstreamOf(seen.view, upstream)) };
    const end = run.held ? null : conditionEnd(record);
    if (end) return endUnbegun(run, end);
    const job = seen.catalog.jobs.get(record.job);
    const files = run.held || !job ? [] : await parts.files(job, seen.snapshot);
    const isRecorded = async (): Promise<boolean> => {
      const view = await readLedger();
      return (await view.outcome(record.job, record.run)) !== undefined;
    };
    await parts.runner.start(record, files, attempts, signal, isRecorded);
    const first = run.attempts.length === 0;
    if (attempts.length > 0)
      parts.emit({
        kind: 'started',
        key: { job: record.job, run: record.run },
        trigger: record.trigger.kind,
        chain: record.chain,
        attempts,
        first,
        queued: record.queued,
      });
    return undefined;
  };

  const superseded = (actions: readonly PlannedAction[], { live }: Observation): readonly RunEnd[] =>
    actions.flatMap((action) => {
      if (action.action !== 'record' || action.reason !== 'Superseded') return [];
      const run = live.find(({ record }) => record.job === action.job && record.run === action.run);
      return run ? [endUnbegun(run, supersededBy('the job has changed before it was started'))] : [];
    });

  const cancelRuns = async (actions: readonly PlannedAction[], { cancels }: Requested): Promise<void> => {
    for (const { action, job, run, reason } of actions) {
      if (action !== 'cancel' || run === undefined) continue;
      const by = cancels.find((cancel) => cancel.job === job && cancel.run === run)?.requestedBy;
      const why = isOvertaken(reason) ? reason : by === undefined ? 'JobRemoved' : 'CancelRequested';
      await parts.runner.cancel({ job, run }, why, undefined, by);
      changed(job);
    }
  };

  return {
    async execute({ actions, seen, options, asked, renew }, stopping, signal) {
      const { revision } = seen.catalog;
      recordings.keep(seen.live.map(({ record }) => record));
      await cancelRuns(actions, asked);
      // What can't be read now may hold what a request is about.
      if (seen.fresh) notes.answer(asked.answers);
      const wanted = actions.filter(({ action }) => action === 'run');
      const due = stopping ? [] : inOrder(wanted, seen).filter(({ job }) => !tries.rests(job, revision));
      const isOurs = ({ record }: LiveRun): boolean => options.jobs?.has(record.job) ?? true;
      const room = Math.max(0, parts.mostLive - seen.live.filter(isOurs).length);
      const now = Math.min(room, MOST_A_PASS);
      const planned = await compose(due.slice(0, now), seen, asked.reruns);
      const claimed = planned.map(({ run }) => run);
      const taken: string[] = []; // jobs whose number another process has
      const claims = createClaims(planned, async ({ action, run: { record } }) => {
        let result: 'claimed' | 'exists' | undefined;
        await tries.do(record, revision, async () => {
          result = await parts.runner.claim(record, signal);
        });
        if (result === 'exists') taken.push(record.job);
        if (result === 'claimed') parts.emit({ kind: 'claimed', action, chain: record.chain });
        return result === 'claimed';
      });
      const unchained = options.pullRequest !== undefined;
      const decide = (now: Observation): Decision => {
        const live = decidable(now, claimed, wanted).filter((run) => isOurs(run) || !run.mine);
        const liveByJob = Map.groupBy([...now.live, ...claimed], ({ record }) => record.job);
        const { jobs } = now.catalog;
        const { statuses } = now.view;
        const capacities = { ...parts.capacities(), ...setCapacities(now.catalog) };
        const undecided = live.filter(({ record }) => !recordings.isUnderWay(record) && !recordings.isDone(record));
        return {
          live: undecided,
          next: dispatch({
            live: undecided,
            liveByJob,
            jobs,
            statuses,
            capacities,
            unchained,
            now: parts.now().getTime(),
          }),
        };
      };
      let current = seen;
      let { live, next } = decide(current);
      if (!stopping && !current.fresh && next.starts.length > 0) {
        current = await renew();
        ({ live, next } = decide(current));
      }
      for (const end of superseded(actions, current)) recordings.start(end, current, writing);
      // Each run is claimed right before what becomes of it: the shorter that is, the less can come in between.
      await eachOf(next.ends, STARTS_AT_ONCE, async (end) => {
        if (await claims.claim(end.run)) recordings.start(end, current, writing);
      });
      for (const { run, reason, tasks } of next.cancels) await parts.runner.cancel(run.record, reason, tasks);
      let begun = false;
      const readLedger = shareReads(() => parts.ledger.read(signal));
      const starts = stopping || !current.fresh ? [] : next.starts.slice(0, MOST_A_PASS);
      await eachOf(starts, STARTS_AT_ONCE, async (begin) => {
        if (tries.rests(begin.run.record.job, revision) || !(await claims.claim(begin.run))) return;
        await tries.do(begin.run.record, revision, async () => {
          const end = await start(begin, current, readLedger, signal);
          if (end) recordings.start(end, current, writing);
          begun ||= end === undefined && begin.attempts.length > 0;
        });
      });
      await claims.rest();
      const left = live.filter(
        ({ record, mine }) => mine && !recordings.isLeft(record) && !tries.rests(record.job, revision),
      );
      // The next pass goes on where this one has left off, at once.
      if (due.length > now || (starts.length > 0 && starts.length < next.starts.length)) wake.ring();
      const running = left.some(({ attempts }) => attempts.some(({ ending }) => ending === null));
      const outlived = stopping && parts.runner.outlives;
      const others = current.live.filter((run) => isOurs(run) && !run.mine);
      return {
        busy: recordings.busy || (!outlived && (running || begun || (!stopping && left.length > 0))),
        again: [
          ...due.slice(now).map(({ job }) => job),
          ...taken,
          ...others.map(({ record }) => record.job),
          // What another process executes rings no bell here when it lets go of a group.
          ...(others.length === 0 ? [] : left.flatMap((run) => (run.attempts.length === 0 ? [run.record.job] : []))),
          ...(starts.length < next.starts.length ? next.starts.map(({ run }) => run.record.job) : []),
        ],
        wakeAt: next.wakeAt,
        waits: next.waits,
      };
    },
    note: (change) => notes.note(change),
    handles: (key) => recordings.isUnderWay(key),
    async flush(signal) {
      await notes.written();
      await parts.ledger.flush(signal);
    },
    report: () => ({ outcomes: recordings.outcomes(), failures: [...failures.all(), ...tries.failures()] }),
  };
}

/** Runs of jobs that others need are claimed first. */
function inOrder(actions: readonly PlannedAction[], { catalog }: Observation): readonly PlannedAction[] {
  const byJob = Map.groupBy(actions, ({ job }) => job);
  return upstreamFirst(byJob.keys(), catalog.jobs).flatMap((job) => byJob.get(job) ?? []);
}

interface Decision {
  readonly live: readonly LiveRun[];
  readonly next: Dispatch;
}
