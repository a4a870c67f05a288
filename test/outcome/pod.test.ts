import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeAttempt } from '../../src/outcome/judge.ts';
import { type PodContext, type PodObject, type PodVerdict, readPod, type StepContext } from '../../src/outcome/pod.ts';
import { withLastLines } from '../../src/outcome/pod-services.ts';
import type { Reason, Result } from '../../src/schemas/index.ts';

/** Seconds after the pod was created, as the API server writes times. */
const at = (second: number): string =>
  new Date(Date.UTC(2026, 10, 20) + second * 1000).toISOString().replace('.000', '');

type Container = NonNullable<NonNullable<PodObject['status']>['containerStatuses']>[number];
type Condition = NonNullable<NonNullable<PodObject['status']>['conditions']>[number];

const step = (name: string, timeoutMs: number | null = null, atEnd = false): StepContext => ({
  name,
  container: name,
  timeoutMs,
  atEnd,
});
const PLAIN: PodContext = {
  steps: [step('run')],
  gated: false,
  upload: null,
  services: [],
  runMs: 60_000,
  startMs: 30_000,
  graceMs: 10_000,
  finallyMs: 40_000,
  notFailures: [42, 43],
  asked: null,
  nodeLostSince: null,
  nodeLostAfterMs: 120_000,
};
const GATED: PodContext = { ...PLAIN, gated: true };
const THREE: PodContext = { ...GATED, steps: [step('one'), step('two', 20_000), step('three')] };
const FINALLY: PodContext = { ...GATED, steps: [step('run'), step('notify', null, true)] };
/** A step and a hook after it, whose container has another name. */
const HOOKED: PodContext = {
  ...GATED,
  steps: [step('run'), { ...step('hooks.after', null, true), container: 'runledger-after' }],
};
const HEALTH = { intervalMs: 2_000, timeoutMs: 1_000, retries: 3 };
/** A step, and one of `finally`, with a service beside them. */
const SERVED: PodContext = { ...FINALLY, services: [{ name: 'db', health: HEALTH }] };

const ended = (name: string, exitCode: number, from: number, to: number, reason = ''): Container => ({
  name,
  containerID: 'containerd://1',
  state: {
    terminated: {
      exitCode,
      reason: reason || (exitCode === 0 ? 'Completed' : 'Error'),
      startedAt: at(from),
      finishedAt: at(to),
    },
  },
});
const running = (name: string, from: number): Container => ({
  name,
  containerID: 'containerd://1',
  state: { running: { startedAt: at(from) } },
});
const waiting = (name: string, reason: string, message = ''): Container => ({
  name,
  image: 'example.com/tool:1',
  containerID: '',
  state: { waiting: { reason, message } },
});
/** A container of which the kubelet knows nothing; JSON's null is what stands on the wire. */
const unknown = (name: string, containerID: string): Container =>
  ({
    name,
    containerID,
    state: {
      terminated: {
        exitCode: 137,
        reason: 'ContainerStatusUnknown',
        message: 'gone',
        startedAt: null,
        finishedAt: null,
      },
    },
  }) as unknown as Container;
const disruption = (reason: string, second: number): Condition => ({
  type: 'DisruptionTarget',
  status: 'True',
  reason,
  message: 'because',
  lastTransitionTime: at(second),
});

interface World {
  readonly status?: PodObject['status'];
  readonly metadata?: PodObject['metadata'];
  readonly node?: string | null;
}
/** A pod on a node, created at second 0. */
const pod = (containerStatuses: readonly Container[], { status, metadata, node = 'node' }: World = {}): PodObject => ({
  metadata: { creationTimestamp: at(0), generation: 1, ...metadata },
  spec: node === null ? {} : { nodeName: node },
  status: { phase: 'Running', startTime: at(0), observedGeneration: 1, containerStatuses, ...status },
});

/** The deletion as the API server shows it while the grace runs, and once the kubelet has ended the pod. */
const deleting = (asked: number, grace: number) => ({
  deletionTimestamp: at(asked + grace),
  deletionGracePeriodSeconds: grace,
  generation: 2,
});
const deleted = (shown: number) => ({
  deletionTimestamp: at(shown),
  deletionGracePeriodSeconds: 0,
  generation: 2,
});
const KNOWN = { observedGeneration: 2 };

const judged = (verdict: PodVerdict): readonly [Result, Reason] | string => {
  if (verdict.phase !== 'ended') return verdict.phase;
  const { result, reason } = judgeAttempt(verdict.ending, { warning: [42], skipped: [43] });
  return [result, reason];
};

type Row = readonly [what: string, pod: PodObject, expected: readonly [Result, Reason], context?: PodContext];

const cancelled = (second: number, reason: Reason = 'JobRemoved'): PodContext => ({
  ...PLAIN,
  asked: { reason, at: at(second) },
});

