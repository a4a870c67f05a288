import { isCoded, messageOf, type CodedError } from '../../errors.ts';
import { normalizeSpec } from '../../job/defaults.ts';
import { readPod, type AskedEnd, type PodContext, type PodVerdict } from '../../outcome/pod.ts';
import { renderBudget } from '../../render/budget.ts';
import { ANNOTATIONS, triggerOf, identityOf } from '../../render/labels.ts';
import { planPod } from '../../render/steps.ts';
import type { Reason } from '../../schemas/index.ts';
import type {
  AttemptEnding,
  AttemptOutput,
  AttemptState,
  LiveRun,
  RunKey,
  Runner,
  RunnerEvents,
  RunRecord,
} from '../port.ts';
import { openInventory, type RunObjects } from './inventory.ts';
import { createObject, deleteObject, mergePatch } from './objects.ts';
import { createPodOutput, type PodOutput } from './output.ts';
import { parkedOn, parkOutcome } from './park.ts';
import { deleteClaims, releaseRuns } from './release.ts';
import { runName, type Scope } from './scope.ts';
import { createSecretReader } from './secret-values.ts';
import { startCause } from './start-cause.ts';
import { startRun, type ReleasePoint, type StartParts, type StartPoint } from './start.ts';
import { toWire, type Pod, podDisruptionBudgets, pods } from './wire.ts';

export interface KubernetesRunnerOptions {
  readonly scope: Scope;
  readonly podContext: StartParts['podContext'];
  readonly events: RunnerEvents;
  readonly nodeLostAfterMs: number;
  readonly policy?: StartParts['policy'];
  readonly signal: AbortSignal;
  /** Called at the points of a run's life; tests end the process there. */
  readonly reached?: (point: StartPoint | ReleasePoint) => Promise<void>;
}

/** An end that we ask for, noted on the pod so that the next leader knows of it. */
export const END_ANNOTATION = 'runledger.dev/end';
const LOOK_MS = 1_000;
/** How long the last bytes of a log are waited for: the kubelet drops them about 5 s after a container of a deleted pod ends. */
const OUTPUT_LIMIT_MS = 10_000;
/** A payload without a pod is a start that was cut off; if it is older than this, the pod was there and somebody removed it. */
const CUT_OFF_MS = 120_000;

/** A claim stays for an hour after its run is in the ledger . */
const KEEP_CLAIM_MS = 3_600_000;
const SWEEP_MS = 60_000;

interface Ended {
  readonly attempt: AttemptState;
}

/**
 * Runs as pods of a cluster. Everything that has to last is in the cluster: what this object keeps are copies, streams that
 * are being read, and what has been read of them.
 */
