import { eachOf } from '../../each-of.ts';
import { isCoded, terminalError, transientError } from '../../errors.ts';
import { tasksOfRun } from '../../job/fan-out.ts';
import { taskRecord } from '../../job/task-spec.ts';
import { runsOnOf } from '../../job/runs-on.ts';
import type { MaskPatterns } from '../../logs/mask-patterns.ts';
import { secretUsesOfTask } from '../../render/handover.ts';
import { type SecretUse, secretUsesOfJob } from '../../render/secret-uses.ts';
import { planPod } from '../../render/steps.ts';
import type { AttemptEnding, AttemptStart, AttemptState, RunKey, Runner, RunnerEvents, RunRecord } from '../port.ts';
import type { LogKeeper } from '../whole-log.ts';
import { type AnnouncementResult, createAnnouncer } from './announcer.ts';
import { attemptName, marksWith } from './attempt-marks.ts';
import { type CollectArtifacts, createAttendance } from './attendance.ts';
import { attemptOfPod, recordOfObjects, refusedEnding, unseen } from './attempts.ts';
import { ensureBudget } from './budget.ts';
import { cancellationOn, markCancelled } from './cancellation.ts';
import { type Inventory, openInventory, type PayloadFacts, type RunObjects } from './inventory.ts';
import { createLiveRuns } from './live-runs.ts';
import { watchNodes } from './lost-nodes.ts';
import { ORPHAN_GRACE_MS, type RunState, sweepOrphans } from './orphans.ts';
import { parkOutcome } from './park.ts';
import type { RunnerPoint } from './points.ts';
import { releaseRuns } from './release.ts';
import { createReleases } from './releases.ts';
import { runName, type Scope } from './scope.ts';
import { createSecretReader } from './secret-values.ts';
import { isRunner } from './pool/handover.ts';
import { openWarm } from './pool/warm.ts';
import {
  claimRun,
  judgeAttempt,
  makePayload,
  makePod,
  makeToken,
  markAttempts,
  markOwnPods,
  type StartParts,
} from './start.ts';
import type { Pod } from './wire.ts';

export interface KubernetesRunnerOptions {
  readonly scope: Scope;
  readonly podContext: StartParts['podContext'];
  readonly events: RunnerEvents;
  readonly nodeLostAfterMs: number;
  /** Finds what attempts sent. Absent: jobs with artifacts are refused. */
  readonly collect?: CollectArtifacts;
  readonly policy?: StartParts['policy'];
  /** Patterns that are always redacted. */
  readonly masks?: MaskPatterns | undefined;
  /** Where whole logs go. */
  readonly keeper?: LogKeeper | undefined;
  readonly signal: AbortSignal;
  /** How long an object of no known run is left where it is; default 10 min. */
  readonly orphanGraceMs?: number;
  /** Notices of runs become Kubernetes Events; told what becomes of each. Absent: none are made. */
  readonly announced?: ((result: AnnouncementResult) => void) | undefined;
  /** Whether it keeps runner sets; a command, which ends, keeps none. */
  readonly keepsPools?: boolean;
  /** Whether claims stay for a while after their runs are let go of; not where no ledger says that these are over. Default: true. */
  readonly keepsClaims?: boolean;
  /** Called at the points of a run's life; tests end the process there. */
  readonly reached?: (point: RunnerPoint) => Promise<void>;
}

/** Time-outs are looked at so often; everything else when it happens. */
const LOOK_MS = 1_000;
/** In less time nobody can have adopted a claim, made a pod, seen it end, pushed its outcome and taken its payload away. */
const NEW_CLAIM_MS = 500;
/** How many pods of one run are made at the same time. */
const PODS_AT_ONCE = 16;

/**
 * Runs as pods of a cluster. Everything that has to last is in the cluster: what this object keeps are copies, streams that
 * are being read, and what has been read of them.
 */
