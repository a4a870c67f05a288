import { tasksOfRun } from '../job/fan-out.ts';
import { runsOnOf } from '../job/runs-on.ts';
import type { Judgement } from '../outcome/judge.ts';
import type { AttemptStart, LiveRun, RunKey } from '../runner/port.ts';
import type { Reason } from '../schemas/index.ts';
import { type Gate, gateOf, type Runs } from './chain.ts';
import {
  type ActiveRun,
  type Capacities,
  decideQueue,
  describeReplaced,
  describeSkipped,
  describeTimedOut,
  describeWait,
  describeWaiting,
  type QueueDecision,
} from './queue/index.ts';
import { type RunState, runStateOf } from './run-state.ts';

/** A run that has ended: what its attempts amount to, or how it ended without any. */
export interface RunEnd {
  readonly run: LiveRun;
  /** How the tasks ended that have no attempt, or whose last attempt is not what ended them; by name. */
  readonly unstarted: ReadonlyMap<string, Judgement>;
}

/** Attempts of a run that start now; none: it waits, and what it executes is put down with its claim. */
export interface RunStart {
  readonly run: LiveRun;
  readonly attempts: readonly AttemptStart[];
  /** The runs whose results let it through. */
  readonly upstream: readonly RunKey[];
}

/** What a run waits for: phrases that go after "waits". */
export interface RunWait extends RunKey {
  /** Nothing in it changes from moment to moment, so that it can be committed. */
  readonly for: string;
  /** The same with the figures of the moment and its place in the queue. */
  readonly now: string;
}

/** What is to be done for the runs that are claimed. */
export interface Dispatch {
  readonly ends: readonly RunEnd[];
  readonly starts: readonly RunStart[];
  /** Without tasks: the run is to end. */
  readonly cancels: readonly { readonly run: LiveRun; readonly reason: Reason; readonly tasks?: readonly string[] }[];
  /** What each run that has not begun waits for, by `job/run`. */
  readonly waits: ReadonlyMap<string, RunWait>;
  /** When to look again if nothing happens before: milliseconds since 1970. */
  readonly wakeAt: number | null;
}

