import type { PodContext } from '../../../outcome/pod.ts';
import { readPod } from '../../../outcome/pod.ts';
import { startTrouble } from '../../../outcome/pod-start.ts';
import { ANNOTATIONS, identityOf, LABELS, OUTCOME_FINALIZER } from '../../../render/labels.ts';
import { RUNNER_CONTAINER } from '../../../render/runner-pod.ts';
import type { Pod } from '../wire.ts';
import type { StartFailure } from './back-off.ts';
import type { SizedRunner } from './size.ts';

/** A runner as its pod tells. */
export interface RunnerView extends Omit<SizedRunner, 'phase'> {
  readonly uid: string;
  readonly pod: Pod;
  readonly set: string;
  /**
   * `busy`: it has an attempt that has not ended. `ended`: it has one that has ended, or will never have any. `going`: it was
   * told to go before it had one.
   */
  readonly phase: SizedRunner['phase'] | 'ended' | 'going';
  /** Whether it has, or had, an attempt. */
  readonly claimed: boolean;
  /** The slots that its attempt takes; 0 without one. */
  readonly slots: number;
}

/** Reads the pod of a runner; null for a pod that is none. */
export function viewRunner(pod: Pod): RunnerView | null {
  const {
    labels = {},
    annotations = {},
    name = '',
    uid = '',
    creationTimestamp,
    deletionTimestamp,
    finalizers = [],
  } = pod.metadata ?? {};
  const set = labels[LABELS.runnerSet];
  if (set === undefined) return null;
  const claimed = labels[LABELS.component] === 'attempt' && identityOf(pod) !== null;
  // Whose outcome is recorded has ended, whatever a node that is lost will never say of it.
  const isReleased = claimed && deletionTimestamp !== undefined && !finalizers.includes(OUTCOME_FINALIZER);
  const ended = hasEnded(pod) || isReleased;
  const since = runningSince(pod);
  const phase = ended
    ? 'ended'
    : claimed
      ? 'busy'
      : deletionTimestamp !== undefined
        ? 'going'
        : since !== null && isReady(pod)
          ? 'idle'
          : 'starting';
  return {
    name,
    uid,
    pod,
    set,
    phase,
    claimed,
    created: Date.parse(creationTimestamp ?? ''),
    idleSince: phase === 'idle' ? since : null,
    template: labels[LABELS.template] ?? '',
    slots: claimed ? Number(annotations[ANNOTATIONS.slots] ?? 1) || 1 : 0,
  };
}

const containerOf = ({ status }: Pod) => status?.containerStatuses?.find(({ name }) => name === RUNNER_CONTAINER);

const hasEnded = (pod: Pod): boolean =>
  pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded' || Boolean(containerOf(pod)?.state?.terminated);

function runningSince(pod: Pod): number | null {
  const since = Date.parse(containerOf(pod)?.state?.running?.startedAt ?? '');
  return Number.isNaN(since) ? null : since;
}

/** The kubelet sets it when the containers run, and the node controller takes it away when the node is not heard of. */
const isReady = ({ status }: Pod): boolean =>
  status?.phase === 'Running' && (status.conditions ?? []).some((one) => one.type === 'Ready' && one.status === 'True');

/** How long a runner may take to start. */
export const START_LIMIT_MS = 300_000;
/** How long a runner may be unready that was ready before: its node is not heard of. */
const UNREADY_LIMIT_MS = 60_000;

const EXPECTED: Omit<PodContext, 'nodeLostSince'> = {
  steps: [{ name: 'runner', container: RUNNER_CONTAINER, timeoutMs: null, atEnd: false }],
  gated: false,
  services: [],
  upload: null,
  runMs: Number.MAX_SAFE_INTEGER,
  startMs: START_LIMIT_MS,
  graceMs: 30_000,
  finallyMs: 0,
  notFailures: [],
  asked: null,
  nodeLostAfterMs: UNREADY_LIMIT_MS,
};

/** The exit code of a runner that nobody came to for longer than it lives. */
const NOBODY_CAME = 75;

/**
 * What is wrong with a runner without an attempt that has ended, or will never be ready: told apart as that of attempts is.
 * Null: nothing. `isOwn` says whether it is the set's fault, so that others will fare no better.
 */
export function runnerTrouble(pod: Pod, now: string): (StartFailure & { readonly isOwn: boolean }) | null {
  const unready = unreadySince(pod);
  const reading = readPod(pod, { ...EXPECTED, nodeLostSince: unready }, now);
  const ending = reading.phase === 'ended' ? reading.ending : reading.end?.ending;
  if (!ending) return null;
  if (ending.kind === 'infrastructure') {
    const { reason, message } = ending;
    const isFinal = reading.phase !== 'ended' && startTrouble(pod)?.isFinal === true;
    return { reason, message, isFinal, isOwn: !DISTURBED.has(reason) };
  }
  if (ending.kind === 'oomKilled')
    return { reason: 'OOMKilled', message: 'the runner was killed for its memory', isFinal: false, isOwn: true };
  if (ending.kind === 'startError')
    return { reason: 'StartError', message: ending.message, isFinal: true, isOwn: true };
  const exitCode = ending.kind === 'exited' ? ending.exitCode : null;
  const message =
    exitCode === null ? `the runner ended: ${ending.kind}` : `the runner ended with exit code ${exitCode}`;
  return { reason: 'StartError', message, isFinal: false, isOwn: exitCode !== NOBODY_CAME };
}

/** What happened to a runner from outside. */
const DISTURBED: ReadonlySet<string> = new Set(['Evicted', 'Preempted', 'NodeLost', 'PodDeleted', 'NodeRejected']);

/** Since when a runner that was up is not ready any more. */
function unreadySince(pod: Pod): string | null {
  const ready = (pod.status?.conditions ?? []).find(({ type }) => type === 'Ready');
  if (runningSince(pod) === null || ready?.status !== 'False') return null;
  return ready.lastTransitionTime ?? null;
}

/** What keeps a runner from starting, that may yet pass. */
export const startingTrouble = (pod: Pod): StartFailure | null => startTrouble(pod);
