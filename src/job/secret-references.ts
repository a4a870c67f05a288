import type { Job, RunnerSet } from '../schemas/index.ts';
import { formatPath } from './positions.ts';
import type { FieldPath } from './positions.ts';

/** Fields of a PodSpec by which a container comes to a Secret, or to the rights of a service account. */
const POD_FIELDS: ReadonlySet<string> = new Set([
  'secret',
  'secretKeyRef',
  'secretRef',
  'secretName',
  'imagePullSecrets',
  'nodePublishSecretRef',
  'serviceAccount',
  'serviceAccountName',
  'automountServiceAccountToken',
  'serviceAccountToken',
]);

/**
 * Where a spec, a valid one, refers to a Secret or to a service account: `spec.env.TOKEN`, `spec.files[0]`,
 * `spec.pod.serviceAccountName`. Empty: whatever its commands are, they come to none that is not there for every pod.
 */
export function secretFields(spec: Job['spec'] | RunnerSet['spec']): readonly string[] {
  const { pod, ...rest } = spec;
  const own = fieldsOf(rest, ['spec'], (key, value) => key === 'secret' && isReference(value));
  const ofPod = fieldsOf(pod, ['spec', 'pod'], (key, value) => POD_FIELDS.has(key) && value !== false);
  // What is named is the variable or file that takes the value, not the word.
  return [...own.map((path) => path.slice(0, -1)), ...ofPod].map(formatPath);
}

/** A variable may be called `secret`, too. */
const isReference = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';

function fieldsOf(
  value: unknown,
  path: FieldPath,
  matches: (key: string, value: unknown) => boolean,
): readonly FieldPath[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const at: FieldPath = [...path, Array.isArray(value) ? Number(key) : key];
    return matches(key, child) ? [at] : fieldsOf(child, at, matches);
  });
}