const ENDED: readonly Row[] = [
  ['exit code 0', pod([ended('run', 0, 2, 10)]), ['succeeded', 'Completed']],
  ['exit code 3', pod([ended('run', 3, 2, 10)]), ['failed', 'ExitCode']],
  ['exit code that means warning', pod([ended('run', 42, 2, 10)]), ['warning', 'ExitCode']],
  [
    'the step has failed, whatever the phase says',
    pod([ended('run', 3, 2, 10)], { status: { phase: 'Succeeded' } }),
    ['failed', 'ExitCode'],
  ],
  [
    'a message that claims something proves nothing',
    pod([
      {
        name: 'run',
        state: {
          terminated: {
            ...ended('run', 1, 2, 9).state?.terminated,
            exitCode: 1,
            message: '{"gate":1,"result":"exited","code":0}',
          },
        },
      },
    ]),
    ['failed', 'ExitCode'],
  ],
  // An end that we asked for comes before all else.
  ['asked, and trapped', pod([ended('run', 0, 2, 10)]), ['cancelled', 'JobRemoved'], cancelled(9)],
  ['asked in the second of the end', pod([ended('run', 0, 2, 10)]), ['cancelled', 'JobRemoved'], cancelled(10)],
  ['asked too late', pod([ended('run', 0, 2, 10)]), ['succeeded', 'Completed'], cancelled(12)],
  ['asked too late for a failure', pod([ended('run', 3, 2, 10)]), ['failed', 'ExitCode'], cancelled(12)],
  [
    'asked, then evicted',
    pod([ended('run', 143, 2, 12)], { status: { conditions: [disruption('EvictionByEvictionAPI', 11)] } }),
    ['cancelled', 'JobRemoved'],
    cancelled(10),
  ],
  [
    'asked, then killed for its memory',
    pod([ended('run', 137, 2, 12, 'OOMKilled')]),
    ['cancelled', 'JobRemoved'],
    cancelled(10),
  ],
  [
    'asked since an image was missing',
    pod([unknown('run', '')], { metadata: deleted(10) }),
    ['error', 'ImagePullFailed'],
    cancelled(9, 'ImagePullFailed'),
  ],
  [
    'asked since the time was over, and trapped',
    pod([ended('run', 0, 2, 63)]),
    ['timed-out', 'DeadlineExceeded'],
    cancelled(62, 'DeadlineExceeded'),
  ],
  [
    'asked since the time of the step was over',
    pod([ended('run', 0, 2, 63)]),
    ['timed-out', 'StepTimeout'],
    cancelled(62, 'StepTimeout'),
  ],
  // Time-outs by the times that the kubelet gives.
  ['an end far behind the time-out', pod([ended('run', 0, 2, 64)]), ['timed-out', 'DeadlineExceeded']],
  ['an end in time', pod([ended('run', 0, 2, 61)]), ['succeeded', 'Completed']],
  [
    'an end behind the time-out comes before an eviction',
    pod([ended('run', 143, 2, 64)], { status: { reason: 'Evicted' } }),
    ['timed-out', 'DeadlineExceeded'],
  ],
  [
    "an end behind the step's own time-out, without a gate",
    pod([ended('run', 0, 2, 30)]),
    ['timed-out', 'StepTimeout'],
    { ...PLAIN, steps: [step('run', 20_000)] },
  ],
  [
    'the deadline of the pod',
    pod([ended('run', 0, 2, 50)], { status: { phase: 'Failed', reason: 'DeadlineExceeded' } }),
    ['timed-out', 'DeadlineExceeded'],
  ],
  [
    'the deadline of a pod of which nothing had started',
    pod([waiting('run', 'ContainerCreating')], { status: { phase: 'Failed', reason: 'DeadlineExceeded' } }),
    ['error', 'StartTimeout'],
  ],
  // The pod's own reason.
  [
    'evicted by its kubelet, exit code 0',
    pod([ended('run', 0, 2, 10)], { status: { phase: 'Failed', reason: 'Evicted', message: 'low on memory' } }),
    ['error', 'Evicted'],
  ],
  [
    'evicted by its kubelet while it lingered on after its steps',
    pod([ended('run', 0, 2, 10)], {
      status: { phase: 'Failed', reason: 'Evicted', conditions: [disruption('TerminationByKubelet', 30)] },
    }),
    ['succeeded', 'Completed'],
  ],
  [
    'preempted by a critical pod',
    pod([ended('run', 0, 2, 10)], { status: { phase: 'Failed', reason: 'Preempting' } }),
    ['error', 'Preempted'],
  ],
  [
    'node shut down',
    pod([ended('run', 0, 2, 10)], { status: { phase: 'Failed', reason: 'Terminated' } }),
    ['error', 'Evicted'],
  ],
  [
    'no room by the word of the kubelet',
    pod([], { status: { phase: 'Failed', reason: 'OutOfcpu', message: 'Node didn’t have enough resource: cpu' } }),
    ['error', 'NodeRejected'],
  ],
  [
    'refused by the kubelet for a reason of tomorrow',
    pod([], { status: { phase: 'Failed', reason: 'SomethingNew', message: 'Pod was rejected: …' } }),
    ['error', 'NodeRejected'],
  ],
  // Disruptions.
  ...(
    [
      ['PreemptionByScheduler', 'Preempted'],
      ['EvictionByEvictionAPI', 'Evicted'],
      ['DeletionByTaintManager', 'Evicted'],
      ['TerminationByKubelet', 'Evicted'],
      ['DeletionByPodGC', 'NodeLost'],
      ['SomethingNew', 'Evicted'],
    ] as const
  ).map(([reason, expected]): Row => [
    `${reason}, exit code 0`,
    pod([ended('run', 0, 2, 10)], { status: { conditions: [disruption(reason, 8)] } }),
    ['error', expected],
  ]),
  [
    'a disruption that did not happen',
    pod([ended('run', 0, 2, 10)], {
      status: { conditions: [{ ...disruption('EvictionByEvictionAPI', 8), status: 'False' }] },
    }),
    ['succeeded', 'Completed'],
  ],
  [
    'a drain that meets a pod that has ended',
    pod([ended('run', 0, 2, 10)], {
      status: { conditions: [disruption('EvictionByEvictionAPI', 40)] },
      metadata: deleted(40),
    }),
    ['succeeded', 'Completed'],
  ],
  [
    'a disruption, then a deletion of its own',
    pod([ended('run', 0, 2, 10)], {
      status: { ...KNOWN, conditions: [disruption('PreemptionByScheduler', 8)] },
      metadata: deleting(8, 30),
    }),
    ['error', 'Preempted'],
  ],
  [
    'a node that was removed under a pod whose end nobody saw',
    pod([running('run', 2)], { status: { phase: 'Failed', conditions: [disruption('DeletionByPodGC', 50)] } }),
    ['error', 'NodeLost'],
  ],
  // Deletions.
  [
    'deleted, trapped, the grace still running',
    pod([ended('run', 0, 2, 10)], { status: KNOWN, metadata: deleting(8, 30) }),
    ['error', 'PodDeleted'],
  ],
  [
    'deleted, trapped, and deleted by the kubelet for good: the time has moved behind the end',
    pod([ended('run', 0, 2, 10)], { status: KNOWN, metadata: deleted(11) }),
    ['error', 'PodDeleted'],
  ],
  [
    'deleted and killed',
    pod([ended('run', 137, 2, 40)], { status: KNOWN, metadata: deleted(40) }),
    ['error', 'PodDeleted'],
  ],
  [
    'deleted after the end: the kubelet had told of it without knowing of the deletion',
    pod([ended('run', 0, 2, 10)], { metadata: deleted(40) }),
    ['succeeded', 'Completed'],
  ],
  ['deleted after a failure', pod([ended('run', 3, 2, 10)], { metadata: deleted(40) }), ['failed', 'ExitCode']],
  [
    'an older cluster: asked for after the end',
    pod([ended('run', 0, 2, 10)], {
      status: { observedGeneration: 0 },
      metadata: { ...deleting(12, 30), generation: 0 },
    }),
    ['succeeded', 'Completed'],
  ],
  [
    'an older cluster: asked for before the end',
    pod([ended('run', 0, 2, 10)], {
      status: { observedGeneration: 0 },
      metadata: { ...deleting(10, 30), generation: 0 },
    }),
    ['error', 'PodDeleted'],
  ],
  [
    'an older cluster: nobody can tell',
    pod([ended('run', 0, 2, 10)], { status: { observedGeneration: 0 }, metadata: { ...deleted(40), generation: 0 } }),
    ['error', 'PodDeleted'],
  ],
  [
    'deleted before it was placed',
    pod([], { status: { phase: 'Pending' }, metadata: deleted(5), node: null }),
    ['error', 'PodDeleted'],
  ],
  [
    'preempted before it was placed',
    pod([], {
      status: { phase: 'Pending', conditions: [disruption('PreemptionByScheduler', 5)] },
      metadata: deleted(5),
      node: null,
    }),
    ['error', 'Preempted'],
  ],
  [
    'cancelled before it was placed',
    pod([], { status: { phase: 'Pending' }, metadata: deleted(5), node: null }),
    ['cancelled', 'CancelRequested'],
    cancelled(5, 'CancelRequested'),
  ],
  [
    'deleted before its container was made',
    pod([unknown('run', '')], { status: { phase: 'Failed', ...KNOWN }, metadata: deleted(9) }),
    ['error', 'PodDeleted'],
  ],
  // The kernel, whatever exit code is left.
  ['killed for its memory', pod([ended('run', 137, 2, 10, 'OOMKilled')]), ['failed', 'OOMKilled']],
  ['killed for its memory, exit code 0', pod([ended('run', 0, 2, 10, 'OOMKilled')]), ['failed', 'OOMKilled']],
  ['killed for its memory, a skipping exit code', pod([ended('run', 43, 2, 10, 'OOMKilled')]), ['failed', 'OOMKilled']],
  [
    'killed for its memory while it was being evicted',
    pod([ended('run', 137, 2, 10, 'OOMKilled')], { status: { conditions: [disruption('EvictionByEvictionAPI', 9)] } }),
    ['error', 'Evicted'],
  ],
  // States that the kubelet made up.
  ['an end that the kubelet has not seen', pod([unknown('run', 'containerd://1')]), ['error', 'NodeLost']],
  ['an end that the runtime has not seen', pod([ended('run', 255, 2, 10, 'Unknown')]), ['error', 'NodeLost']],
  ['made up with exit code 0', pod([ended('run', 0, 2, 10, 'ContainerStatusUnknown')]), ['error', 'NodeLost']],
  ['a command that is not there', pod([ended('run', 128, -1_795_132_800, 10, 'StartError')]), ['error', 'StartError']],
  ['over without a status', pod([], { status: { phase: 'Succeeded' } }), ['error', 'NodeLost']],
  ['over and said to run', pod([running('run', 2)], { status: { phase: 'Succeeded' } }), ['error', 'NodeLost']],
  [
    'the gate could not be brought',
    pod([waiting('one', 'PodInitializing'), waiting('two', 'PodInitializing'), waiting('three', 'PodInitializing')], {
      status: { phase: 'Failed', initContainerStatuses: [ended('runledger-gate', 1, 1, 2)] },
    }),
    ['error', 'StartError'],
    THREE,
  ],
  // Several steps.
  [
    'all three ended with 0',
    pod([ended('one', 0, 2, 10), ended('two', 0, 2, 12), ended('three', 0, 2, 15)]),
    ['succeeded', 'Completed'],
    THREE,
  ],
  [
    'the gates count more finely than we',
    pod([ended('one', 0, 2, 20), ended('two', 0, 2, 41), ended('three', 0, 2, 64)]),
    ['succeeded', 'Completed'],
    THREE,
  ],
  [
    'the second one timed out',
    pod([ended('one', 0, 2, 30), ended('two', 143, 2, 50), ended('three', 0, 2, 50)]),
    ['timed-out', 'StepTimeout'],
    THREE,
  ],
  [
    'the second one failed just in time',
    pod([ended('one', 0, 2, 30), ended('two', 3, 2, 49), ended('three', 0, 2, 50)]),
    ['failed', 'ExitCode'],
    THREE,
  ],
  [
    'a step without a time-out meets that of the run',
    pod([ended('one', 0, 2, 10), ended('two', 0, 2, 20), ended('three', 124, 2, 62)]),
    ['timed-out', 'DeadlineExceeded'],
    THREE,
  ],
  [
    'time that passed while the others were pulled is not that of a step',
    pod([ended('one', 3, 2, 41), ended('two', 0, 39, 41), ended('three', 0, 40, 41)]),
    ['failed', 'ExitCode'],
    { ...THREE, steps: THREE.steps.map(({ name }) => step(name, 20_000)) },
  ],
  [
    'the first was killed for its memory, and the second noticed',
    pod([ended('one', 137, 2, 10, 'OOMKilled'), ended('two', 125, 2, 10), ended('three', 0, 2, 10)]),
    ['failed', 'OOMKilled'],
    THREE,
  ],
  [
    'killed for its memory when the time was nearly over',
    pod([ended('one', 0, 2, 10), ended('two', 137, 2, 29, 'OOMKilled'), ended('three', 125, 2, 29)]),
    ['failed', 'OOMKilled'],
    THREE,
  ],
  [
    'deleted while the gates behind a failure were ending',
    pod([ended('one', 3, 2, 10), ended('two', 0, 2, 14), ended('three', 0, 2, 14)], { metadata: deleted(14) }),
    ['failed', 'ExitCode'],
    THREE,
  ],
  [
    'the first failed, the last is lost',
    pod([ended('one', 3, 2, 10), ended('two', 0, 2, 10), unknown('three', 'containerd://1')]),
    ['failed', 'ExitCode'],
    THREE,
  ],
  [
    'the first is lost, the second noticed',
    pod([unknown('one', 'containerd://1'), ended('two', 125, 2, 10), ended('three', 0, 2, 10)]),
    ['error', 'NodeLost'],
    THREE,
  ],
  [
    'deleted during the second step, of which no end was seen: the end of the first proves nothing',
    pod([ended('one', 0, 2, 10), running('two', 2), running('three', 2)], {
      status: { phase: 'Failed' },
      metadata: deleted(40),
    }),
    ['error', 'PodDeleted'],
    THREE,
  ],
  [
    'an eviction during the second step',
    pod([ended('one', 0, 2, 10), ended('two', 143, 2, 25), ended('three', 143, 2, 25)], {
      status: { conditions: [disruption('EvictionByEvictionAPI', 24)] },
    }),
    ['error', 'Evicted'],
    THREE,
  ],
  // What runs at the end.
  [
    'a step of `finally` that fails',
    pod([ended('run', 0, 2, 10), ended('notify', 1, 2, 20)]),
    ['failed', 'ExitCode'],
    FINALLY,
  ],
  [
    'a step of `finally` with an exit code that is no failure',
    pod([ended('run', 0, 2, 10), ended('notify', 42, 2, 20)]),
    ['succeeded', 'Completed'],
    FINALLY,
  ],
  [
    'a step that failed, and one of `finally` too',
    pod([ended('run', 3, 2, 10), ended('notify', 1, 2, 20, 'OOMKilled')]),
    ['failed', 'ExitCode'],
    FINALLY,
  ],
  [
    'a step that warns, and a hook that fails',
    pod([ended('run', 42, 2, 10), ended('runledger-after', 1, 2, 20)]),
    ['failed', 'ExitCode'],
    HOOKED,
  ],
  [
    'a step that warns, and a hook that does not fail',
    pod([ended('run', 42, 2, 10), ended('runledger-after', 0, 2, 20)]),
    ['warning', 'ExitCode'],
    HOOKED,
  ],
  [
    'a hook that takes too much memory',
    pod([ended('run', 0, 2, 10), ended('runledger-after', 137, 2, 20, 'OOMKilled')]),
    ['failed', 'OOMKilled'],
    HOOKED,
  ],
  [
    'a hook that takes longer than all of the end may',
    pod([ended('run', 0, 2, 30), ended('runledger-after', 143, 2, 70)]),
    ['timed-out', 'DeadlineExceeded'],
    HOOKED,
  ],
  [
    'a hook that fails in time, behind the time of the run',
    pod([ended('run', 0, 2, 60), ended('runledger-after', 1, 2, 70)]),
    ['failed', 'ExitCode'],
    HOOKED,
  ],
  [
    'a step of `finally` with a time-out of its own',
    pod([ended('run', 0, 2, 30), ended('notify', 143, 2, 50)]),
    ['timed-out', 'StepTimeout'],
    { ...FINALLY, steps: [step('run'), step('notify', 20_000, true)] },
  ],
  [
    'evicted during a hook that ended well',
    pod([ended('run', 0, 2, 10), ended('runledger-after', 0, 2, 30)], {
      status: { conditions: [disruption('EvictionByEvictionAPI', 20)] },
    }),
    ['succeeded', 'Completed'],
    HOOKED,
  ],
  [
    'evicted during a hook, which was killed',
    pod([ended('run', 0, 2, 10), ended('runledger-after', 137, 2, 30)], {
      status: { conditions: [disruption('EvictionByEvictionAPI', 20)] },
    }),
    ['error', 'Evicted'],
    HOOKED,
  ],
  [
    'a hook of which no end was seen',
    pod([ended('run', 0, 2, 10), unknown('runledger-after', 'containerd://1')]),
    ['error', 'NodeLost'],
    HOOKED,
  ],
  [
    'cancelled during `finally`, by a clock of ours that is late',
    pod([ended('run', 0, 2, 10), ended('notify', 0, 2, 20)], { status: KNOWN, metadata: deleted(21) }),
    ['cancelled', 'JobRemoved'],
    { ...FINALLY, asked: { reason: 'JobRemoved', at: at(15) } },
  ],
];