export async function createKubernetesRunner(options: KubernetesRunnerOptions): Promise<Runner> {
  const { scope, events, nodeLostAfterMs, podContext, policy, reached = async () => undefined } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([options.signal, closing.signal]);
  const abandon = (error: unknown): never => {
    closing.abort(); // watches would go on trying
    throw error;
  };
  // What is there already is looked at below, once everything that looks is in place.
  let changed = (_key: RunKey): void => undefined;
  await reached('beforeInventory');
  const inventory = await openInventory(scope, (key) => changed(key), signal, reached).catch(abandon);
  await reached('afterInventory');
  const secretReader = createSecretReader(scope);
  const readSecrets = async (pod: Pod, record: RunRecord, given: AbortSignal) =>
    secretReader.read(usesOf(pod, record), given);
  await ensureBudget(scope, signal).catch(abandon);

  const lostNodes = watchNodes({ scope, atWork: () => nodesAtWork(inventory.runs()), signal });
  const warm = options.keepsPools
    ? await openWarm({
        scope,
        podContext,
        policy,
        inventory,
        secrets: secretReader,
        emit: (event) => events.pool?.(event),
        started(record, pod) {
          look(inventory.learn(record, { pod }));
          events.changed(record);
        },
        ended: (record, start, ending) => endWithoutPod(record, start, ending),
        reached,
        signal,
      }).catch(abandon)
    : undefined;
  const warmOf = (pod: Pod) => warm?.handovers.contextOf(pod);
  const attendance = createAttendance({
    scope,
    events,
    nodeLostAfterMs,
    lostNodes,
    readSecrets,
    masks: options.masks,
    keeper: options.keeper,
    collect: options.collect ?? null,
    warmOf,
    spoke: (pod, at) => warm?.spoke(pod, at),
    reached,
    signal,
  });
  const releases = createReleases({ scope, inventory, keepsClaims: options.keepsClaims ?? true, reached, signal });
  const claimOf = (key: RunKey): { name: string; uid: string } | undefined => {
    const { name, uid } = inventory.find(key)?.claim?.metadata ?? {};
    return name === undefined || uid === undefined ? undefined : { name, uid };
  };
  const announcer = options.announced && createAnnouncer({ scope, claimOf, meter: options.announced, signal });
  const parts: StartParts = { scope, podContext, policy, readSecrets, reached };
  /** Claims that this process has certainly made, by the names of their runs, and when it began to. */
  const made = new Map<string, number>();
  /** Attempts without a pod whose ending is known, by the names of their runs. */
  const podless = new Map<string, Map<string, AttemptState>>();
  /** Attempts that are being started: nobody has seen a pod of them, and none is missing. */
  const starting = new Set<string>();

  const look = (run: RunObjects): void => {
    if (releases.has(run.key)) return;
    attendance.look(run);
    warm?.look(run);
  };
  changed = (key) => {
    const run = inventory.find(key);
    if (run) look(run);
    // What is being let go of changes, too: that is no news for anybody.
    if (!releases.has(key)) events.changed(key);
  };
  for (const run of inventory.runs()) look(run);
  const timer = setInterval(() => {
    for (const run of inventory.runs()) look(run);
  }, LOOK_MS).unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  const stateOf = (key: RunKey): RunState => (releases.has(key) ? 'released' : stateIn(inventory, key));
  void sweepOrphans({ scope, stateOf, graceMs: options.orphanGraceMs ?? ORPHAN_GRACE_MS, signal });

  const liveRun = createLiveRuns({ scope, attendance, podless, starting, warm });

  const endWithoutPod = (record: RunRecord, { task, number }: AttemptStart, ending: AttemptEnding): void => {
    const name = runName(record);
    const attempt = { task: task.name, number };
    const known = podless.get(name) ?? new Map<string, AttemptState>();
    known.set(attemptName(attempt), unseen(attempt, ending, new Date(scope.clock.now()).toISOString()));
    podless.set(name, known);
    events.changed(record);
  };

  /** What throws for good is the ending of these attempts; undefined then. */
  const unlessRefused = async <T>(
    record: RunRecord,
    attempts: readonly AttemptStart[],
    work: () => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!isCoded(error) || error.errorClass !== 'terminal' || error.code === 'LeadershipLost') throw error;
      for (const attempt of attempts) endWithoutPod(record, attempt, refusedEnding(error));
      return undefined;
    }
  };

  /** The payload with these attempts on it; undefined where the run is over or can't be started. */
  const payloadFor = async (
    record: RunRecord,
    files: Parameters<Runner['start']>[1],
    attempts: readonly AttemptStart[],
    given: AbortSignal,
    isRecorded: () => Promise<boolean>,
  ): ReturnType<typeof makePayload> => {
    const run = inventory.find(record);
    const names = attempts.map(({ task, number }) => ({ task: task.name, number }));
    const isShared = warm !== undefined && runsOnOf(record.spec) !== null;
    const isMarked = ({ marks: known }: PayloadFacts): boolean =>
      names.every((name) => known[attemptName(name)] !== undefined);
    const marked = async (payload: Awaited<ReturnType<typeof makePayload>>): ReturnType<typeof makePayload> =>
      payload && isShared && !payload.settled && !isMarked(payload)
        ? markOwnPods(scope, payload, names, given)
        : payload;
    const marks = marksWith(run?.payload?.marks ?? {}, names, new Date(scope.clock.now()).toISOString());
    if (run?.payload) {
      if (isShared) return marked(run.payload);
      const isNew = names.length > 0;
      return isNew ? markAttempts(parts, run.payload, marks, given) : run.payload;
    }
    const claim = run?.claim;
    if (!claim) throw transientError('ClaimMissing', `the claim of ${record.job} #${record.run} is gone`);
    const isNew = (): boolean => {
      const at = made.get(runName(record));
      return at !== undefined && scope.clock.monotonic() - at < NEW_CLAIM_MS;
    };
    return marked(await makePayload(parts, { claim, record, files, marks, isRecorded, isNew }, given));
  };

  return {
    kind: 'kubernetes',
    outlives: true,
    refuses: (spec) => refusedFields(spec, podContext.address !== undefined, options.collect !== undefined),
    ignores: () => [],
    async list() {
      return Array.from(inventory.runs()).flatMap((run) => (releases.has(run.key) ? [] : (liveRun(run) ?? [])));
    },
    async claim(record, given) {
      await releases.makeWay(record);
      const began = scope.clock.monotonic();
      const claimed = await claimRun(parts, record, given);
      if (claimed === 'taken') return 'exists';
      releases.forget(record);
      if (claimed.made) made.set(runName(record), began);
      inventory.learn(record, { claim: claimed.object, record });
      return 'claimed';
    },
    async start(record, files, attempts, given, isRecorded) {
      const wanted = attempts.length > 0 ? attempts : tasksOfRun(record).map((task) => ({ task, number: 1 }));
      const pods = new Map<AttemptStart, (payload: PayloadFacts) => Pod>();
      const inSets = new Map<AttemptStart, string>();
      // Judged before the payload exists: what may not run leaves nothing behind but its claim.
      for (const attempt of attempts)
        await unlessRefused(record, [attempt], async () => {
          const { nothingLeft, skipped } = taskRecord(record, attempt.task);
          if (nothingLeft) endWithoutPod(record, attempt, { kind: 'nothingToDo', skipped });
          else {
            const podFor = await judgeAttempt(parts, record, attempt, given);
            const set = warm?.setFor(record, attempt);
            if (set === undefined) pods.set(attempt, podFor);
            else inSets.set(attempt, set);
          }
        });
      if (pods.size + inSets.size === 0 && attempts.length > 0) return;
      const ids = [...pods.keys()].map((attempt) => `${runName(record)}/${nameOfStart(attempt)}`);
      for (const id of ids) starting.add(id);
      try {
        const begun = [...pods.keys(), ...inSets.keys()];
        const payload = await unlessRefused(record, attempts.length > 0 ? begun : wanted, () =>
          payloadFor(record, files, [...pods.keys()], given, isRecorded),
        );
        if (!payload) return;
        const { settled, ...facts } = payload;
        inventory.learn(record, { record: settled ?? record, payload: facts });
        // The attempts are decided on anew, by what is put down.
        if (settled) return events.changed(record);
        for (const [attempt, set] of inSets) warm?.start(record, set, attempt, facts);
        await eachOf([...pods], PODS_AT_ONCE, async ([attempt, podFor]) => {
          const pod = await unlessRefused(record, [attempt], async () => {
            await makeToken(parts, record, attempt, payload, given);
            const found = await makePod(parts, record, podFor(payload), given);
            if (!found) throw terminalError('NameTaken', `another run has the pod of ${record.job} #${record.run}`);
            return found;
          });
          if (pod) look(inventory.learn(record, { pod }));
        });
      } finally {
        for (const id of ids) starting.delete(id);
      }
    },
    async cancel(key, reason, tasks, by) {
      const run = inventory.find(key);
      if (!run) return;
      if (tasks === undefined && run.claim && !cancellationOn(run.claim)) {
        run.claim = await markCancelled(scope, run.claim, { reason, ...(by === undefined ? {} : { by }) }, signal);
        events.changed(key);
      }
      warm?.cancel(key, reason, tasks);
      const record = run.record ?? recordOfObjects(run);
      const going = [...run.pods.values()].filter((pod) => tasks?.includes(attemptOfPod(pod).task) ?? true);
      for (const pod of going)
        if (record && attendance.stateOf(pod).ending === null)
          await attendance.end(record, pod, { reason, message: undefined });
    },
    async park(key, outcome, parkSignal) {
      if (!scope.authority.isValid()) return;
      await reached('beforePark');
      await parkOutcome(scope, key, outcome, parkSignal);
      await reached('afterPark');
      await releaseRuns(scope, inventory, [key], parkSignal);
    },
    async release(keys) {
      for (const key of keys) {
        const gone = [...(inventory.find(key)?.pods.values() ?? [])];
        attendance.forget(gone);
        for (const pod of gone) warm?.handovers.forget(pod);
        podless.delete(runName(key));
        made.delete(runName(key));
      }
      releases.add(keys);
    },
    flush: () => releases.flush(),
    ...(announcer ? { announce: (notice) => announcer.announce(notice) } : {}),
    ...(warm?.keep && warm.pools ? { keep: warm.keep, pools: warm.pools } : {}),
    // Runs go on in the cluster: the next leader adopts them.
    async close() {
      attendance.stop();
      announcer?.close();
      await releases.close();
      closing.abort();
    },
  };
}

