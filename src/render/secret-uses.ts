import type { Job } from '../schemas/index.ts';
import { planPod } from './steps.ts';

/** A Secret whose values a container of a pod gets to see. */
export interface SecretUse {
  readonly name: string;
  /** The keys that are seen; null: all that it has. */
  readonly keys: readonly string[] | null;
  /** Whether the pod starts without it. */
  readonly optional: boolean;
  /** Where the pod says so: `pod.spec.containers[run].env[TOKEN]`. */
  readonly field: string;
}

interface Selected {
  readonly name?: string;
  readonly optional?: boolean;
}

interface Projected extends Selected {
  readonly items?: readonly { readonly key: string }[];
}

/** The fields of a PodSpec that name Secrets: as rendered, or as the API server sends them. */
export interface SecretFields {
  readonly containers: readonly SecretContainer[];
  readonly initContainers?: readonly SecretContainer[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly secret?: Omit<Projected, 'name'> & { readonly secretName?: string };
    readonly projected?: { readonly sources?: readonly { readonly secret?: Projected }[] };
  }[];
}

export interface SecretContainer {
  readonly name: string;
  readonly env?: readonly {
    readonly name: string;
    readonly valueFrom?: { readonly secretKeyRef?: Selected & { readonly key: string } };
  }[];
  readonly envFrom?: readonly { readonly secretRef?: Selected }[];
  readonly volumeMounts?: readonly { readonly name: string }[];
}

const use = ({ name, optional = false }: Selected, keys: SecretUse['keys'], field: string): readonly SecretUse[] =>
  name === undefined ? [] : [{ name, keys, optional, field }];

/** What a job writes may be of any shape: the API server will say so, and nothing has to break before. */
const objects = <T extends object>(list: readonly T[] | undefined): readonly T[] =>
  Array.isArray(list) ? (list as readonly T[]).filter((item) => typeof item === 'object' && item !== null) : [];

const keysOf = (items: Projected['items']): SecretUse['keys'] =>
  objects(items).length === 0 ? null : objects(items).map(({ key }) => key);

/** The Secrets in the environment of a container. */
const ofContainer = ({ name, env, envFrom }: SecretContainer): readonly SecretUse[] => [
  ...objects(env).flatMap(({ name: variable, valueFrom }) => {
    const { secretKeyRef } = valueFrom ?? {};
    return secretKeyRef ? use(secretKeyRef, [secretKeyRef.key], `pod.spec.containers[${name}].env[${variable}]`) : [];
  }),
  ...objects(envFrom).flatMap(({ secretRef }) =>
    secretRef ? use(secretRef, null, `pod.spec.containers[${name}].envFrom`) : [],
  ),
];

/** The Secrets in volumes. */
const ofVolume = ({ name, secret, projected }: NonNullable<SecretFields['volumes']>[number]): readonly SecretUse[] => {
  const field = `pod.spec.volumes[${name}]`;
  const { secretName, ...rest } = secret ?? {};
  return [
    ...(secretName === undefined ? [] : use({ ...rest, name: secretName }, keysOf(rest.items), field)),
    ...objects(projected?.sources).flatMap(({ secret: source }) =>
      source ? use(source, keysOf(source.items), field) : [],
    ),
  ];
};

/** The Secrets that the containers see in their environment, and those of all volumes. */
export const secretUses = (
  { volumes }: Pick<SecretFields, 'volumes'>,
  containers: readonly SecretContainer[],
): readonly SecretUse[] => [...containers.flatMap(ofContainer), ...objects(volumes).flatMap(ofVolume)];

/** The Secrets that the containers which a job brings get to see; not those of what a webhook or the configuration adds. */
export function secretUsesOfJob(pod: SecretFields, spec: Job['spec']): readonly SecretUse[] {
  const names = jobContainerNames(spec);
  const ours = [...objects(pod.initContainers), ...objects(pod.containers)].filter(({ name }) => names.has(name));
  const mounted = new Set(ours.flatMap(({ volumeMounts }) => objects(volumeMounts).map(({ name }) => name)));
  return secretUses({ volumes: objects(pod.volumes).filter(({ name }) => mounted.has(name)) }, ours);
}

interface NamedContainers {
  readonly containers?: readonly { readonly name?: string }[];
  readonly initContainers?: readonly { readonly name?: string }[];
}

function jobContainerNames(spec: Job['spec']): ReadonlySet<string> {
  const { containers, initContainers } = (spec.pod ?? {}) as NamedContainers;
  return new Set([
    ...planPod(spec).steps.map(({ container }) => container),
    ...Object.keys(spec.services ?? {}),
    ...[...objects(containers), ...objects(initContainers)].flatMap(({ name }) => name ?? []),
  ]);
}