/** A pod with a step, one of `finally` and a service. */
const served = (service: Container, steps: readonly Container[], world: World = {}): PodObject =>
  pod(steps, { ...world, status: { ...world.status, initContainerStatuses: [service] } });
/** A service that runs. */
const serving = (more: Partial<Container> = {}): Container => ({ ...running('db', 1), started: true, ...more });
/** A service that has been restarted after it had run from one second to another. */
const restarted = (exitCode: number, from: number, to: number, more: Partial<Container> = {}): Container => ({
  ...running('db', to + 1),
  started: false,
  restartCount: 1,
  lastState: ended('db', exitCode, from, to).state ?? {},
  ...more,
});
const stepsEnding = (exitCode: number, second: number): readonly Container[] => [
  ended('run', exitCode, 2, second),
  ended('notify', 0, 2, second + 5),
];

const SERVICES: readonly Row[] = [
  ['a service that goes on', served(serving(), stepsEnding(0, 10)), ['succeeded', 'Completed'], SERVED],
  [
    'a service that was ended with the pod',
    served(ended('db', 137, 1, 45), stepsEnding(3, 10), { status: { phase: 'Failed' } }),
    ['failed', 'ExitCode'],
    SERVED,
  ],
  [
    'a service that was restarted under the step, which failed',
    served(restarted(1, 1, 8), stepsEnding(3, 10)),
    ['error', 'ServiceUnhealthy'],
    SERVED,
  ],
  [
    'a service that was restarted under the step, which did not mind',
    served(restarted(0, 1, 8), stepsEnding(0, 10)),
    ['error', 'ServiceUnhealthy'],
    SERVED,
  ],
  [
    'a service that died and is not restarted yet',
    served(ended('db', 1, 1, 8), stepsEnding(3, 10)),
    ['error', 'ServiceUnhealthy'],
    SERVED,
  ],
  [
    'a service that died in the second of the end may have been told to',
    served(ended('db', 1, 1, 10), stepsEnding(3, 10)),
    ['failed', 'ExitCode'],
    SERVED,
  ],
  [
    'a service that was restarted during `finally`',
    served(restarted(1, 1, 12), stepsEnding(0, 10)),
    ['succeeded', 'Completed'],
    SERVED,
  ],
  [
    'a service that was restarted during `finally`, and before under the step',
    served(restarted(1, 6, 12, { restartCount: 2 }), stepsEnding(0, 10)),
    ['error', 'ServiceUnhealthy'],
    SERVED,
  ],
  [
    'a dead service comes before the time-out that it led to',
    served(restarted(1, 1, 8), [ended('run', 143, 2, 62), ended('notify', 0, 2, 63)]),
    ['error', 'ServiceUnhealthy'],
    SERVED,
  ],
  [
    'a dead service comes before a deletion',
    served(restarted(1, 1, 8), [ended('run', 143, 2, 12), ended('notify', 0, 2, 13)], {
      status: KNOWN,
      metadata: deleted(13),
    }),
    ['error', 'ServiceUnhealthy'],
    SERVED,
  ],
  [
    'a service that ended before its deleted pod did',
    served(ended('db', 143, 1, 8), [ended('run', 143, 2, 12), ended('notify', 0, 2, 13)], {
      status: KNOWN,
      metadata: deleted(13),
    }),
    ['error', 'PodDeleted'],
    SERVED,
  ],
  [
    'a service that ended with its evicted pod',
    served(ended('db', 137, 1, 8), [unknown('run', 'x'), unknown('notify', 'x')], {
      status: { phase: 'Failed', reason: 'Evicted' },
    }),
    ['error', 'Evicted'],
    SERVED,
  ],
  [
    'asked for a service that was not healthy',
    served(restarted(137, 1, 8), [unknown('run', ''), unknown('notify', '')], { metadata: deleted(12) }),
    ['error', 'ServiceUnhealthy'],
    { ...SERVED, asked: { reason: 'ServiceUnhealthy', at: at(9), message: 'service "db" …' } },
  ],
  [
    'cancelled, before the service died',
    served(restarted(1, 1, 8), [ended('run', 143, 2, 12), ended('notify', 0, 2, 13)], { metadata: deleted(13) }),
    ['cancelled', 'CancelRequested'],
    { ...SERVED, asked: { reason: 'CancelRequested', at: at(7) } },
  ],
];