/** The Secrets that the containers of a job see; a runner of a set is told the values. */
const usesOf = (pod: Pod, record: RunRecord): readonly SecretUse[] => {
  if (isRunner(pod)) return secretUsesOfTask(record);
  return pod.spec ? secretUsesOfJob(pod.spec, record.spec) : [];
};

const nameOfStart = ({ task, number }: AttemptStart): string => attemptName({ task: task.name, number });

function stateIn(inventory: Inventory, key: RunKey): RunState {
  const run = inventory.find(key);
  return run && (run.record ?? recordOfObjects(run)) ? 'live' : 'unknown';
}

function* nodesAtWork(runs: Iterable<RunObjects>): Generator<string> {
  for (const { pods } of runs) {
    for (const { spec, status } of pods.values())
      if (spec?.nodeName !== undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed')
        yield spec.nodeName;
  }
}

/** What this installation is not set up for. */
function refusedFields(spec: RunRecord['spec'], isReached: boolean, keeps: boolean): readonly string[] {
  const { checkout, artifacts } = planPod(spec);
  const needs = 'an address at which pods reach runledger: --address or RUNLEDGER_ADDRESS, --serve for a command';
  return [
    ...(checkout && !isReached ? [`spec.checkout (it needs ${needs})`] : []),
    ...(artifacts && !isReached ? [`spec.artifacts (it needs ${needs})`] : []),
    ...(artifacts && isReached && !keeps ? ['spec.artifacts (it needs a store: artifacts.store, or --store)'] : []),
  ];
}