export interface DispatchInput extends Runs {
  readonly live: readonly LiveRun[];
  readonly capacities: Capacities;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export const runId = ({ job, run }: RunKey): string => `${job}/${run}`;

/** A run that the queue has to know of. */
interface Other {
  readonly run: LiveRun;
  readonly active: ActiveRun;
}

interface Candidate extends Other {
  readonly state: RunState;
  readonly gate: Extract<Gate, { kind: 'open' }>;
}

/**
 * Decides what is done next for each run that is claimed: which attempts start, which runs end, what the others wait for. Pure. A
 * run passes the gate of what it needs first, then the queue.
 */
export function dispatch(input: DispatchInput): Dispatch {
  const { live, now } = input;
  const ends: RunEnd[] = [];
  const cancels: Dispatch['cancels'][number][] = [];
  const waits = new Map<string, RunWait>();
  const moments: number[] = [];
  const candidates: Candidate[] = [];
  const others = new Map<string, Other>();
  const superseded = supersededRuns(live);
  for (const run of live) {
    if (!run.mine) {
      const state = runStateOf(run);
      // It holds its group and its capacity; what else is done about it is its own process' business.
      if (state.begun && !state.ended)
        others.set(runId(run.record), { run, active: { ...activeRun(run, state, now), waiting: [] } });
      continue;
    }
    if (run.parked) {
      ends.push({ run, unstarted: new Map() });
      continue;
    }
    const state = runStateOf(run);
    if (state.cancels !== null) {
      const tasks = state.tasks.flatMap(({ phase, task }) => (phase === 'running' ? [task.name] : []));
      if (tasks.length > 0) cancels.push({ run, reason: state.cancels, tasks });
    }
    const by = superseded.get(runId(run.record));
    // What is put down has passed it.
    const gate = state.begun || run.held ? OPEN : gateOf(run.record.spec, run.record.chain, input);
    if (state.ended) ends.push(endOf(run, state));
    else if (by !== undefined) ends.push(endUnbegun(run, supersededBy(`run ${by} of the job takes its place`)));
    else if (gate.kind === 'shut') ends.push(endUnbegun(run, unexecuted('skipped', gate.reason, gate.message)));
    else if (gate.kind === 'waits') {
      const deadline = Date.parse(run.record.queued) + state.spec.timeouts.queueMs;
      if (now >= deadline)
        ends.push(
          endUnbegun(
            run,
            unexecuted('timed-out', 'QueueTimeout', `waited for ${gate.for} until timeouts.queue had passed`),
          ),
        );
      else {
        waits.set(runId(run.record), waitOf(run.record, `for ${gate.for}`));
        moments.push(deadline);
      }
    } else {
      for (const task of state.tasks)
        if (task.phase === 'waiting' && task.notBefore > now) moments.push(task.notBefore);
      candidates.push({ run, state, gate, active: activeRun(run, state, now) });
    }
  }
  const active = [...candidates, ...others.values()].map((one) => one.active);
  const queue = decideQueue({ runs: active, capacities: input.capacities, now });
  const byId = new Map(candidates.map((candidate) => [runId(candidate.run.record), candidate]));
  const finish = endings(queue, new Map<string, Other>([...byId, ...others]), cancels);
  if (queue.wakeAt !== undefined) moments.push(queue.wakeAt);
  for (const waiting of queue.waiting) {
    const id = runId(waiting);
    if (!waits.has(id) && byId.get(id)?.state.begun === false)
      waits.set(id, waitOf(waiting, describeWait(waiting.for), describeWaiting(waiting)));
  }
  const starts = startsOf(queue, byId);
  const going = new Set([...finish, ...starts].map(({ run }) => run));
  const holds = candidates.filter(({ run }) => !run.held && !going.has(run));
  const next = Math.min(...moments);
  return {
    ends: [...ends, ...finish],
    starts: [...starts, ...holds.map(({ run, gate }) => ({ run, attempts: [], upstream: gate.upstream }))],
    cancels,
    waits,
    wakeAt: Number.isFinite(next) ? next : null,
  };
}

const waitOf = ({ job, run }: RunKey, what: string, now = what): RunWait => ({ job, run, for: what, now });

const unexecuted = (result: Judgement['result'], reason: Reason, message: string): Judgement => ({
  result,
  reason,
  message,
  exitCode: null,
  step: null,
});

/** How a run ends that another one takes the place of; `message` is a sentence that says which. */
export const supersededBy = (message: string): Judgement => unexecuted('cancelled', 'Superseded', message);

const OPEN: Gate = { kind: 'open', upstream: [] };

/** Of the commit runs of a job that have not begun, all but the newest: by `job/run`, with the number of the newest. */
function supersededRuns(live: readonly LiveRun[]): ReadonlyMap<string, number> {
  const waiting = live.filter(
    ({ record, attempts, mine }) => mine && attempts.length === 0 && record.trigger.kind === 'commit',
  );
  const superseded = new Map<string, number>();
  for (const runs of Map.groupBy(waiting, ({ record }) => record.job).values()) {
    const newest = Math.max(...runs.map(({ record }) => record.run));
    for (const { record } of runs) if (record.run < newest) superseded.set(runId(record), newest);
  }
  return superseded;
}

function activeRun({ record }: LiveRun, state: RunState, now: number): ActiveRun {
  const { concurrency } = record.spec;
  const queued = Date.parse(record.queued);
  const named = runsOnOf(record.spec);
  // What may have a pod of its own waits for no runner.
  const runnerSet = named?.mayFallBack === false ? named.set : undefined;
  return {
    job: record.job,
    run: record.run,
    priority: state.spec.priority,
    queued,
    queueMs: state.spec.timeouts.queueMs,
    group: concurrency?.group ?? record.job,
    policy: concurrency?.policy ?? 'queue',
    maxParallel: state.spec.maxParallel,
    runnerSet,
    begun: state.begun,
    waiting: state.tasks.flatMap((task, order) =>
      task.phase === 'waiting' && task.notBefore <= now
        ? [{ name: task.task.name, order, slots: task.task.slots, queued: Math.max(queued, task.notBefore) }]
        : [],
    ),
    running: state.tasks.flatMap((task) => (task.phase === 'running' ? [{ slots: task.task.slots }] : [])),
  };
}

function startsOf(queue: QueueDecision, byId: ReadonlyMap<string, Candidate>): Dispatch['starts'] {
  return [...Map.groupBy(queue.starts, runId)].flatMap(([id, tasks]) => {
    const candidate = byId.get(id);
    if (!candidate) return [];
    const { run, state, gate } = candidate;
    const attempts = tasks.flatMap(({ task: name }): AttemptStart[] => {
      const task = state.tasks.find((one) => one.task.name === name);
      return task?.phase === 'waiting' ? [{ task: task.task, number: task.attempt }] : [];
    });
    return [{ run, attempts, upstream: gate.upstream }];
  });
}

/** The runs that the queue ends; those of them that have begun are cancelled first. */
function endings(
  queue: QueueDecision,
  byId: ReadonlyMap<string, Other>,
  cancels: Dispatch['cancels'][number][],
): readonly RunEnd[] {
  const ends: RunEnd[] = [];
  const end = (key: RunKey, ...how: [Judgement['result'], Reason, string]): void => {
    const candidate = byId.get(runId(key));
    if (candidate) ends.push(endUnbegun(candidate.run, unexecuted(...how)));
  };
  for (const replaced of queue.replaced) {
    const candidate = byId.get(runId(replaced));
    if (!replaced.begun) end(replaced, 'cancelled', 'Superseded', describeReplaced(replaced));
    else if (candidate && candidate.run.cancelled === undefined)
      cancels.push({ run: candidate.run, reason: 'Superseded' });
  }
  for (const skipped of queue.skipped) end(skipped, 'skipped', 'ConcurrencySkipped', describeSkipped(skipped));
  for (const timedOut of queue.timedOut) end(timedOut, 'timed-out', 'QueueTimeout', describeTimedOut(timedOut));
  return ends;
}

const endOf = (run: LiveRun, state: RunState): RunEnd => ({
  run,
  unstarted: new Map(
    state.tasks.flatMap((task) => (task.phase === 'ended' ? [[task.task.name, task.judgement] as const] : [])),
  ),
});

/** The end of a run that nothing was executed of. */
export function endUnbegun(run: LiveRun, judgement: Judgement): RunEnd {
  return { run, unstarted: new Map(tasksOfRun(run.record).map(({ name }) => [name, judgement])) };
}
