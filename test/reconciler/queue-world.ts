import * as assert from 'uvu/assert';
import {
  type ActiveRun,
  type Capacities,
  decideQueue,
  type QueueDecision,
  type WaitingTask,
} from '../../src/reconciler/queue/index.ts';

export const SECOND = 1_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
/** The longest time-out that lets every test's queue be worked off. */
export const NEVER = 1e12;

/** A run with one task of one slot, unless said otherwise, that waits alone in its group. */
export function aRun(job: string, run: number, queued: number, more: Partial<ActiveRun> = {}): ActiveRun {
  return {
    job,
    run,
    queued,
    priority: 0,
    queueMs: NEVER,
    group: `${job}/${run}`,
    policy: 'queue',
    begun: false,
    waiting: [aTask('default', 0, queued)],
    running: [],
    ...more,
  };
}

export const aTask = (name: string, order: number, queued: number, slots = 1): WaitingTask => ({
  name,
  order,
  queued,
  slots,
});

/** A run that is being executed, with its attempts' slots. */
export const executed = (run: ActiveRun, ...slots: readonly number[]): ActiveRun => ({
  ...run,
  begun: true,
  waiting: [],
  running: slots.map((each) => ({ slots: each })),
});

export const capacities = (attempts: number, sets: Readonly<Record<string, number>> = {}): Capacities => ({
  attempts,
  sets: new Map(Object.entries(sets)),
});

export const nameOf = ({ job, run }: { readonly job: string; readonly run: number }): string => `${job}/${run}`;

/** What the runs look like once everything that was decided is done; runs that are cancelled go on running. */
export function applied(runs: readonly ActiveRun[], decision: QueueDecision): readonly ActiveRun[] {
  const starts = new Set(decision.starts.map((start) => `${nameOf(start)}/${start.task}`));
  const ended = new Set(
    [...decision.replaced.filter(({ begun }) => !begun), ...decision.skipped, ...decision.timedOut].map(nameOf),
  );
  const isStarted = (run: ActiveRun, task: WaitingTask): boolean => starts.has(`${nameOf(run)}/${task.name}`);
  return runs.filter((run) => !ended.has(nameOf(run))).map((run) => withStarts(run, (task) => isStarted(run, task)));
}

function withStarts(run: ActiveRun, isStarted: (task: WaitingTask) => boolean): ActiveRun {
  const begins = run.waiting.filter(isStarted);
  if (begins.length === 0) return run;
  const waiting = run.waiting.filter((task) => !begins.includes(task));
  return { ...run, begun: true, waiting, running: [...run.running, ...begins.map(({ slots }) => ({ slots }))] };
}

export interface SimulatedRun {
  readonly run: ActiveRun;
  /** How long each task is executed, by its name. */
  readonly durations: ReadonlyMap<string, number>;
}

export interface Ending {
  /** When each task that was executed started, by its name. */
  readonly starts: ReadonlyMap<string, number>;
  readonly end: 'ran' | 'cancelled' | 'replaced' | 'skipped' | 'timedOut';
}

interface LiveTask {
  readonly name: string;
  readonly slots: number;
  end: number;
}

interface Live {
  readonly spec: SimulatedRun;
  waiting: readonly WaitingTask[];
  running: LiveTask[];
  begun: boolean;
  cancelled: boolean;
  readonly starts: Map<string, number>;
}

const GRACE = 30 * SECOND;

const seenAs = ({ spec, waiting, running, begun }: Live): ActiveRun => ({ ...spec.run, waiting, running, begun });

/**
 * Lives through all runs: at every instant at which something arrives, ends or times out it decides and does what was decided.
 * After each it asserts that nothing is committed beyond what there is. Returns how each run ended, by `job/run`.
 */