const table = suite('what ended a pod');
for (const [what, object, expected, context = PLAIN] of [...ENDED, ...SERVICES]) {
  table(what, () => assert.equal(judged(readPod(object, context, at(70))), expected));
}

table('tells step, exit code, times and words', () => {
  const three = pod([ended('one', 0, 2, 10), ended('two', 7, 2, 12), ended('three', 0, 2, 12)]);
  assert.equal(readPod(three, THREE, at(70)), {
    phase: 'ended',
    started: '2026-11-20T00:00:02.000Z',
    finished: '2026-11-20T00:00:12.000Z',
    ending: { kind: 'exited', step: 'two', exitCode: 7 },
  });
  const late = pod([ended('one', 0, 2, 30), ended('two', 143, 2, 50), ended('three', 0, 2, 50)]);
  const timeout = { kind: 'timeout', timeout: 'step', step: 'two', exitCode: 143, limit: '20s' };
  assert.equal(endingOf(readPod(late, THREE, at(70))), timeout);
  const full = pod([], { status: { phase: 'Failed', reason: 'OutOfcpu', message: 'not enough cpu' } });
  assert.equal(endingOf(readPod(full, PLAIN, at(70))), {
    kind: 'infrastructure',
    reason: 'NodeRejected',
    message: 'OutOfcpu: not enough cpu',
    step: null,
  });
  const gone = pod([ended('one', 0, 2, 10), ended('two', 0, 2, 12), ended('three', 143, 2, 13)], {
    status: KNOWN,
    metadata: deleted(14),
  });
  assert.is(messageOf(readPod(gone, THREE, at(70))), 'the pod was deleted while step "three" was running');
  const pending = pod([], { status: { phase: 'Pending' }, metadata: deleted(5), node: null });
  assert.is(messageOf(readPod(pending, PLAIN, at(70))), 'the pod was deleted before it had ended');
});

