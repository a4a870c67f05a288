import type { V1Container, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { formatDuration, durationMs } from '../job/duration.ts';
import { parseQuantity } from '../job/quantity.ts';
import type { Job, Policy, TimeoutLimits } from '../schemas/index.ts';
import { globMatches, imageMatches, imageText, parseImage } from './images.ts';
import { ARTIFACTS_CONTAINER, OWN_PREFIX, VOLUMES } from './layout.ts';
import { overlayViolations, type Violation } from './overlay.ts';
import { isExclusive } from './resources.ts';
import { restrictedViolations } from './restricted.ts';
import { secretUses } from './secret-uses.ts';
import { planPod } from './steps.ts';

export type { Violation };

/** What a policy is judged on. */
export interface PolicySubject {
  /** As it would be created: renderPod. */
  readonly pod: V1Pod;
  readonly spec: Job['spec'];
  /** The source's own pull secrets, which no job has asked for. */
  readonly imagePullSecrets?: readonly string[];
}

/**
 * What a source's policy has against a pod; nothing when it may run. What a job may never do is judged on its `pod:`;
 * images, Secrets, accounts, security and resources on the rendered pod, wherever they came from; time-outs on the spec.
 */
export function judgePolicy(subject: PolicySubject, policy: Policy): readonly Violation[] {
  const { pod, spec } = subject;
  const { steps } = planPod(spec);
  const podSpec = pod.spec ?? { containers: [] };
  return [
    ...overlayViolations(
      spec.pod ?? {},
      // A hook belongs to runledger's own containers.
      steps.filter(({ name, container }) => name === container).map(({ name }) => name),
    ),
    ...restrictedViolations(podSpec, policy.allowRoot ?? false),
    ...imageViolations(podSpec, policy.images),
    ...secretViolations(podSpec, policy.secrets, subject.imagePullSecrets ?? []),
    ...accountViolations(podSpec, policy.serviceAccounts ?? ['default']),
    ...timeoutViolations(spec, policy.maxTimeouts ?? {}),
    ...resourceViolations(podSpec, policy.maxResources ?? {}),
  ];
}

/** The sentences of violations as one message: `spec.pod.nodeName: a job may not set it; …`. */
export function violationText(violations: readonly Violation[]): string {
  return violations.map(({ field, message }) => `${field}: ${message}`).join('; ');
}

/** The containers that a job brings; of those that run before it, services alone are not runledger's. */
const jobContainers = ({ initContainers = [], containers }: V1PodSpec): readonly V1Container[] => [
  ...initContainers.filter(({ name }) => !name.startsWith(OWN_PREFIX)),
  // Like the init containers, it is runledger's own; a job can't change it.
  ...containers.filter(({ name }) => name !== ARTIFACTS_CONTAINER),
];

const oneOf = (allowed: readonly string[]): string =>
  allowed.length === 0 ? 'it allows none' : `it allows ${allowed.join(', ')}`;

function imageViolations(spec: V1PodSpec, allowed: Policy['images']): readonly Violation[] {
  if (allowed === undefined) return [];
  return jobContainers(spec)
    .filter(({ image = '' }) => !imageMatches(image, allowed))
    .map(({ name, image = '' }) => ({
      field: `pod.spec.containers[${name}].image`,
      message: `the policy does not allow ${imageText(parseImage(image))}; ${oneOf(allowed)}`,
    }));
}

function secretViolations(spec: V1PodSpec, allowed: Policy['secrets'], own: readonly string[]): readonly Violation[] {
  if (allowed === undefined) return [];
  const used = new Map<string, string>();
  const use = (name: string | undefined, field: string): void => {
    if (name !== undefined && !used.has(name)) used.set(name, field);
  };
  const volumes = (spec.volumes ?? []).filter(({ name }) => name !== VOLUMES.token);
  for (const { name, field } of secretUses({ volumes }, jobContainers(spec))) use(name, field);
  for (const { name, csi } of spec.volumes ?? []) use(csi?.nodePublishSecretRef?.name, `pod.spec.volumes[${name}]`);
  for (const { name } of spec.imagePullSecrets ?? [])
    if (name === undefined || !own.includes(name)) use(name, 'pod.spec.imagePullSecrets');
  return [...used]
    .filter(([name]) => !globMatches(name, allowed))
    .map(([name, field]) => ({ field, message: `the policy does not allow the Secret ${name}; ${oneOf(allowed)}` }));
}

function accountViolations(spec: V1PodSpec, allowed: readonly string[]): readonly Violation[] {
  const account = spec.serviceAccountName ?? 'default';
  if (allowed.includes(account)) return [];
  const field = 'pod.spec.serviceAccountName';
  return [{ field, message: `the policy does not allow the service account ${account}; ${oneOf(allowed)}` }];
}

function timeoutViolations(spec: Job['spec'], limits: TimeoutLimits): readonly Violation[] {
  const { timeouts } = planPod(spec).spec;
  const asked = {
    queue: timeouts.queueMs,
    start: timeouts.startMs,
    run: timeouts.runMs,
    grace: timeouts.graceMs,
    finally: timeouts.finallyMs,
  };
  return (Object.keys(asked) as (keyof typeof asked)[]).flatMap((name) => {
    const limit = limits[name];
    if (limit === undefined || asked[name] <= durationMs(limit)) return [];
    const message = `${formatDuration(asked[name])} is longer than the policy allows; write ${limit} or less`;
    return [{ field: `spec.timeouts.${name}`, message }];
  });
}

/**
 * Steps run one after the other and share what is limited, so the highest of their limits counts, with those of the services
 * beside them; requests, and what a node hands to each container, add up.
 */
function resourceViolations(spec: V1PodSpec, ceiling: NonNullable<Policy['maxResources']>): readonly Violation[] {
  return Object.entries(ceiling).flatMap(([resource, most]) => {
    const max = parseQuantity(most) ?? 0;
    const amounts = (containers: readonly V1Container[], kind: 'requests' | 'limits'): readonly number[] =>
      containers.map(({ resources }) => parseQuantity(resources?.[kind]?.[resource] ?? '') ?? 0);
    const beside = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
    const requested = sum(amounts([...spec.containers, ...beside], 'requests'));
    const ofSteps = amounts(spec.containers, 'limits');
    const limited = sum(amounts(beside, 'limits')) + (isExclusive(resource) ? sum(ofSteps) : Math.max(0, ...ofSteps));
    const unlimited = [...beside, ...spec.containers].find(
      ({ resources: own }) => own?.limits?.[resource] === undefined,
    );
    const found: Violation[] = [];
    const field = (kind: string): string => `pod.spec.containers[*].resources.${kind}.${resource}`;
    const message = `the policy allows ${most} in all; write no more`;
    if (requested > max) found.push({ field: field('requests'), message });
    if (limited > max) found.push({ field: field('limits'), message });
    if (unlimited && !isExclusive(resource))
      found.push({
        field: `pod.spec.containers[${unlimited.name}].resources.limits.${resource}`,
        message: `has no limit, and the policy allows ${most} in all; write resources.limits.${resource}`,
      });
    return found;
  });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