export function simulate(specs: readonly SimulatedRun[], capacity: Capacities): ReadonlyMap<string, Ending> {
  const endings = new Map<string, Ending>();
  const arrivals = specs.toSorted((a, b) => a.run.queued - b.run.queued);
  const live = new Map<string, Live>();
  let arrived = 0;
  let now = arrivals[0]?.run.queued ?? 0;
  while (arrived < arrivals.length || live.size > 0) {
    for (; arrived < arrivals.length && arrivals[arrived]!.run.queued <= now; arrived += 1)
      arrive(live, arrivals[arrived]!);
    finish(live, endings, now);
    const decision = decideQueue({ runs: [...live.values()].map(seenAs), capacities: capacity, now });
    execute(live, endings, decision, now);
    assertNothingOvercommitted([...live.values()], capacity);
    const next = Math.min(
      arrivals[arrived]?.run.queued ?? Infinity,
      decision.wakeAt !== undefined && decision.wakeAt > now ? decision.wakeAt : Infinity,
      ...[...live.values()].flatMap(({ running }) => running.map(({ end }) => end)),
    );
    if (live.size === 0 && arrived === arrivals.length) break;
    assert.ok(Number.isFinite(next), `stuck at ${now}: ${JSON.stringify(decision.waiting.slice(0, 3))}`);
    now = next;
  }
  return endings;
}

function arrive(live: Map<string, Live>, spec: SimulatedRun): void {
  const { waiting } = spec.run;
  live.set(nameOf(spec.run), { spec, waiting, running: [], begun: false, cancelled: false, starts: new Map() });
}

function finish(live: Map<string, Live>, endings: Map<string, Ending>, now: number): void {
  for (const [name, run] of live) {
    run.running = run.running.filter(({ end }) => end > now);
    if (!run.begun || run.running.length > 0 || run.waiting.length > 0) continue;
    endings.set(name, { starts: run.starts, end: run.cancelled ? 'cancelled' : 'ran' });
    live.delete(name);
  }
}

function execute(live: Map<string, Live>, endings: Map<string, Ending>, decision: QueueDecision, now: number): void {
  const end = (name: string, how: Ending['end']): void => {
    assert.is(live.get(name)?.begun, false, `${name} has begun and can't end as ${how}`);
    endings.set(name, { starts: new Map(), end: how });
    live.delete(name);
  };
  for (const each of decision.timedOut) end(nameOf(each), 'timedOut');
  for (const each of decision.skipped) end(nameOf(each), 'skipped');
  for (const each of decision.replaced) {
    const run = live.get(nameOf(each))!;
    if (!each.begun) end(nameOf(each), 'replaced');
    else if (!run.cancelled) {
      run.cancelled = true;
      run.waiting = [];
      for (const task of run.running) task.end = Math.min(task.end, now + GRACE);
    }
  }
  for (const start of decision.starts) {
    const run = live.get(nameOf(start))!;
    const task = run.waiting.find(({ name }) => name === start.task)!;
    run.begun = true;
    run.waiting = run.waiting.filter((other) => other !== task);
    run.running.push({ name: task.name, slots: task.slots, end: now + run.spec.durations.get(task.name)! });
    run.starts.set(task.name, now);
  }
}

function assertNothingOvercommitted(live: readonly Live[], capacity: Capacities): void {
  const begun = live.filter((run) => run.begun);
  const attempts = begun.reduce((sum, { running }) => sum + running.length, 0);
  assert.ok(attempts <= capacity.attempts, `${attempts} attempts of ${capacity.attempts}`);
  for (const [name, slots] of capacity.sets) {
    const used = begun
      .filter(({ spec }) => spec.run.runnerSet === name)
      .reduce((sum, { running }) => sum + running.reduce((total, task) => total + task.slots, 0), 0);
    assert.ok(used <= slots, `${used} slots of ${name}, which has ${slots}`);
  }
  for (const { spec, running } of begun) {
    const { maxParallel = Infinity } = spec.run;
    assert.ok(
      running.length <= maxParallel,
      `${running.length} tasks of ${nameOf(spec.run)}, maxParallel ${maxParallel}`,
    );
  }
  for (const [group, members] of Map.groupBy(begun, ({ spec }) => spec.run.group)) {
    const arrived = members
      .map(({ spec }) => spec.run)
      .sort((a, b) => a.queued - b.queued || (a.job === b.job ? a.run - b.run : a.job < b.job ? -1 : 1));
    const alone = arrived.slice(1).filter(({ policy }) => policy !== 'allow');
    assert.is(alone.length, 0, `${alone.map(nameOf).join()} overlaps with others in group ${group}`);
  }
}
