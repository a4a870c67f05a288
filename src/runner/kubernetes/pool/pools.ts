import { messageOf } from '../../../errors.ts';
import { normalizeSpec } from '../../../job/defaults.ts';
import { formatDuration } from '../../../job/duration.ts';
import { LABELS, MANAGER } from '../../../render/labels.ts';
import type { RunnerSet } from '../../../schemas/index.ts';
import type { AttemptEnding, AttemptState, PoolOrder, PoolState, RunKey, RunRecord } from '../../port.ts';
import { attemptName } from '../attempt-marks.ts';
import type { PayloadFacts } from '../inventory.ts';
import { findObject } from '../objects.ts';
import { runName } from '../scope.ts';
import type { Change } from '../store.ts';
import { watchResource } from '../watch.ts';
import { type Pod, pods } from '../wire.ts';
import { claimRunner, type WarmStart } from './claim.ts';
import type { WarmMark } from '../warm-marks.ts';
import { decideFate } from './fate.ts';
import { createPool, type Pool, type PoolParts } from './pool.ts';
import { type RunnerView, viewRunner } from './view.ts';

/** The runner sets of a source: their pools, and the attempts that wait for a runner. */
export interface Pools {
  keep(orders: readonly PoolOrder[], complete: boolean): void;
  /** The set of this name, if it is kept. */
  find(set: string): RunnerSet | undefined;
  /** Whether an attempt of so many slots gets a runner at once. */
  hasRoom(set: string, slots: number): boolean;
  /** Gives an attempt a runner as soon as there is one. */
  add(set: string, start: WarmStart): void;
  /** The attempts of a run that have none yet. */
  waiting(key: RunKey): readonly AttemptState[];
  /** Ends attempts that have none yet; `tasks`: of these alone. */
  cancel(key: RunKey, ending: AttemptEnding, tasks?: readonly string[]): void;
  /** What is known of a runner. */
  runner(name: string): RunnerView | undefined;
  claimedHere(uid: string): boolean;
  /** A runner that was claimed has changed. */
  look(): void;
  states(): readonly PoolState[];
}

export interface PoolsOptions extends Omit<PoolParts, 'dirty' | 'learn'> {
  readonly payloadOf: (key: RunKey) => PayloadFacts | undefined;
  readonly learnPayload: (key: RunKey, payload: PayloadFacts) => void;
  /** An attempt has its runner. */
  readonly started: (record: RunRecord, pod: Pod) => void;
  /** An attempt has ended without one. */
  readonly ended: (start: WarmStart, ending: AttemptEnding) => void;
}

interface Waiting extends WarmStart {
  readonly set: string;
  readonly id: string;
  readonly state: AttemptState;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** A runner is being claimed for it, or its end is being written down. */
  busy: boolean;
  /** After what went wrong, not earlier than this. */
  notBefore: number;
}

const TICK_MS = 1_000;
const AGAIN_MS = 500;
const ASSIGNS_AT_ONCE = 32;

const idOf = (key: RunKey, task: string, number: number): string => `${runName(key)}/${attemptName({ task, number })}`;