table('what runs at the end is told by its own name, with its time', () => {
  const failing = pod([ended('run', 0, 2, 10), ended('runledger-after', 7, 2, 12)]);
  assert.equal(readPod(failing, HOOKED, at(70)), {
    phase: 'ended',
    started: '2026-11-20T00:00:02.000Z',
    finished: '2026-11-20T00:00:12.000Z',
    ending: { kind: 'exited', step: 'hooks.after', exitCode: 7 },
  });
  const late = pod([ended('run', 0, 2, 30), ended('runledger-after', 124, 2, 70)]);
  const timeout = { kind: 'timeout', timeout: 'finally', step: 'hooks.after', exitCode: 124, limit: '40s' };
  assert.equal(endingOf(readPod(late, HOOKED, at(70))), timeout);
});

table('a service that died under the steps is named, and where its last lines are', () => {
  const verdict = readPod(served(restarted(1, 1, 8), stepsEnding(3, 10)), SERVED, at(70));
  const message = 'service "db" ended with exit code 1 while step "run" was running';
  assert.is(messageOf(verdict), message);
  assert.equal(verdict.service, { name: 'db', message, previous: true });
  const dead = readPod(served(ended('db', 137, 1, 8, 'OOMKilled'), stepsEnding(3, 10)), SERVED, at(70));
  assert.match(String(messageOf(dead)), /exit code 137 \(it used more memory than its limit\) while/);
  assert.is(dead.service?.previous, false);
  assert.is(readPod(served(serving(), stepsEnding(3, 10)), SERVED, at(70)).service, undefined);
});

table('the last lines of a service stand behind the message, on one line', () => {
  assert.is(withLastLines('it died', ' a\r\n\nb \n'), 'it died; its last lines: a | b');
  assert.is(withLastLines('it died', '\n \n'), 'it died; it printed nothing');
  const many = Array.from({ length: 50 }, (_, line) => `${line} ${'x'.repeat(300)}`).join('\n');
  const told = withLastLines('it died', many);
  assert.ok(told.includes('its last lines: 40 x'));
  assert.ok(told.length < 2_300, String(told.length));
});

