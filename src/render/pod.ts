import type { V1Container, V1Pod, V1PodSpec, V1VolumeMount } from '@kubernetes/client-node';
import { posix } from 'node:path';
import { terminalError } from '../errors.ts';
import { DEFAULT_USER } from '../job/defaults.ts';
import { taskRecord } from '../job/task-spec.ts';
import type { RunRecord } from '../runner/port.ts';
import type { Quantities } from '../schemas/index.ts';
import { ownedBy, type PodContext } from './context.ts';
import { type Attempt, stepEnvironment } from './environment.ts';
import { gateArguments } from './gate-arguments.ts';
import { OUTCOME_FINALIZER, podLabels, runAnnotations } from './labels.ts';
import { GATE_BUSYBOX, GATE_CONTAINER, GATE_SCRIPT, PATHS, UPLOAD_S, VOLUMES } from './layout.ts';
import { literal } from './literal.ts';
import { mergePodSpec } from './merge.ts';
import { podName } from './names.ts';
import { remaining, resourcesOf } from './resources.ts';
import { securityOf } from './restricted.ts';
import { type OwnContainer, serviceContainers, serviceVolumes, tmpfsContainers } from './services.ts';
import { planRecord, type PodPlan, type PodStep } from './steps.ts';
import { podVolumes } from './volumes.ts';
import { artifactsContainer, checkoutContainer, needsToken, type OwnContainerParts, tokenVolume } from './workspace.ts';

/** The group that owns volumes, whatever user a step runs as. */
export const FS_GROUP = DEFAULT_USER;

/** What the gates themselves need at the end of a pod, besides the times that the job allows. */
export const GATE_MARGIN_S = 5;

/** How much later than everything else the kubelet ends a pod by itself: time for another controller to take over. */
const BACKSTOP_MARGIN_S = 300;

export interface PodParts extends Attempt {
  /** Of the run. */
  readonly record: RunRecord;
  readonly context: PodContext;
}

/**
 * The one pod of an attempt (docs/architecture.md), with Config's `defaults.pod` and the job's `pod` merged over it. The policy
 * is judged on what this returns, and on the spec of the task (judgePolicy). Throws CodedErrors (terminal): `InvalidPod` for a
 * step without an image, and what `taskRecord` throws. A task with nothing left to do has no pod: the caller asks before.
 */
export function renderPod(parts: PodParts): V1Pod {
  const { task, attempt, context } = parts;
  const { record } = taskRecord(parts.record, task);
  const plan = planRecord(record);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName(context, { job: record.job, run: record.run, task: task.name, attempt }),
      namespace: context.namespace,
      labels: podLabels(context, record, task.name, attempt),
      annotations: runAnnotations(record, context.epoch),
      ownerReferences: [ownedBy(context.payload)],
      finalizers: [OUTCOME_FINALIZER],
    },
    spec: mergePodSpec(
      mergePodSpec(podSpec({ ...parts, record }, parts.record, plan), context.podDefaults),
      record.spec.pod ?? {},
    ),
  };
}

/**
 * Seconds from the deletion of the pod to its last KILL: the grace of the step that runs, and the time of `finally` and for
 * artifacts, which only gates can use.
 */
export function graceSeconds({ spec, steps, gated, artifacts }: PodPlan): number {
  const hasFinally = steps.some((step) => step.when !== null);
  const own = spec.timeouts.graceMs + (hasFinally ? spec.timeouts.finallyMs : 0);
  return seconds(own) + (artifacts ? UPLOAD_S : 0) + (gated ? GATE_MARGIN_S : 0);
}

/** `parts` with the record of the task; `ofRun` is that of the run, which the payload follows. */
function podSpec(parts: PodParts, ofRun: RunRecord, plan: PodPlan): V1PodSpec {
  const { record, context } = parts;
  const { volumes, mounts } = podVolumes(ofRun, plan, context.payload.name);
  if (plan.gated) volumes.push({ name: VOLUMES.gate, emptyDir: {} }, { name: VOLUMES.state, emptyDir: {} });
  const pod = podName(context, { job: record.job, run: record.run, task: parts.task.name, attempt: parts.attempt });
  if (needsToken(plan)) volumes.push(tokenVolume(pod));
  volumes.push(...serviceVolumes(plan.services));
  const own: OwnContainerParts = { plan, context, pod, ceiling: ceilingOfSteps(plan, context) };
  const before = [...(plan.gated ? initContainers(plan, context) : [])];
  // Behind the gate's, before the services: what can't be had is known early.
  if (plan.checkout) before.splice(plan.gated ? 1 : 0, 0, checkoutContainer(own));
  const hostnames = plan.services.map(({ name }) => name);
  return {
    restartPolicy: 'Never',
    activeDeadlineSeconds: backstopSeconds(plan),
    terminationGracePeriodSeconds: graceSeconds(plan),
    automountServiceAccountToken: record.spec.pod?.serviceAccountName !== undefined,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      fsGroup: FS_GROUP,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...(context.imagePullSecrets.length > 0
      ? { imagePullSecrets: context.imagePullSecrets.map((name) => ({ name })) }
      : {}),
    ...(hostnames.length > 0 ? { hostAliases: [{ ip: '127.0.0.1', hostnames }] } : {}),
    ...(before.length > 0 ? { initContainers: before } : {}),
    containers: [
      ...plan.steps.map((step, index) => stepContainer(parts, plan, index, mountsOf(step, plan, mounts))),
      ...(plan.artifacts ? [artifactsContainer(own, record.spec.artifacts?.paths ?? [])] : []),
    ],
    volumes,
  };
}

