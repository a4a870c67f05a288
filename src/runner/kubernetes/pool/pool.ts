import { randomUUID } from 'node:crypto';
import { isCoded, messageOf } from '../../../errors.ts';
import { durationMs } from '../../../job/duration.ts';
import type { Owner, PodContext } from '../../../render/context.ts';
import { LABELS } from '../../../render/labels.ts';
import { runnerName, runnerSetName } from '../../../render/names.ts';
import { renderRunner, renderRunnerSet, templateOf } from '../../../render/runner-pod.ts';
import { judgePolicy, violationText } from '../../../render/policy.ts';
import type { Policy } from '../../../schemas/index.ts';
import type { PoolEvent, PoolOrder, PoolState } from '../../port.ts';
import { refusedEnding } from '../attempts.ts';
import { createObject, deleteObject, deleteObjects, findObject } from '../objects.ts';
import type { RunnerPoint } from '../points.ts';
import { selectorOf } from '../inventory.ts';
import type { Scope } from '../scope.ts';
import { configMaps, type Pod, pods, toWire } from '../wire.ts';
import { type Failures, type StartFailure, withFailure } from './back-off.ts';
import { planSize, type SizePlan } from './size.ts';
import { runnerTrouble, type RunnerView, startingTrouble } from './view.ts';

export interface PoolParts {
  readonly scope: Scope;
  readonly podContext: Omit<PodContext, 'payload' | 'epoch' | 'namespace' | 'installation' | 'source'>;
  readonly policy?: Policy | undefined;
  readonly emit: (event: PoolEvent) => void;
  /** Something has changed: look at the pool again. */
  readonly dirty: () => void;
  /** A pod that was just made need not wait for the watch. */
  readonly learn: (pod: Pod) => void;
  readonly reached: (point: RunnerPoint) => Promise<void>;
  readonly signal: AbortSignal;
}

/** One runner set as it is kept: makes its runners and removes them. What has an attempt is never touched. */
export interface Pool {
  readonly name: string;
  /** How it is to be kept; null: it is drained. */
  order: PoolOrder | null;
  /** Looks at its runners and does what is due. `demand`: attempts that wait for one. Returns when to look again at the latest. */
  tend(runners: readonly RunnerView[], demand: { readonly waiting: number; readonly assigned: number }): number | null;
  /** Why none can be started, where another try will not help and none is there; with when that was found out. */
  hopeless(runners: readonly RunnerView[]): (StartFailure & { readonly at: number }) | null;
  /** Why none is there yet, as far as is known. */
  trouble(runners: readonly RunnerView[]): StartFailure | null;
  state(): PoolState | null;
  /** Whether nothing of it is left, after it was drained. */
  isGone(): boolean;
  /** A runner is no longer there; `last`: as it was in the end. */
  vanished(last: RunnerView): void;
}

/** Removals and creations that wait for an answer. */
const REMOVALS_AT_ONCE = 32;
/** What is wrong with a runner may only show with time. */
const LOOK_AGAIN_MS = 1_000;