/** Opens the watch of the source's runners, and returns once it is complete. Throws what the API server says. */
export async function openPools(options: PoolsOptions): Promise<Pools> {
  const { scope, payloadOf, learnPayload, started, ended, reached, signal } = options;
  const { cluster, namespace, clock, log } = scope;
  const pools = new Map<string, Pool>();
  const views = new Map<string, RunnerView>();
  const waiting = new Map<string, Waiting>();
  /** Runners that are being given to an attempt, by name, with its slots. */
  const reserved = new Map<string, { readonly set: string; readonly slots: number }>();
  const claimed = new Set<string>();
  let complete = false;
  let ordered = false;
  let timer: NodeJS.Timeout | undefined;
  let at = Number.POSITIVE_INFINITY;

  const wakeIn = (ms: number): void => {
    const due = clock.monotonic() + ms;
    if (signal.aborted || due >= at) return;
    clearTimeout(timer);
    at = due;
    timer = setTimeout(tick, ms);
    timer.unref();
  };
  const dirty = (): void => wakeIn(0);

  const put = (pod: Pod): void => {
    const view = viewRunner(pod);
    const name = pod.metadata?.name ?? '';
    const known = views.get(name);
    // What has an attempt never has none again: that is older news.
    if (!view || (known?.uid === view.uid && known.claimed && !view.claimed)) return;
    views.set(name, view);
    if (!pools.has(view.set)) pools.set(view.set, createPool(view.set, { ...options, dirty, learn }));
  };
  const learn = (pod: Pod): void => {
    if (!views.has(pod.metadata?.name ?? '')) put(pod);
  };
  const onChange = ({ type, object }: Change<Pod>): void => {
    const name = object.metadata?.name ?? '';
    if (type === 'deleted') {
      const view = views.get(name);
      if (view?.uid !== object.metadata?.uid) return;
      views.delete(name);
      claimed.delete(view?.uid ?? '');
      // The last event may be the first that tells of an attempt.
      const last = viewRunner(object);
      if (last) pools.get(last.set)?.vanished(last);
    } else put(object);
    dirty();
  };

  const viewsOf = (set: string): readonly RunnerView[] => [...views.values()].filter((view) => view.set === set);
  const usedSlots = (set: string, all: readonly RunnerView[]): number => {
    let used = 0;
    for (const { name, phase, slots } of all) if (phase === 'busy' && !reserved.has(name)) used += slots;
    for (const one of reserved.values()) if (one.set === set) used += one.slots;
    return used;
  };
  const slotsOf = (pool: Pool): number => pool.order?.set.spec.slots ?? pool.order?.set.spec.maxRunners ?? 0;
  const templateRunners = (all: readonly RunnerView[]): RunnerView[] =>
    all
      .filter(({ name, phase }) => phase === 'idle' && !reserved.has(name))
      // The one that came last has the longest to live: the others grow old and go.
      .sort((a, b) => (b.idleSince ?? 0) - (a.idleSince ?? 0));

  const endNow = async (one: Waiting, ending: AttemptEnding): Promise<void> => {
    const payload = payloadOf(one.record);
    if (payload && ending.kind === 'infrastructure') {
      const { reason, message } = ending;
      const mark: WarmMark = { ended: { reason, message, at: new Date(clock.now()).toISOString() } };
      const after = await decideFate(scope, payload, { task: one.task.name, number: one.number }, mark, signal);
      if (after) learnPayload(one.record, after);
      const fate = after?.warm[attemptName({ task: one.task.name, number: one.number })];
      if (fate && 'runner' in fate) return; // another process was faster, and gave it one
    }
    waiting.delete(one.id);
    ended(one, ending);
  };

  /** Gives a runner to an attempt: on the payload first, so that no other one ever gets it, and then on the runner. */
  const assign = async (one: Waiting, chosen: RunnerView): Promise<void> => {
    const attempt = { task: one.task.name, number: one.number };
    const payload = payloadOf(one.record);
    if (!payload) return void waiting.delete(one.id); // the run is over
    await reached('beforeBind');
    if (!scope.authority.isValid()) return;
    const mine = { runner: chosen.name, uid: chosen.uid };
    const after = await decideFate(scope, payload, attempt, mine, signal);
    await reached('afterBind');
    if (!after) return void waiting.delete(one.id);
    learnPayload(one.record, after);
    const fate = after.warm[attemptName(attempt)];
    if (!fate || 'ended' in fate) return void waiting.delete(one.id);
    const isChosen = fate.uid === chosen.uid;
    const pod = isChosen ? chosen.pod : await findObject(cluster, pods, { name: fate.runner, namespace }, { signal });
    const mineNow = pod?.metadata?.uid === fate.uid ? await claimRunner(scope, one, after, pod, signal) : null;
    if (!mineNow) {
      waiting.delete(one.id);
      const message = `the runner ${fate.runner} was gone before the attempt could be handed to it`;
      // One that another process chose may have had the attempt.
      const reason = isChosen ? 'StartError' : 'PodDeleted';
      return ended(one, { kind: 'infrastructure', reason, message, step: null });
    }
    claimed.add(mineNow.metadata?.uid ?? '');
    put(mineNow);
    await reached('afterRunnerClaim');
    waiting.delete(one.id);
    started(one.record, mineNow);
  };

  const work = (one: Waiting, doing: () => Promise<void>, done: () => void = () => undefined): void => {
    one.busy = true;
    doing()
      .catch((error: unknown) => {
        one.notBefore = clock.monotonic() + AGAIN_MS;
        if (!signal.aborted)
          log.warn({ job: one.record.job, run: one.record.run, error: messageOf(error) }, 'no runner was given yet');
      })
      .finally(() => {
        one.busy = false;
        done();
        dirty();
      });
  };

  const give = (one: Waiting, runner: RunnerView): void => {
    reserved.set(runner.name, { set: one.set, slots: one.task.slots });
    work(
      one,
      () => assign(one, runner),
      () => reserved.delete(runner.name),
    );
  };

  /** Attempts that wait get the runners that are idle, as far as the slots of the set go; those without hope end. */
  const serve = (pool: Pool): void => {
    const all = viewsOf(pool.name);
    const queue = [...waiting.values()].filter(({ set, busy }) => set === pool.name && !busy);
    if (queue.length === 0) return;
    const idle = templateRunners(all);
    let free = slotsOf(pool) - usedSlots(pool.name, all);
    const hopeless = pool.hopeless(all);
    for (const one of queue) {
      if (one.notBefore > clock.monotonic() || reserved.size >= ASSIGNS_AT_ONCE) continue;
      const bound = payloadOf(one.record)?.warm[attemptName({ task: one.task.name, number: one.number })];
      const own = bound && 'runner' in bound ? views.get(bound.runner) : undefined;
      const runner = own ?? (free >= one.task.slots ? idle.shift() : undefined);
      if (runner && !reserved.has(runner.name)) {
        free -= one.task.slots;
        give(one, runner);
        continue;
      }
      const ending = endingOf(one, pool, all, hopeless);
      if (ending) work(one, () => endNow(one, ending));
    }
  };

  const endingOf = (
    one: Waiting,
    pool: Pool,
    all: readonly RunnerView[],
    hopeless: ReturnType<Pool['hopeless']>,
  ): AttemptEnding | null => {
    const end = (reason: NonNullable<typeof hopeless>['reason'], why: string): AttemptEnding => ({
      kind: 'infrastructure',
      reason,
      message: why,
      step: null,
    });
    if (!pool.order) return end('Refused', `runner set ${pool.name} is no longer in the source`);
    // A failure of before it came says nothing of what it would find.
    if (hopeless && hopeless.at >= one.since)
      return end(hopeless.reason, `runner set ${pool.name} can't start a runner: ${hopeless.message}`);
    const { startMs } = normalizeSpec(one.record.spec).timeouts;
    if (clock.now() - one.since < startMs) return null;
    const trouble = pool.trouble(all);
    const reason = trouble?.reason === 'Unschedulable' ? 'Unschedulable' : 'StartTimeout';
    const why = trouble?.message ?? 'all of them are at work';
    return end(reason, `no runner of ${pool.name} was free within ${formatDuration(startMs)}: ${why}`);
  };

  function tick(): void {
    at = Number.POSITIVE_INFINITY;
    if (signal.aborted) return;
    wakeIn(TICK_MS);
    for (const pool of pools.values()) {
      if (!pool.order && !(complete && ordered)) continue; // nobody knows yet what becomes of it
      serve(pool);
      const all = viewsOf(pool.name);
      const waits = [...waiting.values()].filter(({ set }) => set === pool.name);
      // One whose runner is being claimed has it: that is idle only to the eye.
      const given = all.filter(({ name, phase }) => phase === 'busy' || reserved.has(name)).length;
      const demand = {
        waiting: waits.filter(({ busy }) => !busy).length,
        assigned: given + waits.filter(({ busy }) => !busy).length,
      };
      const seen = all.map((view) =>
        reserved.has(view.name) && view.phase === 'idle' ? { ...view, phase: 'busy' as const } : view,
      );
      const wakeAt = pool.tend(seen, demand);
      if (wakeAt !== null) wakeIn(Math.max(0, wakeAt - clock.now()));
      if (pool.isGone() && !pool.order && all.length === 0) pools.delete(pool.name);
    }
  }

  const labelSelector = [
    `${LABELS.managedBy}=${MANAGER}`,
    `${LABELS.installation}=${scope.installation}`,
    `${LABELS.source}=${scope.source}`,
    LABELS.runnerSet,
  ].join(',');
  const watch = watchResource(cluster, pods, { namespace, labelSelector, onChange, signal, log });
  await watch.ready;
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });

  return {
    keep(orders, isComplete) {
      ordered = true;
      complete = isComplete;
      const names = new Set(orders.map(({ set }) => set.metadata.name));
      for (const order of orders) {
        const { name } = order.set.metadata;
        const pool = pools.get(name) ?? createPool(name, { ...options, dirty, learn });
        pools.set(name, pool);
        pool.order = order;
      }
      if (complete) for (const pool of pools.values()) if (!names.has(pool.name)) pool.order = null;
      dirty();
    },
    find: (set) => pools.get(set)?.order?.set,
    hasRoom(set, slots) {
      const pool = pools.get(set);
      if (!pool?.order) return false;
      const all = viewsOf(set);
      const queue = [...waiting.values()].filter((one) => one.set === set);
      const asked = queue.reduce((sum, one) => sum + (one.busy ? 0 : one.task.slots), 0);
      const free = slotsOf(pool) - usedSlots(set, all) - asked;
      return free >= slots && templateRunners(all).length > queue.filter(({ busy }) => !busy).length;
    },
    add(set, start) {
      const id = idOf(start.record, start.task.name, start.number);
      if (waiting.has(id)) return;
      const named = { task: start.task.name, number: start.number };
      const state = { ...named, started: null, finished: null, ending: null, output: null };
      waiting.set(id, { ...start, set, id, state, since: clock.now(), busy: false, notBefore: 0 });
      dirty();
    },
    waiting(key) {
      const prefix = `${runName(key)}/`;
      return [...waiting.values()].flatMap(({ id, state }) => (id.startsWith(prefix) ? [state] : []));
    },
    cancel(key, ending, tasks) {
      const prefix = `${runName(key)}/`;
      for (const one of waiting.values()) {
        if (!one.id.startsWith(prefix) || one.busy || !(tasks?.includes(one.task.name) ?? true)) continue;
        waiting.delete(one.id);
        ended(one, ending);
      }
    },
    runner: (name) => views.get(name),
    claimedHere: (uid) => claimed.has(uid),
    look: dirty,
    states: () => [...pools.values()].flatMap((pool) => pool.state() ?? []),
  };
}
