import { readPod, type PodVerdict, type SettledSteps, type UploadEnd, type WarmContext } from '../../outcome/pod.ts';
import { type UnhealthyService, withLastLines } from '../../outcome/pod-services.ts';
import type { MaskPatterns } from '../../logs/mask-patterns.ts';
import { createRedactor, MASK, type SecretValue } from '../../logs/redact.ts';
import { graceSeconds } from '../../render/pod.ts';
import { RUNNER_CONTAINER } from '../../render/runner-pod.ts';
import { planRecord } from '../../render/steps.ts';
import type { AttemptArtifacts, AttemptEnding, AttemptState, RunKey, RunnerEvents, RunRecord } from '../port.ts';
import { redactedArtifacts } from '../redacted-artifacts.ts';
import type { LogKeeper } from '../whole-log.ts';
import { askEnd } from './ask-end.ts';
import type { AttemptName } from './attempt-marks.ts';
import { attemptOfPod, attemptState, recordOfObjects, runningState } from './attempts.ts';
import type { RunObjects } from './inventory.ts';
import type { LostNodes } from './lost-nodes.ts';
import { createPodOutput, type PodOutput } from './output.ts';
import { readLastLines } from './log-stream.ts';
import { createPodContexts } from './pod-context.ts';
import type { RunnerPoint } from './points.ts';
import type { Scope } from './scope.ts';
import { recordOfTask } from './task-records.ts';
import type { EndCause } from './start-cause.ts';
import type { Pod } from './wire.ts';

/** Looks after the pods of runs: reads what they say, sees how they end, and ends those that go on for too long. */
export interface Attendance {
  /** Looks at a run as it is now. */
  look(run: RunObjects): void;
  /** Ends a pod. */
  end(record: RunRecord, pod: Pod, cause: EndCause): Promise<void>;
  /** The attempt of a pod as it is now: it goes on until its output has been read, too. */
  stateOf(pod: Pod): AttemptState;
  /** The run of these pods is recorded. */
  forget(pods: Iterable<Pod>): void;
  /** Stops reading. */
  stop(): void;
}

/** Finds what an attempt sent; `upload`: how the container ended that was to send it. It does not throw. */
export type CollectArtifacts = (
  key: RunKey,
  attempt: AttemptName,
  upload: UploadEnd | undefined,
  signal: AbortSignal,
) => Promise<AttemptArtifacts>;

export interface AttendanceOptions {
  readonly scope: Scope;
  readonly events: RunnerEvents;
  readonly nodeLostAfterMs: number;
  readonly lostNodes: LostNodes;
  readonly readSecrets: (pod: Pod, record: RunRecord, signal: AbortSignal) => Promise<readonly SecretValue[]>;
  readonly masks: MaskPatterns | undefined;
  readonly keeper: LogKeeper | undefined;
  /** What became of the artifacts that a pod was to send. Null: nobody asks, and they count as missing. */
  readonly collect: CollectArtifacts | null;
  /** What of a runner with an attempt its object does not tell; undefined for other pods. */
  readonly warmOf: (pod: Pod) => WarmContext | undefined;
  /** A runner with an attempt has printed something for the first time, at this moment: milliseconds since 1970. */
  readonly spoke?: (pod: Pod, at: number) => void;
  readonly reached: (point: RunnerPoint) => Promise<void>;
  readonly signal: AbortSignal;
}

/** How long the last bytes of a log are waited for: the kubelet drops them about 5 s after a container of a deleted pod ends. */
const OUTPUT_LIMIT_MS = 10_000;