table('a container that was there may have run, one that was not has not', () => {
  const startedOf = (id: string): unknown =>
    Reflect.get(readPod(pod([unknown('run', id)], { metadata: deleted(9) }), PLAIN, at(70)), 'started');
  assert.is(startedOf(''), null);
  assert.is(startedOf('containerd://1'), '2026-11-20T00:00:00.000Z');
});

table('an end is not told while a container of the pod still belongs to it', () => {
  const goingOn = pod([ended('run', 3, 2, 10), running('notify', 2)]);
  assert.equal(readPod(goingOn, FINALLY, at(70)), { phase: 'running', started: '2026-11-20T00:00:02.000Z' });
  const two = pod([ended('one', 3, 2, 10), running('two', 2), running('three', 2)]);
  assert.is(readPod(two, THREE, at(11)).phase, 'running');
});

table.run();

function endingOf(verdict: PodVerdict): unknown {
  return verdict.phase === 'ended' ? verdict.ending : verdict.end?.ending;
}
const messageOf = (verdict: PodVerdict): unknown => Reflect.get(Object(endingOf(verdict)), 'message');

const goesOn = suite('pods that go on');

type Waiting = readonly [
  what: string,
  pod: PodObject,
  second: number,
  end: Reason | null,
  message?: RegExp | undefined,
  context?: PodContext,
];

const PENDING: World = { status: { phase: 'Pending' } };
const unscheduled: World = {
  node: null,
  status: {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes: no cpu' }],
  },
};
const init = (reason: string, message: string): World => ({
  status: { phase: 'Pending', initContainerStatuses: [waiting('runledger-gate', reason, message)] },
});
const lostSince = (second: number): PodContext => ({ ...PLAIN, nodeLostSince: at(second) });

const GOES_ON: readonly Waiting[] = [
  ['nothing is known yet', pod([], PENDING), 5, null],
  ['slow', pod([waiting('run', 'ContainerCreating')], PENDING), 29, null],
  [
    'too slow',
    pod([waiting('run', 'ContainerCreating')], PENDING),
    30,
    'StartTimeout',
    /within 30s: nothing tells why/,
  ],
  ['no room yet', pod([], unscheduled), 29, null],
  ['no room', pod([], unscheduled), 30, 'Unschedulable', /within 30s: 0\/3 nodes: no cpu/],
  [
    'an image that is missing',
    pod([waiting('run', 'ErrImagePull', 'failed to resolve: tool:1: not found')], PENDING),
    1,
    'ImagePullFailed',
    /^example.com\/tool:1: failed to resolve: tool:1: not found$/,
  ],
  [
    'an image that may not be pulled',
    pod([waiting('run', 'ImagePullBackOff', 'Back-off: ErrImagePull: 401 Unauthorized')], PENDING),
    1,
    'ImagePullFailed',
  ],
  [
    'the name of no image',
    pod([waiting('run', 'InvalidImageName')], PENDING),
    1,
    'ImagePullFailed',
    /InvalidImageName/,
  ],
  ['an image that was to be there', pod([waiting('run', 'ErrImageNeverPull')], PENDING), 1, 'ImagePullFailed'],
  ['a registry that is busy', pod([waiting('run', 'ErrImagePull', '503 Service Unavailable')], PENDING), 29, null],
  [
    'a registry that is busy for too long',
    pod([waiting('run', 'ErrImagePull', '503 Service Unavailable')], PENDING),
    30,
    'StartTimeout',
    /within 30s: example.com\/tool:1: 503/,
  ],
  ['no image for the gate', pod([], init('ErrImagePull', 'not found')), 1, 'ImagePullFailed', undefined, THREE],
  [
    'no image for the second step: the first waits at its gate',
    pod([running('one', 1), waiting('two', 'ErrImagePull', 'not found'), running('three', 1)], PENDING),
    2,
    'ImagePullFailed',
    undefined,
    THREE,
  ],
  [
    'no image for a step of `finally`',
    pod([running('run', 1), waiting('notify', 'ErrImagePull', 'not found')], PENDING),
    2,
    'ImagePullFailed',
    undefined,
    FINALLY,
  ],
  [
    'an image that insists on root',
    pod(
      [waiting('run', 'CreateContainerConfigError', 'container has runAsNonRoot and image will run as root')],
      PENDING,
    ),
    1,
    'InvalidPod',
    /add `user: 65532`/,
  ],
  [
    'a secret that is missing',
    pod([waiting('run', 'CreateContainerConfigError', 'secret "token" not found')], PENDING),
    1,
    'SecretMissing',
    /container run: secret "token" not found/,
  ],
  [
    'a key that a secret does not have',
    pod([waiting('run', 'CreateContainerConfigError', "couldn't find key k in Secret ns/token")], PENDING),
    1,
    'SecretMissing',
  ],
  [
    'a secret that the kubelet has not read yet',
    pod([waiting('run', 'CreateContainerConfigError', 'failed to sync secret cache: timed out')], PENDING),
    1,
    null,
  ],
  [
    'what the runtime refuses',
    pod([waiting('run', 'CreateContainerError', 'invalid mount')], PENDING),
    1,
    'StartError',
    /container run: invalid mount/,
  ],
  [
    'a runtime that is busy',
    pod([waiting('run', 'CreateContainerError', 'context deadline exceeded')], PENDING),
    1,
    null,
  ],
  ['it runs', pod([running('run', 2)]), 61, null],
  ['its time is over', pod([running('run', 2)]), 62, 'DeadlineExceeded'],
  [
    'the time of its only step is over',
    pod([running('run', 2)]),
    22,
    'StepTimeout',
    undefined,
    { ...PLAIN, steps: [step('run', 20_000)] },
  ],
  ['gates keep the time', pod([running('one', 2), running('two', 2), running('three', 2)]), 70, null, undefined, THREE],
  [
    'gates that do not keep the time',
    pod([running('one', 2), running('two', 2), running('three', 2)]),
    82,
    'DeadlineExceeded',
    undefined,
    THREE,
  ],
  [
    '`finally` has a time of its own',
    pod([ended('run', 0, 2, 61), running('notify', 2)]),
    200,
    null,
    undefined,
    FINALLY,
  ],
  ['a node that is away', pod([running('run', 2)]), 40, null, undefined, lostSince(10)],
  ['a node that is lost', pod([running('run', 2)]), 130, 'NodeLost', /node node has not been heard of/, lostSince(10)],
  ['a node that was lost before it started', pod([], PENDING), 130, 'NodeLost', undefined, lostSince(10)],
  [
    'asked for and deleted: it is on its way',
    pod([running('run', 2)], { metadata: deleting(5, 30) }),
    9,
    null,
    undefined,
    cancelled(5),
  ],
  [
    'asked for, and whoever asked did not come to delete it',
    pod([running('run', 2)]),
    9,
    'JobRemoved',
    undefined,
    cancelled(5),
  ],
  [
    'asked for before it started, and not deleted',
    pod([waiting('run', 'ContainerCreating')], PENDING),
    9,
    'CancelRequested',
    undefined,
    cancelled(5, 'CancelRequested'),
  ],
];

