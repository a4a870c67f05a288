import {
  type ActiveRun,
  PATIENCE_MS,
  PRIORITY_STEP_MS,
  type QueueInput,
  type TaskKey,
  type WaitingTask,
} from '../../src/reconciler/queue/index.ts';

/**
 * The rules of docs/queueing.md written down one by one, without a thought for time: one task is started, then everything
 * is sorted and looked at again. What decideQueue does in one pass has to be the same.
 */
export function startsByTheRules(input: QueueInput): readonly TaskKey[] {
  const runs = input.runs.map((run): Item => ({
    run,
    begun: run.begun,
    waiting: [...run.waiting],
    used: slotsOf(run),
  }));
  const contenders = runs.filter((item) => mayGoOn(item, runs, input.now));
  const starts: TaskKey[] = [];
  for (;;) {
    const next = nextStart(runs, contenders, input);
    if (!next) return starts;
    const { item, task } = next;
    item.begun = true;
    item.waiting.splice(item.waiting.indexOf(task), 1);
    item.used.push(task.slots);
    starts.push({ job: item.run.job, run: item.run.run, task: task.name });
  }
}

interface Item {
  readonly run: ActiveRun;
  begun: boolean;
  readonly waiting: WaitingTask[];
  readonly used: number[];
}

interface Candidate {
  readonly item: Item;
  readonly task: WaitingTask;
}

const slotsOf = ({ running }: ActiveRun): number[] => running.map(({ slots }) => slots);
const expired = ({ run }: Item, now: number): boolean => !run.begun && now >= run.queued + run.queueMs;
const byName = (a: ActiveRun, b: ActiveRun): number => (a.job === b.job ? a.run - b.run : a.job < b.job ? -1 : 1);
const arrivedBefore = (a: ActiveRun, b: ActiveRun): boolean => (a.queued - b.queued || byName(a, b)) < 0;
const rank = (run: ActiveRun, since: number): number => since - run.priority * PRIORITY_STEP_MS;
const runOrder = (a: ActiveRun, b: ActiveRun): number =>
  rank(a, a.queued) - rank(b, b.queued) || b.priority - a.priority || byName(a, b);
const taskOrder = (a: Candidate, b: Candidate): number =>
  rank(a.item.run, a.task.queued) - rank(b.item.run, b.task.queued) ||
  b.item.run.priority - a.item.run.priority ||
  byName(a.item.run, b.item.run) ||
  a.task.order - b.task.order;

function mayGoOn(item: Item, all: readonly Item[], now: number): boolean {
  if (expired(item, now)) return false;
  const others = all.filter((other) => other !== item && other.run.group === item.run.group && !expired(other, now));
  const earlier = others.some(({ run }) => arrivedBefore(run, item.run));
  if (item.run.policy === 'skip' && !item.run.begun && earlier) return false;
  return !others.some(({ run }) => run.policy === 'replace' && arrivedBefore(item.run, run));
}

function nextStart(all: readonly Item[], contenders: readonly Item[], input: QueueInput): Candidate | undefined {
  const { capacities, now } = input;
  const sorted = contenders.flatMap((item) => item.waiting.map((task) => ({ item, task }))).sort(taskOrder);
  const sum = (slots: readonly number[]): number => slots.reduce((total, each) => total + each, 0);
  const kept = new Set<string>();
  const attempts = all.reduce((total, { used }) => total + used.length, 0);
  for (const candidate of sorted) {
    const { item, task } = candidate;
    const { run } = item;
    const capacity = run.runnerSet === undefined ? undefined : (capacities.sets.get(run.runnerSet) ?? 0);
    if (capacity !== undefined && task.slots > capacity) continue;
    if (groupIsBusy(item, all, contenders, input)) continue;
    if (run.maxParallel !== undefined && item.used.length >= run.maxParallel) continue;
    if (run.runnerSet !== undefined && capacity !== undefined) {
      const inUse = all.filter((other) => other.run.runnerSet === run.runnerSet).map(({ used }) => sum(used));
      if (kept.has(run.runnerSet)) continue;
      if (sum(inUse) + task.slots > capacity) {
        if (now - task.queued >= PATIENCE_MS) kept.add(run.runnerSet);
        continue;
      }
    }
    if (attempts < capacities.attempts) return candidate;
  }
  return undefined;
}

function groupIsBusy(item: Item, all: readonly Item[], contenders: readonly Item[], input: QueueInput): boolean {
  if (item.begun) return false;
  return all.some((other) => {
    if (other === item || other.run.group !== item.run.group) return false;
    const later = arrivedBefore(item.run, other.run) ? other : item;
    if (later.run.policy === 'allow') return false;
    if (other.begun) return true;
    const { runnerSet } = other.run;
    const most = runnerSet === undefined ? Infinity : (input.capacities.sets.get(runnerSet) ?? 0);
    const possible = contenders.includes(other) && other.waiting.some(({ slots }) => slots <= most);
    return possible && runOrder(other.run, item.run) < 0;
  });
}
