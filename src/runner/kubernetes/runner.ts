import { secretUsesOfJob } from '../../render/secret-uses.ts';
import type { AttemptEnding, LiveRun, RunKey, Runner, RunnerEvents, RunRecord } from '../port.ts';
import { createAttendance } from './attendance.ts';
import { recordOfObjects, refusal, refusedEnding, vanished } from './attempts.ts';
import { ensureBudget } from './budget.ts';
import { type Inventory, openInventory, type RunObjects } from './inventory.ts';
import { watchNodes } from './lost-nodes.ts';
import { ORPHAN_GRACE_MS, type RunState, sweepOrphans } from './orphans.ts';
import { parkedOn, parkOutcome } from './park.ts';
import type { RunnerPoint } from './points.ts';
import { releaseRuns } from './release.ts';
import { createReleases } from './releases.ts';
import { runName, type Scope } from './scope.ts';
import { createSecretReader } from './secret-values.ts';
import { startRun, type StartParts } from './start.ts';
import type { Pod } from './wire.ts';

export interface KubernetesRunnerOptions {
  readonly scope: Scope;
  readonly podContext: StartParts['podContext'];
  readonly events: RunnerEvents;
  readonly nodeLostAfterMs: number;
  readonly policy?: StartParts['policy'];
  readonly signal: AbortSignal;
  /** How long an object of no known run is left where it is; default 10 min. */
  readonly orphanGraceMs?: number;
  /** Called at the points of a run's life; tests end the process there. */
  readonly reached?: (point: RunnerPoint) => Promise<void>;
}

/** Time-outs are looked at so often; everything else when it happens. */
const LOOK_MS = 1_000;

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
  const readSecrets = async ({ spec }: Pod, record: RunRecord, given: AbortSignal) =>
    secretReader.read(spec ? secretUsesOfJob(spec, record.spec) : [], given);
  await ensureBudget(scope, signal).catch(abandon);

  const lostNodes = watchNodes({ scope, atWork: () => nodesAtWork(inventory.runs()), signal });
  const attendance = createAttendance({ scope, events, nodeLostAfterMs, lostNodes, readSecrets, reached, signal });
  const releases = createReleases({ scope, inventory, reached, signal: options.signal });
  const refused = new Map<string, AttemptEnding>();

  const look = (run: RunObjects): void => {
    if (!releases.has(run.key)) attendance.look(run);
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

  const liveRun = (run: RunObjects): LiveRun | undefined => {
    const record = run.record ?? recordOfObjects(run);
    if (!record || releases.has(run.key)) return undefined;
    const parked = parkedOn(run.claim);
    if (parked) return { record, phase: 'ended', mine: true, attempts: [], parked };
    const attempt =
      attendance.ended(run.key) ??
      refusal(refused.get(runName(run.key)), record) ??
      vanished(run, record, scope.clock.now());
    if (attempt) return { record, phase: 'ended', mine: true, attempts: [attempt] };
    return { record, phase: run.pods.size > 0 ? 'running' : 'interrupted', mine: true, attempts: [] };
  };

  return {
    kind: 'kubernetes',
    outlives: true,
    refuses: () => [],
    ignores: () => [],
    async list() {
      return Array.from(inventory.runs()).flatMap((run) => liveRun(run) ?? []);
    },
    async start(record, files, startSignal, isRecorded) {
      await releases.makeWay(record);
      const parts: StartParts = { scope, podContext, policy, readSecrets, reached };
      const result = await startRun(parts, record, files, startSignal, isRecorded);
      if (result.kind === 'taken') return 'exists';
      releases.forget(record);
      if (result.kind === 'refused') {
        inventory.learn(record, { claim: result.claim, record });
        refused.set(runName(record), refusedEnding(result.error));
        events.changed(record);
      } else {
        const { claim, payload, pod } = result;
        const payloadMade = payload.metadata?.creationTimestamp ?? new Date(scope.clock.now()).toISOString();
        look(inventory.learn(record, { claim, record, payloadMade, pod }));
      }
      return 'started';
    },
    async cancel(key, reason) {
      const run = inventory.find(key);
      const [pod] = run?.pods.values() ?? [];
      if (run?.record && pod) await attendance.end(run.record, pod, { reason, message: undefined });
    },
    async park(key, outcome, parkSignal) {
      if (!scope.authority.isValid()) return;
      await reached('beforePark');
      await parkOutcome(scope, key, outcome, parkSignal);
      await reached('afterPark');
      await releaseRuns(scope, inventory, [key], parkSignal);
    },
    async release(keys) {
      releases.add(keys);
      for (const key of keys) {
        attendance.forget(key);
        refused.delete(runName(key));
      }
    },
    flush: () => releases.flush(),
    // Runs go on in the cluster: the next leader adopts them.
    async close() {
      attendance.stop();
      await releases.close();
      closing.abort();
    },
  };
}

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