export async function createKubernetesRunner(options: KubernetesRunnerOptions): Promise<Runner> {
  const { scope, events } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([options.signal, closing.signal]);
  // What is there already is looked at below, once everything that looks is in place.
  let changed = (_key: RunKey): void => undefined;
  const inventory = await openInventory(scope, (key) => changed(key), signal);
  const secretValues = createSecretReader(scope);
  const outputs = new Map<string, PodOutput>();
  const ended = new Map<string, Ended>();
  const ending = new Set<string>();
  const asking = new Set<string>();
  const refused = new Map<string, AttemptEnding>();
  const released = new Set<string>();
  const releasedAt = new Map<string, number>();
  await ensureBudget(scope, signal);

  const outputOf = (record: RunRecord): PodOutput => {
    const name = runName(record);
    const known = outputs.get(name);
    if (known) return known;
    const output = createPodOutput({
      scope,
      record,
      steps: stepNames(record),
      secrets: secretValues.load(record, signal).then(() => secretValues.known(record)),
      onLine: (line) => events.output(line),
    });
    outputs.set(name, output);
    return output;
  };

  const look = (run: RunObjects): void => {
    const [pod] = run.pods.values();
    const record = run.record ?? recordOfObjects(run);
    if (!pod || !record || ended.has(runName(record)) || released.has(runName(record))) return;
    const verdict = readPod(pod, podContextOf(record, pod, options), new Date(scope.clock.now()).toISOString());
    if (verdict.phase !== 'starting') outputOf(record).follow(pod);
    if (verdict.phase === 'ended') void finish(record, pod, verdict);
    else if (verdict.end)
      void askEnd(record, pod, verdict.end.reason, endMessage(verdict.end.ending), {
        ending: verdict.end.ending,
        started: verdict.phase === 'running' ? verdict.started : null,
      });
  };

  const finish = async (record: RunRecord, pod: Pod, verdict: PodVerdict & { phase: 'ended' }): Promise<void> => {
    const name = runName(record);
    if (ending.has(name)) return;
    ending.add(name);
    const output = await outputOf(record).end(OUTPUT_LIMIT_MS);
    ended.set(name, { attempt: attemptState(pod, verdict, output) });
    outputs.delete(name);
    ending.delete(name);
    events.changed(record);
  };

  /** Notes why on the pod, then deletes it: the finalizer keeps it until its outcome is recorded. */
  const askEnd = async (
    record: RunRecord,
    pod: Pod,
    reason: Reason,
    message: string | undefined,
    lost?: { readonly ending: AttemptEnding; readonly started: string | null },
  ): Promise<void> => {
    const name = runName(record);
    // A pod of a lost node is being deleted already, which is how it was found out.
    const isGoing = pod.metadata?.deletionTimestamp !== undefined && reason !== 'NodeLost';
    if (asking.has(name) || isGoing || !scope.authority.isValid()) return;
    asking.add(name);
    const ref = { name: pod.metadata?.name ?? '', namespace: scope.namespace };
    try {
      const cause = { reason, message };
      const told = reason === 'StartTimeout' ? await startCause(scope, pod, cause, signal) : cause;
      const asked: AskedEnd = {
        reason: told.reason,
        at: new Date(scope.clock.now()).toISOString(),
        ...(told.message === undefined ? {} : { message: told.message }),
      };
      const annotations = { [END_ANNOTATION]: JSON.stringify(asked) };
      await mergePatch(scope.cluster, pods, ref, { metadata: { annotations } }, { signal, repeatable: true });
      await deleteObject(scope.cluster, pods, ref, { signal });
      // The kubelet of a lost node will not say how it went on.
      if (reason === 'NodeLost' && lost) {
        await finish(record, pod, { phase: 'ended', finished: asked.at, ...lost });
      }
    } catch (error) {
      scope.log.warn({ pod: ref.name, error: messageOf(error) }, 'a pod could not be ended; it is tried again');
    } finally {
      asking.delete(name);
    }
  };

  changed = (key) => {
    const run = inventory.find(key);
    if (run) look(run);
    events.changed(key);
  };
  for (const run of inventory.runs()) look(run);
  /** Claims have kept their numbers long enough: every process that might still start these runs has read the ledger since. */
  const sweep = async (): Promise<void> => {
    const old = [...releasedAt].filter(([, at]) => scope.clock.now() - at > KEEP_CLAIM_MS).map(([name]) => name);
    const keys = old.flatMap((name) => {
      const run = [...inventory.runs()].find(({ key }) => runName(key) === name);
      return run ? [run.key] : [];
    });
    await deleteClaims(scope, keys, signal);
    for (const name of old) releasedAt.delete(name);
  };
  const timer = setInterval(() => {
    for (const run of inventory.runs()) look(run);
  }, LOOK_MS);
  const sweeper = setInterval(() => {
    sweep().catch((error: unknown) => scope.log.warn({ error: messageOf(error) }, 'old claims were not removed'));
  }, SWEEP_MS);
  timer.unref();
  sweeper.unref();
  signal.addEventListener(
    'abort',
    () => {
      clearInterval(timer);
      clearInterval(sweeper);
    },
    { once: true },
  );

  return {
    kind: 'kubernetes',
    outlives: true,
    refuses: () => [],
    ignores: () => [],
    async list() {
      const live: LiveRun[] = [];
      for (const run of inventory.runs()) {
        const name = runName(run.key);
        if (released.has(name)) continue;
        const record = run.record ?? recordOfObjects(run);
        if (!record) continue;
        const attempt =
          ended.get(name)?.attempt ?? refusal(refused.get(name), record) ?? vanished(run, record, scope.clock.now());
        const [pod] = run.pods.values();
        const parked = parkedOn(run.claim);
        if (parked) live.push({ record, phase: 'ended', mine: true, attempts: [], parked });
        else if (attempt) live.push({ record, phase: 'ended', mine: true, attempts: [attempt] });
        else live.push({ record, phase: pod ? 'running' : 'interrupted', mine: true, attempts: [] });
      }
      return live;
    },
    async start(record, files, startSignal) {
      const parts: StartParts = {
        scope,
        podContext: options.podContext,
        policy: options.policy,
        reached: options.reached ?? (async () => undefined),
      };
      const result = await startRun(parts, record, files, startSignal);
      if (result.kind === 'taken') return 'exists';
      released.delete(runName(record));
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
      if (run?.record && pod) await askEnd(run.record, pod, reason, undefined);
    },
    async park(key, outcome, parkSignal) {
      if (!scope.authority.isValid()) return;
      await parkOutcome(scope, key, outcome, parkSignal);
      await releaseRuns(scope, inventory, [key], parkSignal);
    },
    async release(keys, releaseSignal) {
      await releaseRuns(scope, inventory, keys, releaseSignal, options.reached);
      for (const key of keys) {
        const name = runName(key);
        released.add(name);
        releasedAt.set(name, scope.clock.now());
        for (const known of [ended, refused, outputs]) known.delete(name);
      }
    },
    // Runs go on in the cluster: the next leader adopts them.
    async close() {
      for (const output of outputs.values()) output.stop();
      closing.abort();
    },
  };
}