export function createAttendance(options: AttendanceOptions): Attendance {
  const { scope, events, nodeLostAfterMs, lostNodes, readSecrets, masks, keeper, warmOf, reached, signal } = options;
  const contextOf = createPodContexts(nodeLostAfterMs, warmOf);
  // All by the name of the pod.
  const outputs = new Map<string, PodOutput>();
  const attempts = new Map<string, AttemptState>();
  const started = new Map<string, string>();
  /** By the pod as it was read: what is the same as before is the same object. */
  const running = new WeakMap<Pod, AttemptState>();
  const settled = new Map<string, SettledSteps>();
  const ending = new Set<string>();
  const asking = new Set<string>();

  const outputOf = (record: RunRecord, pod: Pod): PodOutput => {
    const name = nameOf(pod);
    const known = outputs.get(name);
    if (known) return known;
    const output = createPodOutput({
      scope,
      record,
      steps: warmOf(pod)
        ? planRecord(record).steps.map(({ name: step }) => ({ name: step, container: RUNNER_CONTAINER }))
        : planRecord(record).steps,
      secrets: () => readSecrets(pod, record, signal),
      masks,
      keeper,
      attempt: attemptOfPod(pod),
      onLine: events.output,
      onFirst: warmOf(pod) && ((at) => options.spoke?.(pod, at)),
    });
    outputs.set(name, output);
    return output;
  };

  const finish = async (record: RunRecord, pod: Pod, verdict: PodVerdict & { phase: 'ended' }): Promise<void> => {
    const name = nameOf(pod);
    if (ending.has(name)) return;
    ending.add(name);
    await reached('beforeOutput');
    const from = outputOf(record, pod);
    const output = await from.end(OUTPUT_LIMIT_MS);
    await reached('afterOutput');
    const told = await redacted({ ...(await withService(pod, record, verdict)), ...settled.get(name) }, from);
    const sends = record.spec.artifacts !== undefined && told.started !== null;
    const artifacts = sends ? await options.collect?.(record, attemptOfPod(pod), verdict.upload, signal) : undefined;
    const state = attemptState(attemptOfPod(pod), pod, told, output);
    const kept = artifacts
      ? { artifacts: await redactedArtifacts(artifacts, (text) => from.redact(text).catch(() => MASK)) }
      : {};
    attempts.set(name, { ...state, ...kept });
    outputs.delete(name);
    ending.delete(name);
    events.changed(record);
  };

  /** The ending, with what the service printed last whose fault it is. */
  const withService = async (pod: Pod, record: RunRecord, verdict: PodVerdict & { phase: 'ended' }) => {
    const { service, ending: how } = verdict;
    if (!service || how.kind !== 'infrastructure' || LAST_LINES.test(how.message)) return verdict;
    const message = await messageWithLines(pod, record, service, how.message);
    return { ...verdict, ending: { ...how, message } };
  };

  const messageWithLines = async (
    pod: Pod,
    record: RunRecord,
    { name, previous }: UnhealthyService,
    message: string,
  ): Promise<string> => {
    const secrets = await readSecrets(pod, record, signal).catch(() => null);
    if (secrets === null) return message; // what is not known can't be redacted
    const ref = { name: nameOf(pod), namespace: scope.namespace };
    const log = await readLastLines(scope.cluster, ref, { container: name, previous, signal }).catch(() => null);
    return log === null ? message : withLastLines(message, createRedactor(secrets, masks).redact(log));
  };

  const end = async (record: RunRecord, pod: Pod, cause: EndCause, how?: EndedHow): Promise<void> => {
    const name = nameOf(pod);
    // A pod of a lost node is being deleted already, which is how it was found out.
    const isGoing = pod.metadata?.deletionTimestamp !== undefined && cause.reason !== 'NodeLost';
    if (asking.has(name) || isGoing || !scope.authority.isValid()) return;
    asking.add(name);
    const { service } = how ?? {};
    const message =
      service && cause.message !== undefined
        ? await messageWithLines(pod, record, service, cause.message)
        : cause.message;
    // A runner was made for attempts with any grace.
    const grace = warmOf(pod) ? graceSeconds(planRecord(record)) : undefined;
    const asked = await askEnd(scope, pod, { ...cause, message }, signal, grace);
    // The kubelet of a lost node will not say how it went on.
    if (asked && how && cause.reason === 'NodeLost') {
      const { ending: lost, started: since } = how;
      await finish(record, pod, { phase: 'ended', finished: asked.at, ending: lost, started: since });
    }
    asking.delete(name);
  };

  const lookAt = (run: RunRecord, pod: Pod): void => {
    const name = nameOf(pod);
    if (attempts.has(name)) return;
    const record = recordOfTask(run, attemptOfPod(pod).task);
    const context = contextOf(record, pod, lostNodes.find(pod.spec?.nodeName));
    const verdict = readPod(pod, context, new Date(scope.clock.now()).toISOString());
    // A runner is listened to before it says anything: what it runs may be over in no time.
    if (verdict.phase !== 'starting' || context.warm) outputOf(record, pod).follow(pod);
    if (verdict.phase === 'running') started.set(name, verdict.started);
    if (verdict.settled && !settled.has(name)) settled.set(name, verdict.settled);
    if (verdict.phase === 'ended') void finish(record, pod, verdict);
    else if (verdict.end) {
      const { reason, ending: how } = verdict.end;
      const since = verdict.phase === 'running' ? verdict.started : null;
      const cause = { reason, message: messageOfEnding(how) };
      void end(record, pod, cause, { ending: how, started: since, service: verdict.service });
    }
  };

  return {
    look(run) {
      const record = run.record ?? recordOfObjects(run);
      if (record) for (const pod of run.pods.values()) lookAt(record, pod);
    },
    end: (record, pod, cause) => end(record, pod, cause),
    stateOf(pod) {
      const name = nameOf(pod);
      const ended = attempts.get(name);
      if (ended) return ended;
      const since = started.get(name) ?? null;
      const known = running.get(pod);
      if (known?.started === since) return known;
      const state = runningState(attemptOfPod(pod), pod, since);
      running.set(pod, state);
      return state;
    },
    forget(gone) {
      for (const pod of gone) for (const known of [outputs, attempts, started, settled]) known.delete(nameOf(pod));
    },
    stop() {
      for (const output of outputs.values()) output.stop();
    },
  };
}

const nameOf = (pod: Pod): string => pod.metadata?.name ?? '';

/** A message that has the lines already, since a leader before has read them. */
const LAST_LINES = /; its last lines: |; it printed nothing$/;

const WITHHELD = 'the message is withheld: the Secrets of the job, which it may quote, can not be read any more';

/** How a pod that we end is taken to have ended. */
interface EndedHow {
  readonly ending: AttemptEnding;
  readonly started: string | null;
  readonly service: UnhealthyService | undefined;
}

const messageOfEnding = (ending: AttemptEnding): string | undefined =>
  ending.kind === 'infrastructure' ? ending.message : undefined;

/** The ending with all that is secret in its words masked: a kubelet quotes commands, and those hold what variables held. */
async function redacted<T extends PodVerdict & { phase: 'ended' }>(verdict: T, { redact }: PodOutput): Promise<T> {
  const { ending } = verdict;
  if (!('message' in ending)) return verdict;
  // What is not known can't be redacted. Where nothing was started, nothing could have told it.
  const unknown = verdict.started === null ? ending.message : WITHHELD;
  const message = await redact(ending.message).catch(() => unknown);
  return { ...verdict, ending: { ...ending, message } };
}