export function createPool(name: string, parts: PoolParts): Pool {
  const { scope, emit, dirty, reached, signal } = parts;
  const { cluster, namespace, clock, log } = scope;
  let failures: Failures | null = null;
  /** The names of pods for which a request is under way. */
  const creating = new Set<string>();
  let owner: Promise<Owner> | null = null;
  let last: PoolState | null = null;
  let lastDesired = 0;
  let gone: 'no' | 'going' | 'yes' = 'no';
  const removing = new Set<string>();
  /** By uid: those that have been ready, so that each counts once. */
  const seen = new Set<string>();
  const failed = new Set<string>();
  /** Runners in which nothing was wrong, as they were read, and when. */
  const fine = new WeakMap<Pod, number>();
  let template: { readonly order: PoolOrder; readonly text: string } | null = null;

  const contextNow = (): Omit<PodContext, 'payload'> => ({
    ...parts.podContext,
    ...scope,
    epoch: scope.authority.epoch,
  });

  const templateNow = (order: PoolOrder): string => {
    if (template?.order !== order) template = { order, text: templateOf(order.set, contextNow()) };
    return template.text;
  };

  const fail = (tried: number, failure: StartFailure): void => {
    failures = withFailure(failures, tried, clock.now(), failure);
    emit({ kind: 'failed', set: name, reason: failure.reason });
    const { reason, message } = failure;
    log.warn({ set: name, reason, tries: failures.rounds }, `a runner did not start: ${message}`);
    dirty();
  };

  const ensureOwner = async (): Promise<Owner> => {
    const object = toWire(renderRunnerSet(name, scope));
    try {
      const made = await createObject(cluster, configMaps, object, { signal });
      return { name: made.metadata?.name ?? '', uid: made.metadata?.uid ?? '' };
    } catch (error) {
      if (!isCoded(error, 'AlreadyExists') && !isCoded(error, 'CreateUncertain')) throw error;
      const found = await findObject(cluster, configMaps, { name: runnerSetName(scope, name), namespace }, { signal });
      if (!found) throw error;
      return { name: found.metadata?.name ?? '', uid: found.metadata?.uid ?? '' };
    }
  };

  const create = async (order: PoolOrder): Promise<void> => {
    const began = clock.now();
    const unique = runnerName(scope, name, randomUUID());
    creating.add(unique);
    try {
      await reached('beforeRunner');
      if (!scope.authority.isValid()) return;
      owner ??= ensureOwner();
      const own = await owner;
      const pod = renderRunner({ set: order.set, context: contextNow(), name: unique, owner: own });
      const violations = judgeRunner(order, pod, parts);
      if (violations !== null) return fail(began, { reason: 'Refused', message: violations, isFinal: true });
      parts.learn(await createObject(cluster, pods, toWire(pod), { signal }));
      await reached('afterRunner');
    } catch (error) {
      if (signal.aborted) return;
      owner = null;
      if (isCoded(error) && error.errorClass === 'terminal') {
        const ending = refusedEnding(error);
        const reason = ending.kind === 'infrastructure' ? ending.reason : 'Refused';
        fail(began, { reason, message: error.message, isFinal: true });
      } else if (!isCoded(error, 'CreateUncertain'))
        fail(began, { reason: 'StartError', message: messageOf(error), isFinal: false });
    } finally {
      creating.delete(unique);
      dirty();
    }
  };

  const remove = async (runner: RunnerView, why: string): Promise<void> => {
    if (removing.has(runner.uid) || removing.size >= REMOVALS_AT_ONCE || !scope.authority.isValid()) return;
    removing.add(runner.uid);
    const resourceVersion = runner.pod.metadata?.resourceVersion ?? '';
    try {
      // Only as it was seen: one that has an attempt by now stays.
      const precondition = { uid: runner.uid, resourceVersion };
      await deleteObject(cluster, pods, { name: runner.name, namespace }, { signal, precondition });
      log.info({ set: name, runner: runner.name, reason: why }, 'removed a runner');
    } catch (error) {
      if (!signal.aborted && !isCoded(error, 'Conflict'))
        log.warn({ set: name, runner: runner.name, error: messageOf(error) }, 'a runner could not be removed yet');
      setTimeout(() => removing.delete(runner.uid), 1_000).unref();
      return;
    }
    // It is gone in a moment; until then it is not removed twice.
    setTimeout(() => removing.delete(runner.uid), 60_000).unref();
  };

  const tellLost = (runner: RunnerView, { reason, message }: Pick<StartFailure, 'reason' | 'message'>): void => {
    emit({ kind: 'failed', set: name, reason });
    log.warn({ set: name, runner: runner.name, reason }, `lost a runner without an attempt: ${message}`);
  };

  /** What ended, or will never be ready, goes; whose fault it was is counted. */
  const judge = (runner: RunnerView): boolean => {
    if (runner.claimed || runner.phase === 'going') return false;
    const now = clock.now();
    // With a thousand runners that start, each is not looked at for every other one that changes.
    if (now - (fine.get(runner.pod) ?? 0) < LOOK_AGAIN_MS) return false;
    const trouble = runnerTrouble(runner.pod, new Date(clock.now()).toISOString());
    if (!trouble) {
      fine.set(runner.pod, now);
      return false;
    }
    if (!failed.has(runner.uid)) {
      failed.add(runner.uid);
      if (trouble.isOwn) fail(runner.created, trouble);
      else tellLost(runner, trouble);
    }
    void remove(runner, trouble.reason);
    return true;
  };

  const noteReady = (runner: RunnerView): void => {
    if (runner.phase !== 'idle' || seen.has(runner.uid)) return;
    seen.add(runner.uid);
    const since = runner.idleSince ?? clock.now();
    emit({ kind: 'ready', set: name, seconds: Math.max(0, (since - runner.created) / 1_000) });
    // The API server writes whole seconds.
    if (failures && runner.created + 1_000 > failures.at) failures = null;
  };

  const troubleOf = (runners: readonly RunnerView[]): StartFailure | null => {
    if (failures) return failures.last;
    for (const { phase, pod } of runners) {
      const trouble = phase === 'starting' ? startingTrouble(pod) : null;
      if (trouble) return trouble;
    }
    return null;
  };

  const drain = (runners: readonly RunnerView[]): null => {
    const idle = runners.filter(({ claimed, phase }) => !claimed && phase !== 'going');
    for (const runner of idle) void remove(runner, 'SetRemoved');
    if (idle.length === 0 && creating.size === 0 && gone === 'no') {
      gone = 'going';
      const labelSelector = `${selectorOf(scope, 'runner-set')},${LABELS.runnerSet}=${name}`;
      deleteObjects(cluster, configMaps, { namespace, labelSelector }, { signal })
        .then(() => {
          gone = 'yes';
          owner = null;
          emit({ kind: 'gone', set: name });
          log.info({ set: name }, 'the runner set is no longer in the source, and has been drained');
          dirty();
        })
        .catch((error: unknown) => {
          gone = 'no';
          if (!signal.aborted)
            log.warn({ set: name, error: messageOf(error) }, 'a runner set could not be removed yet');
        });
    }
    return null;
  };

  const unseenAmong = (runners: readonly RunnerView[]): number => {
    let unseen = creating.size;
    for (const runner of creating.size === 0 ? [] : runners) if (creating.has(runner.name)) unseen -= 1;
    return unseen;
  };

  const tell = (
    order: PoolOrder,
    plan: SizePlan,
    runners: readonly RunnerView[],
    demand: { waiting: number; assigned: number },
  ) => {
    const count = (wanted: RunnerView['phase']): number => runners.filter(({ phase }) => phase === wanted).length;
    const trouble = troubleOf(runners);
    const isReady = trouble === null || (failures === null && count('idle') + count('busy') > 0);
    const { spec } = order.set;
    const state: PoolState = {
      set: name,
      minRunners: spec.minRunners ?? 0,
      maxRunners: spec.maxRunners,
      scheduledMin: order.scheduledMin,
      slots: spec.slots ?? spec.maxRunners,
      desired: plan.desired,
      idle: count('idle'),
      busy: count('busy'),
      starting: count('starting') + unseenAmong(runners),
      failing: failures?.rounds ?? 0,
      ...demand,
      ready: isReady
        ? { status: true, reason: 'RunnersStart', message: 'runners start as they should' }
        : { status: false, reason: trouble.reason, message: trouble.message },
    };
    if (JSON.stringify(state) !== JSON.stringify(last)) emit({ kind: 'state', state });
    last = state;
  };

  return {
    name,
    order: null,
    tend(runners, demand) {
      const { order } = this;
      if (!order) return drain(runners);
      gone = 'no';
      const fit = runners.filter((runner) => !judge(runner) && !removing.has(runner.uid));
      for (const runner of fit) noteReady(runner);
      const { spec } = order.set;
      const plan = planSize({
        minRunners: spec.minRunners ?? 0,
        maxRunners: spec.maxRunners,
        scheduledMin: order.scheduledMin,
        idleTimeoutMs: durationMs(spec.idleTimeout ?? '10m'),
        maxLifetimeMs: durationMs(spec.maxLifetime ?? '24h'),
        parallelCreations: spec.parallelCreations ?? 10,
        template: templateNow(order),
        runners: fit.flatMap((runner) => {
          const { phase } = runner;
          return phase === 'ended' || phase === 'going' ? [] : [{ ...runner, phase }];
        }),
        assigned: demand.assigned,
        creating: creating.size,
        unseen: unseenAmong(runners),
        retryAt: failures?.retryAt ?? null,
        failing: failures !== null,
        now: clock.now(),
      });
      if (plan.desired !== lastDesired) {
        const { minRunners = 0 } = spec;
        const why = { assigned: demand.assigned, minRunners, scheduled: order.scheduledMin };
        log.info({ set: name, from: lastDesired, to: plan.desired, ...why }, 'another number of runners is wanted');
        lastDesired = plan.desired;
      }
      for (const { name: runner, reason } of plan.remove) {
        const found = runners.find((one) => one.name === runner);
        if (found) void remove(found, reason);
      }
      for (let count = 0; count < plan.create; count += 1) void create(order);
      tell(order, plan, fit, demand);
      return plan.wakeAt;
    },
    hopeless(runners) {
      const isAny = runners.some(({ phase, pod }) => {
        if (phase === 'idle' || phase === 'busy') return true;
        return phase === 'starting' && !failed.has(pod.metadata?.uid ?? '') && startingTrouble(pod) === null;
      });
      return failures?.last.isFinal && !isAny && creating.size === 0 ? { ...failures.last, at: failures.at } : null;
    },
    trouble: troubleOf,
    state: () => last,
    isGone: () => gone === 'yes',
    vanished(runner) {
      seen.delete(runner.uid);
      const hadFailed = failed.delete(runner.uid);
      if (removing.delete(runner.uid) || runner.claimed) return;
      // The ConfigMap of the set may have gone, too.
      owner = null;
      if (hadFailed) return;
      const trouble = runnerTrouble(runner.pod, new Date(clock.now()).toISOString());
      tellLost(runner, trouble ?? { reason: 'PodDeleted', message: 'it vanished' });
    },
  };
}

/** What the policy of the source has against the runners of a set, as a sentence; null: nothing. */
function judgeRunner({ set }: PoolOrder, pod: ReturnType<typeof renderRunner>, parts: PoolParts): string | null {
  const { policy, podContext } = parts;
  if (!policy) return null;
  const { image, resources, pod: overlay } = set.spec;
  const spec = {
    image,
    run: '',
    ...(resources === undefined ? {} : { resources }),
    ...(overlay === undefined ? {} : { pod: overlay }),
  };
  const violations = judgePolicy({ pod, spec, imagePullSecrets: podContext.imagePullSecrets }, policy);
  return violations.length === 0 ? null : `the policy of the source refuses it: ${violationText(violations)}`;
}
