import { posix } from 'node:path';
import type { PodSpec } from '../schemas/index.ts';
import { OWN_PREFIX, PATHS, VOLUMES } from './layout.ts';

/** Something that a job may not do: where it is written, and a sentence with what would be right. */
export interface Violation {
  /** A path in the manifest (`spec.pod.nodeName`) or in the rendered pod (`pod.spec.containers[load].image`). */
  readonly field: string;
  readonly message: string;
}

type Mapping = Readonly<Record<string, unknown>>;

/** Fields of `pod:` that a job may write. */
const POD_FIELDS: ReadonlySet<string> = new Set([
  'affinity',
  'automountServiceAccountToken',
  'containers',
  'dnsConfig',
  'dnsPolicy',
  'enableServiceLinks',
  'hostAliases',
  'hostUsers',
  'hostname',
  'imagePullSecrets',
  'nodeSelector',
  'resourceClaims',
  'runtimeClassName',
  'securityContext',
  'serviceAccountName',
  'subdomain',
  'tolerations',
  'topologySpreadConstraints',
  'volumes',
]);

/** Fields that people are likely to try, and what to do instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  activeDeadlineSeconds: 'write spec.timeouts.run',
  ephemeralContainers: 'use kubectl debug on the running pod',
  hostIPC: 'jobs stay apart from their nodes',
  hostNetwork: 'jobs stay apart from their nodes',
  hostPID: 'jobs stay apart from their nodes',
  initContainers: 'write a step, since pods are not protected from eviction while these run',
  nodeName: 'write spec.pod.nodeSelector or affinity, since the scheduler places the pod',
  preemptionPolicy: 'the priority of pods is set in the configuration of the controller',
  priority: 'the priority of pods is set in the configuration of the controller',
  priorityClassName: 'the priority of pods is set in the configuration of the controller',
  restartPolicy: 'write spec.retry, since a pod is one attempt',
  schedulerName: 'the scheduler is set in the configuration of the controller',
  serviceAccount: 'write serviceAccountName',
  shareProcessNamespace: 'each step has processes of its own',
  terminationGracePeriodSeconds: 'write spec.timeouts.grace',
};

const CONTAINER_FIELDS: ReadonlySet<string> = new Set([
  'env',
  'envFrom',
  'imagePullPolicy',
  'name',
  'ports',
  'resources',
  'securityContext',
  'volumeDevices',
  'volumeMounts',
]);

const CONTAINER_INSTEAD: Readonly<Record<string, string>> = {
  args: 'write args in the step',
  command: 'write run or command in the step',
  image: 'write image in the step',
  lifecycle: 'write a step or a hook',
  workingDir: 'write workingDirectory in the step',
};

/** Volumes of runledger that a job may replace, say by a claim that outlives the pod. */
const OWN_REPLACEABLE: ReadonlySet<string> = new Set([VOLUMES.workspace, VOLUMES.home, VOLUMES.output, VOLUMES.shared]);

/** Folders of runledger in which a job may mount something further. */
const OPEN_FOLDERS = [PATHS.workspace, PATHS.home, PATHS.output, PATHS.shared];

/**
 * What a job's `pod:` must not say, whatever the policy: everything on which the one start, the order of the steps and
 * the truth of the outcome rest. `steps`: the names of the job's steps.
 */
export function overlayViolations(overlay: PodSpec, steps: readonly string[]): readonly Violation[] {
  return [
    ...directives(overlay, 'spec.pod'),
    ...fields(overlay, 'spec.pod', POD_FIELDS, INSTEAD),
    ...items(overlay.volumes).flatMap((volume) => volumeViolations(volume)),
    ...items(overlay.containers).flatMap((container) => containerViolations(container, steps)),
  ];
}

/** `$patch`, `$retainKeys` and the like would remove what runledger has put there. */
function directives(value: unknown, path: string): readonly Violation[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key.startsWith('$')
      ? [{ field: `${path}.${key}`, message: 'directives have no meaning here; write the fields as they shall be' }]
      : directives(child, `${path}.${key}`),
  );
}

function fields(
  value: Mapping,
  path: string,
  allowed: ReadonlySet<string>,
  instead: Readonly<Record<string, string>>,
): readonly Violation[] {
  return Object.keys(value)
    .filter((field) => !allowed.has(field) && !field.startsWith('$'))
    .map((field) => {
      const hint = Object.hasOwn(instead, field) ? instead[field] : 'leave it out';
      return { field: `${path}.${field}`, message: `a job may not set it; ${hint}` };
    });
}

function volumeViolations(volume: Mapping): readonly Violation[] {
  const name = String(volume['name']);
  if (!isOwnName(name) || OWN_REPLACEABLE.has(name)) return [];
  return [{ field: `spec.pod.volumes[${name}]`, message: 'this volume belongs to runledger; use another name' }];
}

function containerViolations(container: Mapping, steps: readonly string[]): readonly Violation[] {
  const name = String(container['name']);
  const field = `spec.pod.containers[${name}]`;
  if (!steps.includes(name)) {
    const message = `the job has no step of this name; it has ${steps.join(', ')}, and further containers are steps`;
    return [{ field, message }];
  }
  return [
    ...fields(container, field, CONTAINER_FIELDS, CONTAINER_INSTEAD),
    ...items(container['env'])
      .filter((variable) => String(variable['name']).startsWith('RUNLEDGER_'))
      .map((variable) => ({
        field: `${field}.env[${String(variable['name'])}]`,
        message: 'variables that begin with RUNLEDGER_ are set by runledger; use another name',
      })),
    ...items(container['volumeMounts']).flatMap((mount) => mountViolations(mount, field)),
  ];
}

function mountViolations(mount: Mapping, container: string): readonly Violation[] {
  const path = posix.resolve('/', String(mount['mountPath']));
  const field = `${container}.volumeMounts[${path}]`;
  const isOpen = OPEN_FOLDERS.some((folder) => path.startsWith(`${folder}/`));
  const found: Violation[] = [];
  if (/^\/(runledger(\/|$)|dev\/termination-log$|$)/.test(path) && !isOpen)
    found.push({ field, message: `this path belongs to runledger; mount below ${PATHS.workspace} or elsewhere` });
  const name = String(mount['name']);
  if (isOwnName(name) && !OWN_REPLACEABLE.has(name))
    found.push({ field, message: `the volume ${name} belongs to runledger; mount one of your own` });
  return found;
}

const isOwnName = (name: string): boolean => name.startsWith(OWN_PREFIX);

function items(list: unknown): readonly Mapping[] {
  return Array.isArray(list) ? list.filter((item): item is Mapping => typeof item === 'object' && item !== null) : [];
}