const stepNames = (record: RunRecord): readonly string[] => normalizeSpec(record.spec).steps.map(({ name }) => name);

function podContextOf(record: RunRecord, pod: Pod, { nodeLostAfterMs }: KubernetesRunnerOptions): PodContext {
  const { spec, steps, gated } = planPod(record.spec);
  return {
    steps: spec.steps.map(({ name, timeoutMs }) => ({ name, timeoutMs })),
    gates: gated ? steps.map(({ name }) => name) : [],
    runMs: spec.timeouts.runMs,
    startMs: spec.timeouts.startMs,
    graceMs: spec.timeouts.graceMs,
    asked: askedEnd(pod),
    nodeLostSince: overdue(pod),
    nodeLostAfterMs,
  };
}

function askedEnd(pod: Pod): AskedEnd | null {
  const text = pod.metadata?.annotations?.[END_ANNOTATION];
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as AskedEnd;
  } catch {
    return null;
  }
}

/** Since when a pod should have been gone, as its kubelet was told: a kubelet that does not end a pod is not heard of. */
const overdue = (pod: Pod): string | null => pod.metadata?.deletionTimestamp ?? null;

function endMessage(ending: AttemptEnding): string | undefined {
  return ending.kind === 'infrastructure' ? ending.message : undefined;
}

function attemptState(pod: Pod, verdict: PodVerdict & { phase: 'ended' }, output: AttemptOutput): AttemptState {
  const { started, finished, ending } = verdict;
  const node = pod.spec?.nodeName;
  return {
    task: 'default',
    number: 1,
    started,
    finished,
    pod: pod.metadata?.name ?? '',
    ...(node === undefined ? {} : { node }),
    ending,
    output,
  };
}

const unseen = (ending: AttemptEnding, finished: string): AttemptState => ({
  task: 'default',
  number: 1,
  started: null,
  finished,
  ending,
  output: null,
});

/** What the API server refused: quota, admission, permission, or a pod that is no pod. */
function refusedEnding(error: CodedError): AttemptEnding {
  const reason: Reason = error.code === 'Invalid' ? 'InvalidPod' : 'Refused';
  return { kind: 'infrastructure', reason, message: error.message, step: null };
}

const refusal = (ending: AttemptEnding | undefined, record: RunRecord): AttemptState | undefined =>
  ending && unseen(ending, record.queued);

/** A run whose pod was there and is not any more: never started again, since it may have run. */
function vanished(run: RunObjects, record: RunRecord, now: number): AttemptState | undefined {
  if (run.pods.size > 0) return undefined;
  const old = run.payloadMade !== undefined && now - Date.parse(run.payloadMade) > CUT_OFF_MS;
  if (!run.vanished && !old) return undefined;
  const message = 'the pod is gone, and how it ended was not seen: its finalizer was removed by somebody';
  return unseen(
    { kind: 'infrastructure', reason: 'PodDeleted', message, step: null },
    new Date(now).toISOString() || record.queued,
  );
}

/** The little that a claim or pod tells of a run whose payload is not there: enough to say what it was for. */
function recordOfObjects({ claim, key, pods: ofRun }: RunObjects): RunRecord | undefined {
  const [pod] = ofRun.values();
  const object = claim ?? pod;
  const identity = object && identityOf(object);
  const trigger = identity && triggerOf(identity);
  const annotations = object?.metadata?.annotations ?? {};
  if (!identity || !trigger) return undefined;
  return {
    ...key,
    trigger,
    digest: identity.digest,
    revision: annotations[ANNOTATIONS.revision] ?? '',
    path: annotations[ANNOTATIONS.path] ?? '',
    chain: annotations[ANNOTATIONS.chain] ?? '',
    queued: annotations[ANNOTATIONS.queued] ?? '',
    covered: {},
    // The steps are the pod's containers; what they run is not known here, and not needed to tell how they ended.
    spec: { steps: (pod?.spec?.containers ?? [{ name: 'run' }]).map(({ name }) => ({ name, run: '' })) },
    labels: {},
    params: {},
    args: [],
  };
}

async function ensureBudget(scope: Scope, signal: AbortSignal): Promise<void> {
  try {
    await createObject(scope.cluster, podDisruptionBudgets, toWire(renderBudget(scope)), { signal });
  } catch (error) {
    if (!isCoded(error, 'AlreadyExists')) throw error;
  }
}