/** From the kubelet's first sight of the pod: behind the start time-out, the run's, and everything at the end. */
function backstopSeconds(plan: PodPlan): number {
  const { startMs, runMs } = plan.spec.timeouts;
  return seconds(startMs + runMs) + graceSeconds(plan) + BACKSTOP_MARGIN_S;
}

function stepContainer(parts: PodParts, plan: PodPlan, index: number, volumeMounts: V1VolumeMount[]): V1Container {
  const step = plan.steps[index] as PodStep;
  const { record, context } = parts;
  if (step.image === undefined)
    throw terminalError('InvalidPod', `${record.path}: step "${step.name}" of ${record.job} has no image`, {
      hint: 'write spec.image, or image in the step',
    });
  const folder = posix.resolve(PATHS.workspace, step.workingDirectory);
  const resources = resourcesOf(plan.spec.resources, index === 0, ceilingOfSteps(plan, context));
  return {
    name: step.container,
    image: step.image,
    ...(plan.gated ? gatedCommand(plan, index, folder) : { command: step.command.map(literal) }),
    // The gate changes into the folder itself: an earlier step may have to make it.
    workingDir: plan.gated ? PATHS.workspace : folder,
    env: stepEnvironment(parts, step),
    ...(Object.keys(resources).length > 0 ? { resources } : {}),
    securityContext: securityOf(step.user),
    volumeMounts,
  };
}

function gatedCommand(plan: PodPlan, index: number, directory: string): Pick<V1Container, 'command' | 'args'> {
  const step = plan.steps[index] as PodStep;
  const { timeouts, exitCodes } = plan.spec;
  const users = new Set(plan.steps.map(({ user }) => user));
  const parameters = gateArguments({
    step: step.name,
    position: index + 1,
    gates: plan.steps.length + (plan.artifacts ? 1 : 0),
    when: step.when,
    timeoutS: step.timeoutMs === null ? null : seconds(step.timeoutMs),
    runTimeoutS: seconds(timeouts.runMs),
    finallyTimeoutS: seconds(timeouts.finallyMs),
    graceS: seconds(timeouts.graceMs),
    notFailures: [...exitCodes.warning, ...exitCodes.skipped],
    directory,
    state: PATHS.state,
    busybox: GATE_BUSYBOX,
    report: '/dev/termination-log',
    // Steps of several users share a workspace: what one makes, the group of the volumes can write.
    ...(users.size > 1 ? { umask: '0002' } : {}),
  });
  return { command: [GATE_BUSYBOX, 'sh', GATE_SCRIPT], args: [...parameters, ...step.command].map(literal) };
}

/** What steps may use together: services run beside them. */
const ceilingOfSteps = ({ services }: PodPlan, { maxResources = {} }: PodContext): Quantities =>
  remaining(
    maxResources,
    services.map(({ resources }) => resources),
  );

/** In their order: what brings the gate's busybox, what makes folders for the services, the services. */
function initContainers(plan: PodPlan, context: PodContext): V1Container[] {
  const { image, busybox } = context.gate ?? { image: context.image, busybox: '/bin/busybox' };
  const resources = resourcesOf(plan.spec.resources, false, ceilingOfSteps(plan, context));
  const container: OwnContainer = (name, command, mount, user) => ({
    name,
    image,
    command: [busybox, ...command],
    ...(Object.keys(resources).length > 0 ? { resources } : {}),
    securityContext: securityOf(user),
    volumeMounts: [{ name: VOLUMES.payload, mountPath: PATHS.payload, readOnly: true }, mount],
  });
  const mount = { name: VOLUMES.gate, mountPath: PATHS.gate };
  return [
    container(GATE_CONTAINER, ['cp', busybox, GATE_BUSYBOX], mount, DEFAULT_USER),
    ...tmpfsContainers(plan.services, container),
    ...serviceContainers(plan.services),
  ];
}

function mountsOf(step: PodStep, plan: PodPlan, mounts: readonly V1VolumeMount[]): V1VolumeMount[] {
  if (plan.gated)
    return [
      ...mounts,
      { name: VOLUMES.gate, mountPath: PATHS.gate, readOnly: true },
      { name: VOLUMES.state, mountPath: PATHS.state },
    ];
  // The runtime would make the folder, but as root; as a mount it is as writable as the workspace.
  const folder = posix.relative(PATHS.workspace, posix.resolve(PATHS.workspace, step.workingDirectory));
  if (folder === '' || folder.startsWith('..')) return [...mounts];
  return [...mounts, { name: VOLUMES.workspace, mountPath: posix.join(PATHS.workspace, folder), subPath: folder }];
}

const seconds = (milliseconds: number): number => Math.ceil(milliseconds / 1000);
