import { runnerObstacles, runsOnOf } from '../../../job/runs-on.ts';
import { taskRecord } from '../../../job/task-spec.ts';
import { LABELS } from '../../../render/labels.ts';
import { planRecord } from '../../../render/steps.ts';
import type { Reason } from '../../../schemas/index.ts';
import type { AttemptEnding, AttemptStart, AttemptState, RunKey, Runner, RunRecord } from '../../port.ts';
import { attemptName, attemptOf } from '../attempt-marks.ts';
import { unseen } from '../attempts.ts';
import { cancellationOn } from '../cancellation.ts';
import type { Inventory, PayloadFacts, RunObjects } from '../inventory.ts';
import type { SecretReader } from '../secret-values.ts';
import type { Pod } from '../wire.ts';
import { createHandovers, type Handovers, isRunner } from './handover.ts';
import type { PoolParts } from './pool.ts';
import { openPools } from './pools.ts';

/** What runner sets add to the runner of a source. */
export interface Warm extends Pick<Runner, 'keep' | 'pools'> {
  readonly handovers: Handovers;
  /** The set that is to run an attempt; undefined: it gets a pod of its own. */
  setFor(record: RunRecord, start: AttemptStart): string | undefined;
  /** Gives it to the set as soon as there is a runner, unless it is decided already what becomes of it. */
  start(record: RunRecord, set: string, start: AttemptStart, payload: PayloadFacts): void;
  /** The attempts of a run that have no pod, and of which nothing else tells; `settled`: the names of those that are known. */
  attemptsOf(run: RunObjects, settled: ReadonlySet<string>): readonly AttemptState[];
  /** A runner with an attempt has printed something for the first time, at this moment: milliseconds since 1970. */
  spoke(pod: Pod, at: number): void;
  /** Hands over what a run has to runners that have been claimed for it. */
  look(run: RunObjects): void;
  cancel(key: RunKey, reason: Reason, tasks?: readonly string[]): void;
}

export interface WarmOptions extends Omit<PoolParts, 'dirty' | 'learn'> {
  readonly inventory: Inventory;
  readonly secrets: SecretReader;
  /** An attempt has a runner now. */
  readonly started: (record: RunRecord, pod: Pod) => void;
  /** An attempt has ended without one. */
  readonly ended: (record: RunRecord, start: AttemptStart, ending: AttemptEnding) => void;
}

/** Opens what there is to runner sets. Throws what the API server says. */
export async function openWarm(options: WarmOptions): Promise<Warm> {
  const { scope, inventory, secrets, emit, started, ended, reached, signal } = options;
  const pools = await openPools({
    ...options,
    payloadOf: (key) => inventory.find(key)?.payload,
    learnPayload: (key, payload) => void inventory.learn(key, { payload }),
    started,
    ended: ({ record, task, number }, ending) => ended(record, { task, number }, ending),
  });
  const handovers = createHandovers({
    scope,
    secrets,
    claimedHere: (uid) => pools.claimedHere(uid),
    handed(record, pod) {
      const view = pools.runner(pod.metadata?.name ?? '');
      const claimed = Date.parse(handovers.contextOf(pod)?.claimed ?? '');
      if (view) emit({ kind: 'handed', set: view.set, seconds: Math.max(0, scope.clock.now() - claimed) / 1_000 });
      const run = inventory.find(record);
      if (run) started(record, pod);
    },
    reached,
    signal,
  });

  const setFor = (record: RunRecord, { task, number }: AttemptStart): string | undefined => {
    const named = runsOnOf(record.spec);
    const payload = inventory.find(record)?.payload;
    const name = attemptName({ task: task.name, number });
    // Who began it has decided which of the two it is.
    if (payload?.marks[name] !== undefined) return undefined;
    if (named && payload?.warm[name]) return named.set;
    const set = named ? pools.find(named.set) : undefined;
    if (!named || !set) return undefined;
    const own = taskRecord(record, task).record;
    const isPossible = !planRecord(own).gated && [...runnerObstacles(own.spec, set)].length === 0;
    if (!isPossible || task.slots > (set.spec.slots ?? set.spec.maxRunners)) return undefined;
    return named.mayFallBack && !pools.hasRoom(named.set, task.slots) ? undefined : named.set;
  };

  return {
    handovers,
    keep: (orders, complete) => pools.keep(orders, complete),
    pools: () => pools.states(),
    setFor,
    start(record, set, { task, number }, payload) {
      const fate = payload.warm[attemptName({ task: task.name, number })];
      if (!fate || !('ended' in fate)) pools.add(set, { record, task, number });
    },
    attemptsOf(run, settled) {
      const waiting = pools.waiting(run.key);
      const known = new Set([...settled, ...waiting.map(attemptName)]);
      const now = new Date(scope.clock.now()).toISOString();
      const decided = Object.entries(run.payload?.warm ?? {}).flatMap(([name, fate]): readonly AttemptState[] => {
        if (known.has(name)) return [];
        const attempt = attemptOf(name);
        const end = (reason: Reason, message: string, at: string): readonly AttemptState[] => [
          unseen(attempt, { kind: 'infrastructure', reason, message, step: null }, at),
        ];
        if ('ended' in fate) return end(fate.ended.reason, fate.ended.message, fate.ended.at);
        // A runner that is there and not claimed: whoever chose it was cut off, and it is going to be given anew.
        if (run.pods.has(fate.runner) || (pools.runner(fate.runner) && !run.vanished.has(fate.runner))) return [];
        const message = `the runner ${fate.runner} is gone, and how it ended was not seen`;
        return end('PodDeleted', message, now);
      });
      return [...waiting, ...decided];
    },
    spoke(pod, at) {
      const set = pod.metadata?.labels?.[LABELS.runnerSet];
      const claimed = Date.parse(handovers.contextOf(pod)?.claimed ?? '');
      const seconds = Math.max(0, at - claimed) / 1_000;
      const isNews = handovers.spoke(pod);
      if (set === undefined) return;
      if (isNews) emit({ kind: 'handed', set, seconds });
      emit({ kind: 'spoke', set, seconds });
    },
    look(run) {
      if (!run.record || !run.payload || cancellationOn(run.claim)) return;
      for (const pod of run.pods.values())
        if (isRunner(pod)) handovers.look({ record: run.record, payload: run.payload.name }, pod);
    },
    cancel: (key, reason, tasks) => pools.cancel(key, { kind: 'cancelled', reason, step: null }, tasks),
  };
}