const WAITING = [waiting('run', 'PodInitializing'), waiting('notify', 'PodInitializing')];
const BOTH = [running('run', 2), running('notify', 2)];
const SERVICE_GOES_ON: readonly Waiting[] = [
  ['a service that is not healthy yet', served(serving({ started: false }), WAITING, PENDING), 16, null],
  [
    'a service whose tries should be over, and that was not restarted',
    served(serving({ started: false }), WAITING, PENDING),
    19,
    'ServiceUnhealthy',
    /^service "db" did not become healthy: 3 tries failed$/,
  ],
  [
    'a service that the kubelet gave up',
    served(restarted(137, 1, 7), WAITING, PENDING),
    9,
    'ServiceUnhealthy',
    /^service "db" did not become healthy: 3 tries failed$/,
  ],
  [
    'a service that the kubelet gave up, and that ended politely',
    served(restarted(0, 1, 7), WAITING, PENDING),
    9,
    'ServiceUnhealthy',
    /did not become healthy/,
  ],
  [
    'a service that ended by itself before it was healthy',
    served(restarted(1, 1, 2), WAITING, PENDING),
    9,
    'ServiceUnhealthy',
    /^service "db" ended with exit code 1 before the steps began$/,
  ],
  [
    'a service that ends again and again',
    served({ ...restarted(1, 1, 2), state: { waiting: { reason: 'CrashLoopBackOff' } } }, WAITING, PENDING),
    9,
    'ServiceUnhealthy',
    /exit code 1 before/,
  ],
  [
    'an image of a service that is missing',
    served(waiting('db', 'ErrImagePull', 'not found'), WAITING, PENDING),
    2,
    'ImagePullFailed',
  ],
  [
    'a start that took too long, since a service was not healthy',
    served(serving({ started: false }), WAITING, PENDING),
    31,
    'StartTimeout',
    /within 30s: service "db" is not healthy yet/,
    { ...SERVED, services: [{ name: 'db', health: { ...HEALTH, retries: 100 } }] },
  ],
  [
    'a service without a health check that ended before the steps began',
    served(ended('db', 0, 1, 2), WAITING, PENDING),
    3,
    'ServiceUnhealthy',
    /exit code 0 before the steps began/,
    { ...SERVED, services: [{ name: 'db', health: null }] },
  ],
  ['a service beside its steps', served(serving(), BOTH), 30, null],
  [
    'a service that died under the steps',
    served(restarted(1, 1, 20), BOTH),
    22,
    'ServiceUnhealthy',
    /exit code 1 while step "run" was running/,
  ],
  [
    'a service that died during `finally`',
    served(restarted(1, 1, 20), [ended('run', 0, 2, 10), running('notify', 2)]),
    22,
    null,
  ],
  [
    'a service that died when the end had been asked for',
    served(restarted(1, 1, 20), BOTH, { metadata: deleting(5, 30) }),
    22,
    null,
    undefined,
    { ...SERVED, asked: { reason: 'JobRemoved', at: at(5) } },
  ],
];

const GOING_ON = [
  [GOES_ON, PLAIN],
  [SERVICE_GOES_ON, SERVED],
] as const;
for (const [rows, usual] of GOING_ON)
  for (const [what, object, second, expected, message, context = usual] of rows) {
    goesOn(what, () => {
      const verdict = readPod(object, context, at(second));
      assert.is.not(verdict.phase, 'ended');
      assert.is(verdict.end?.reason ?? null, expected);
      if (message) assert.match(String(messageOf(verdict)), message);
    });
  }

goesOn('what is ended for a time-out says so', () => {
  const verdict = readPod(pod([running('run', 2)]), PLAIN, at(62));
  const ending = { kind: 'timeout', timeout: 'run', step: 'run', exitCode: null, limit: '60s' };
  assert.equal(verdict.end, { reason: 'DeadlineExceeded', ending });
});

goesOn('gated steps have started when all of them run', () => {
  const some = pod([running('one', 1), running('two', 1), waiting('three', 'ContainerCreating')], PENDING);
  assert.equal(readPod(some, THREE, at(9)), { phase: 'starting' });
  const all = pod([running('one', 1), running('two', 4), running('three', 2)]);
  assert.equal(readPod(all, THREE, at(9)), { phase: 'running', started: '2026-11-20T00:00:04.000Z' });
});

goesOn.run();

const property = suite('success');

const second = fc.integer({ min: 1, max: 30 });
const cleanEnd = fc
  .record({ from: second, took: fc.integer({ min: 0, max: 9 }) })
  .map(({ from, took }) => ended('', 0, from, from + took).state);
