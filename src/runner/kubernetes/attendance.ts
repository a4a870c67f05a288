import { normalizeSpec } from '../../job/defaults.ts';
import { readPod, type PodVerdict } from '../../outcome/pod.ts';
import type { SecretValue } from '../../logs/redact.ts';
import type { AttemptEnding, AttemptState, RunKey, RunnerEvents, RunRecord } from '../port.ts';
import { askEnd } from './ask-end.ts';
import { attemptState, recordOfObjects } from './attempts.ts';
import type { RunObjects } from './inventory.ts';
import type { LostNodes } from './lost-nodes.ts';
import { createPodOutput, type PodOutput } from './output.ts';
import { createPodContexts } from './pod-context.ts';
import type { RunnerPoint } from './points.ts';
import { runName, type Scope } from './scope.ts';
import type { EndCause } from './start-cause.ts';
import type { Pod } from './wire.ts';

/** Looks after the pods of runs: reads what they say, sees how they end, and ends those that go on for too long. */
export interface Attendance {
  /** Looks at a run as it is now. */
  look(run: RunObjects): void;
  /** Ends the pod of a run. */
  end(record: RunRecord, pod: Pod, cause: EndCause): Promise<void>;
  /** How the attempt of a run ended; undefined while it goes on, or while its output is still being read. */
  ended(key: RunKey): AttemptState | undefined;
  /** The run is recorded. */
  forget(key: RunKey): void;
  /** Stops reading. */
  stop(): void;
}

export interface AttendanceOptions {
  readonly scope: Scope;
  readonly events: RunnerEvents;
  readonly nodeLostAfterMs: number;
  readonly lostNodes: LostNodes;
  readonly readSecrets: (pod: Pod, record: RunRecord, signal: AbortSignal) => Promise<readonly SecretValue[]>;
  readonly reached: (point: RunnerPoint) => Promise<void>;
  readonly signal: AbortSignal;
}

/** How long the last bytes of a log are waited for: the kubelet drops them about 5 s after a container of a deleted pod ends. */
const OUTPUT_LIMIT_MS = 10_000;

export function createAttendance(options: AttendanceOptions): Attendance {
  const { scope, events, nodeLostAfterMs, lostNodes, readSecrets, reached, signal } = options;
  const contextOf = createPodContexts(nodeLostAfterMs);
  const outputs = new Map<string, PodOutput>();
  const attempts = new Map<string, AttemptState>();
  const ending = new Set<string>();
  const asking = new Set<string>();

  const outputOf = (record: RunRecord): PodOutput => {
    const name = runName(record);
    const known = outputs.get(name);
    if (known) return known;
    const output = createPodOutput({
      scope,
      record,
      steps: normalizeSpec(record.spec).steps.map((step) => step.name),
      secrets: (pod) => readSecrets(pod, record, signal),
      onLine: (line) => events.output(line),
    });
    outputs.set(name, output);
    return output;
  };

  const finish = async (record: RunRecord, pod: Pod, verdict: PodVerdict & { phase: 'ended' }): Promise<void> => {
    const name = runName(record);
    if (ending.has(name)) return;
    ending.add(name);
    await reached('beforeOutput');
    const output = await outputOf(record).end(OUTPUT_LIMIT_MS);
    await reached('afterOutput');
    attempts.set(name, attemptState(pod, verdict, output));
    outputs.delete(name);
    ending.delete(name);
    events.changed(record);
  };

  const end = async (record: RunRecord, pod: Pod, cause: EndCause, lost?: LostPod): Promise<void> => {
    const name = runName(record);
    // A pod of a lost node is being deleted already, which is how it was found out.
    const isGoing = pod.metadata?.deletionTimestamp !== undefined && cause.reason !== 'NodeLost';
    if (asking.has(name) || isGoing || !scope.authority.isValid()) return;
    asking.add(name);
    const asked = await askEnd(scope, pod, cause, signal);
    // The kubelet of a lost node will not say how it went on.
    if (asked && lost && cause.reason === 'NodeLost')
      await finish(record, pod, { phase: 'ended', finished: asked.at, ...lost });
    asking.delete(name);
  };

  return {
    look(run) {
      const [pod] = run.pods.values();
      const record = run.record ?? recordOfObjects(run);
      if (!pod || !record || attempts.has(runName(record))) return;
      const context = contextOf(record, pod, lostNodes.find(pod.spec?.nodeName));
      const verdict = readPod(pod, context, new Date(scope.clock.now()).toISOString());
      if (verdict.phase !== 'starting') outputOf(record).follow(pod);
      if (verdict.phase === 'ended') void finish(record, pod, verdict);
      else if (verdict.end) {
        const { reason, ending: how } = verdict.end;
        const started = verdict.phase === 'running' ? verdict.started : null;
        void end(record, pod, { reason, message: messageOfEnding(how) }, { ending: how, started });
      }
    },
    end: (record, pod, cause) => end(record, pod, cause),
    ended: (key) => attempts.get(runName(key)),
    forget(key) {
      outputs.delete(runName(key));
      attempts.delete(runName(key));
    },
    stop() {
      for (const output of outputs.values()) output.stop();
    },
  };
}

/** How the pod of a lost node is taken to have ended. */
interface LostPod {
  readonly ending: AttemptEnding;
  readonly started: string | null;
}

const messageOfEnding = (ending: AttemptEnding): string | undefined =>
  ending.kind === 'infrastructure' ? ending.message : undefined;
