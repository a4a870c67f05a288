import { createHash } from 'node:crypto';
import type { V1ConfigMap, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { canonicalJson } from '../job/canonical.ts';
import { DEFAULT_USER, SHORT_STEP } from '../job/defaults.ts';
import { durationMs } from '../job/duration.ts';
import type { RunnerSet } from '../schemas/index.ts';
import { ownedBy, type Owner, type PodContext, type RenderContext } from './context.ts';
import { LABELS, sourceLabels } from './labels.ts';
import { GATE_BUSYBOX, GATE_CONTAINER, PATHS, VOLUMES } from './layout.ts';
import { literal } from './literal.ts';
import { mergePodSpec } from './merge.ts';
import { runnerSetName } from './names.ts';
import { FS_GROUP } from './pod.ts';
import { resourcesOf } from './resources.ts';
import { securityOf } from './restricted.ts';
import { RECEIVE, SETUP, WAIT } from './runner-scripts.ts';

/** The container that waits for an attempt and then is its step, whatever the step is called. */
export const RUNNER_CONTAINER = SHORT_STEP;

/** How much longer than `maxLifetime` a runner waits that nobody replaces: then nobody looks after it any more. */
const LIFETIME_MARGIN_S = 3_600;
/** What an attempt has after TERM where others than runledger end the pod. */
const GRACE_S = 30;

export interface RunnerParts {
  readonly set: RunnerSet;
  readonly context: Omit<PodContext, 'payload'>;
  /** Of the pod. */
  readonly name: string;
  /** The ConfigMap of the set. */
  readonly owner: Owner;
}

/** The pod of an idle runner. It is not protected, holds nothing up, and knows nothing of any job. */
export function renderRunner({ set, context, name, owner }: RunnerParts): V1Pod {
  const spec = runnerSpec(set, context);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: context.namespace,
      labels: {
        ...set.metadata.labels,
        [LABELS.name]: set.metadata.name,
        ...sourceLabels(context, 'runner'),
        [LABELS.runnerSet]: set.metadata.name,
        [LABELS.template]: templateOf(set, context),
      },
      ...(set.metadata.annotations === undefined ? {} : { annotations: { ...set.metadata.annotations } }),
      ownerReferences: [ownedBy(owner)],
    },
    spec,
  };
}

/** The ConfigMap that owns the idle runners of a set, so that a drain sees that somebody looks after them. */
export function renderRunnerSet(set: string, context: Omit<RenderContext, 'epoch'>): V1ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: runnerSetName(context, set),
      namespace: context.namespace,
      labels: { [LABELS.name]: set, ...sourceLabels(context, 'runner-set'), [LABELS.runnerSet]: set },
    },
  };
}

/** A digest of all that runners of a set are made from: another one, and idle runners are replaced. */
export function templateOf(set: RunnerSet, context: RunnerParts['context']): string {
  const { labels = {}, annotations = {} } = set.metadata;
  const text = canonicalJson({ labels, annotations, spec: runnerSpec(set, context) });
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

const WRITABLE: readonly (readonly [name: string, path: string])[] = [
  [VOLUMES.workspace, PATHS.workspace],
  [VOLUMES.home, PATHS.home],
  [VOLUMES.output, PATHS.output],
  [VOLUMES.shared, PATHS.shared],
  [VOLUMES.payload, PATHS.payload],
  [VOLUMES.files, PATHS.files],
  [VOLUMES.handover, PATHS.handover],
];

function runnerSpec({ spec }: RunnerSet, context: RunnerParts['context']): V1PodSpec {
  const { image, busybox } = context.gate ?? { image: context.image, busybox: '/bin/busybox' };
  const ceiling = context.maxResources ?? {};
  const resources = resourcesOf(spec.resources ?? {}, true, ceiling);
  const small = resourcesOf(spec.resources ?? {}, false, ceiling);
  const gate = { name: VOLUMES.gate, mountPath: PATHS.gate };
  const handover = { name: VOLUMES.handover, mountPath: PATHS.handover };
  const lifetime = Math.ceil(durationMs(spec.maxLifetime ?? '24h') / 1000) + LIFETIME_MARGIN_S;
  const own: V1PodSpec = {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: GRACE_S,
    automountServiceAccountToken: spec.pod?.serviceAccountName !== undefined,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, fsGroup: FS_GROUP, seccompProfile: { type: 'RuntimeDefault' } },
    ...(context.imagePullSecrets.length > 0
      ? { imagePullSecrets: context.imagePullSecrets.map((name) => ({ name })) }
      : {}),
    initContainers: [
      {
        name: GATE_CONTAINER,
        image,
        command: [busybox, 'sh', '-c', SETUP, 'setup', busybox, PATHS.gate, PATHS.handover, WAIT, RECEIVE].map(literal),
        ...(Object.keys(small).length > 0 ? { resources: small } : {}),
        securityContext: securityOf(DEFAULT_USER),
        volumeMounts: [gate, handover],
      },
    ],
    containers: [
      {
        name: RUNNER_CONTAINER,
        image: spec.image,
        command: [GATE_BUSYBOX, 'sh', `${PATHS.gate}/wait`, GATE_BUSYBOX, PATHS.handover, String(lifetime)],
        workingDir: '/',
        ...(Object.keys(resources).length > 0 ? { resources } : {}),
        securityContext: securityOf(DEFAULT_USER),
        volumeMounts: [...WRITABLE.map(([name, mountPath]) => ({ name, mountPath })), { ...gate, readOnly: true }],
      },
    ],
    volumes: [
      { name: VOLUMES.gate, emptyDir: {} },
      ...WRITABLE.map(([name]) => ({
        name,
        // Values of Secrets pass through it, and are to reach no disk.
        emptyDir: name === VOLUMES.handover ? { medium: 'Memory' } : {},
      })),
    ],
  };
  return mergePodSpec(mergePodSpec(own, context.podDefaults), spec.pod ?? {});
}

/** The program that hands over, with its arguments; the archive comes on its standard input. */
export const receiveCommand = (length: number, sha256: string): readonly string[] => [
  GATE_BUSYBOX,
  'sh',
  `${PATHS.gate}/receive`,
  GATE_BUSYBOX,
  PATHS.handover,
  String(length),
  sha256,
];