const anyState: fc.Arbitrary<Container['state']> = fc.oneof(
  { arbitrary: cleanEnd, weight: 20 },
  fc.constant(undefined),
  second.map((from) => ({ running: { startedAt: at(from) } })),
  fc.constant({ waiting: { reason: 'ContainerCreating' } }),
  fc
    .record({
      exitCode: fc.constantFrom(0, 0, 0, 0, 1, 42, 125, 137, 143),
      reason: fc.constantFrom(
        'Completed',
        'Completed',
        'Completed',
        'Error',
        'OOMKilled',
        'ContainerStatusUnknown',
        'StartError',
        'Unknown',
      ),
      from: second,
      to: second,
      message: fc.constantFrom('', '{"gate":1,"result":"exited","code":0}'),
    })
    .map(({ from, to, ...rest }) => ({
      terminated: { ...rest, startedAt: at(from), finishedAt: at(Math.max(from, to)) },
    })),
);
const anyPod = fc
  .record({
    states: fc.array(anyState, { minLength: 1, maxLength: 3 }),
    phase: fc.constantFrom('Pending', 'Running', 'Succeeded', 'Failed'),
    reason: fc.option(fc.constantFrom('Evicted', 'DeadlineExceeded', 'OutOfcpu', 'Preempting'), {
      nil: undefined,
      freq: 4,
    }),
    disrupted: fc.option(second, { nil: undefined, freq: 3 }),
    deletion: fc.option(fc.record({ asked: second, grace: fc.integer({ min: 0, max: 20 }) }), {
      nil: undefined,
      freq: 2,
    }),
    told: fc.boolean(),
    versioned: fc.boolean(),
    asked: fc.option(second, { nil: null, freq: 3 }),
    node: fc.constantFrom('node', 'node', 'node', null),
    runMs: fc.constantFrom(10_000, 60_000),
  })
  .map(({ states, phase, reason, disrupted, deletion, told, versioned, asked, node, runMs }) => {
    const containers = states.map((state, index) => ({
      name: `s${index}`,
      containerID: 'containerd://1',
      ...(state ? { state } : {}),
    }));
    const ends = containers.map(({ state }) => state?.terminated);
    const finished = Math.max(...ends.map((end) => Date.parse(end?.finishedAt ?? at(0))));
    const isBefore = (time: number): boolean => Date.parse(at(time)) <= finished;
    // The world: a deletion that came before the end is told of by the kubelet, which may have moved its time by then.
    const deletedBefore = deletion !== undefined && isBefore(deletion.asked);
    const metadata = deletion && {
      ...(told
        ? deleted(Math.max(deletion.asked, (finished - Date.parse(at(0))) / 1000 + 1))
        : deleting(deletion.asked, deletion.grace)),
    };
    const observedGeneration = versioned ? (deletedBefore ? 2 : 1) : 0;
    const object = pod(containers, {
      node,
      metadata: { ...metadata, generation: versioned ? (deletion ? 2 : 1) : 0 },
      status: {
        phase,
        observedGeneration,
        ...(reason === undefined ? {} : { reason }),
        ...(disrupted === undefined ? {} : { conditions: [disruption('EvictionByEvictionAPI', disrupted)] }),
      },
    });
    const context: PodContext = {
      ...PLAIN,
      runMs,
      steps: containers.map(({ name }) => step(name)),
      gated: containers.length > 1,
      asked: asked === null ? null : { reason: 'CancelRequested', at: at(asked) },
    };
    const clean =
      ends.every((end) => end?.exitCode === 0 && ['Completed', 'Error'].includes(end.reason ?? '')) &&
      !deletedBefore &&
      !(disrupted !== undefined && isBefore(disrupted)) &&
      !(asked !== null && isBefore(asked));
    return { object, context, clean };
  });

property('needs every step seen to end with 0, and nothing before that could have ended it', () => {
  let successes = 0;
  fc.assert(
    fc.property(anyPod, second, ({ object, context, clean }, now) => {
      const verdict = judged(readPod(object, context, at(now)));
      if (verdict[0] !== 'succeeded') return;
      successes += 1;
      assert.ok(clean, 'a success that is none');
    }),
    { numRuns: 20_000 },
  );
  assert.ok(successes > 500, `only ${successes} successes were tried`);
});

property('is what a clean end amounts to, whatever comes after', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 12, max: 50 }), (count, later) => {
      const names = Array.from({ length: count }, (_, index) => `s${index}`);
      const object = pod(
        names.map((name) => ended(name, 0, 2, 10)),
        {
          status: { phase: 'Succeeded', conditions: [disruption('EvictionByEvictionAPI', later)] },
          metadata: deleted(later),
        },
      );
      const steps = names.map((name) => step(name));
      const asked = { reason: 'JobRemoved' as const, at: at(later) };
      assert.equal(judged(readPod(object, { ...PLAIN, steps, gated: count > 1, asked }, at(70))), [
        'succeeded',
        'Completed',
      ]);
    }),
  );
});

property.run();

const uploads = suite('pods that send artifacts at the end');
const SENDING: PodContext = { ...GATED, upload: 'runledger-artifacts' };
const sender = (exitCode: number, to: number): Container => ended('runledger-artifacts', exitCode, 1, to);

uploads('go on while they send, and how the steps ended is settled', () => {
  const verdict = readPod(pod([ended('run', 7, 1, 10), running('runledger-artifacts', 1)]), SENDING, at(15));
  assert.is(verdict.phase, 'running');
  assert.equal(verdict.settled, {
    finished: new Date(at(10)).toISOString(),
    ending: { kind: 'exited', step: 'run', exitCode: 7 },
  });
  assert.is(verdict.end, undefined);
  const early = readPod(pod([running('run', 1), running('runledger-artifacts', 1)]), SENDING, at(15));
  assert.is(early.settled, undefined);
});

uploads('nothing is settled any more once the pod is being deleted, or was asked to end', () => {
  const containers = [ended('run', 0, 1, 10), running('runledger-artifacts', 1)];
  assert.is(readPod(pod(containers, { metadata: deleting(12, 30) }), SENDING, at(15)).settled, undefined);
  const asked = { reason: 'CancelRequested', at: at(12) } as const;
  assert.is(readPod(pod(containers), { ...SENDING, asked }, at(15)).settled, undefined);
});

for (const exitCode of [0, 1, 124, 137])
  uploads(`end once it is sent or not (${exitCode}); the steps alone decide`, () => {
    for (const own of [0, 3]) {
      const verdict = readPod(pod([ended('run', own, 1, 10), sender(exitCode, 20)]), SENDING, at(25));
      if (verdict.phase !== 'ended') throw new Error(verdict.phase);
      assert.equal(verdict.ending, { kind: 'exited', step: 'run', exitCode: own });
      assert.is(verdict.finished, new Date(at(10)).toISOString());
      assert.is(verdict.upload?.exitCode, exitCode);
    }
  });

uploads('end without word of it where the pod is over', () => {
  const verdict = readPod(pod([ended('run', 0, 1, 10)], { status: { phase: 'Failed' } }), SENDING, at(25));
  assert.is(verdict.phase, 'ended');
  assert.is(verdict.upload, undefined);
});

uploads.run();
