import type {
  CoreV1Event,
  V1ConfigMap,
  V1Lease,
  V1Namespace,
  V1Node,
  V1Pod,
  V1PodDisruptionBudget,
  V1Secret,
} from '@kubernetes/client-node';

/**
 * An object as it is on the wire: what client-node types as `Date` is an RFC 3339 text. The generated client is not
 * used for requests, because it drops every field that it does not know: a newer field, or a slip of the pen, in a pod
 * overlay would vanish before the API server could judge it.
 */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer Element)[]
    ? readonly Wire<Element>[]
    : T extends object
      ? { readonly [Key in keyof T]: Wire<T[Key]> }
      : T;

/** An object built with client-node's types, as it goes on the wire: the same object, whose dates become texts there. */
export const toWire = <T extends object>(object: T): Wire<T> => object as unknown as Wire<T>;

export type Pod = Wire<V1Pod>;
export type ConfigMap = Wire<V1ConfigMap>;
export type PodDisruptionBudget = Wire<V1PodDisruptionBudget>;
export type Lease = Wire<V1Lease>;
export type Event = Wire<CoreV1Event>;
export type Secret = Wire<V1Secret>;
export type Node = Wire<V1Node>;
export type Namespace = Wire<V1Namespace>;

/** What every object has, as far as this folder looks at it. */
export interface ApiObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** A kind of object and where the API server keeps it. The type of its objects goes with it. */
export interface Resource<T extends ApiObject> {
  /** `v1` or `policy/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  /** As in URLs: `pods`. */
  readonly plural: string;
  /** Never there; carries the type. */
  readonly object?: T;
}

/** Names a kind of object. */
export const resource = <T extends ApiObject>(apiVersion: string, kind: string, plural: string): Resource<T> => ({
  apiVersion,
  kind,
  plural,
});

export const pods = resource<Pod>('v1', 'Pod', 'pods');
export const configMaps = resource<ConfigMap>('v1', 'ConfigMap', 'configmaps');
export const podDisruptionBudgets = resource<PodDisruptionBudget>(
  'policy/v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
);
export const leases = resource<Lease>('coordination.k8s.io/v1', 'Lease', 'leases');
export const events = resource<Event>('v1', 'Event', 'events');
export const secrets = resource<Secret>('v1', 'Secret', 'secrets');
export const nodes = resource<Node>('v1', 'Node', 'nodes');
export const namespaces = resource<Namespace>('v1', 'Namespace', 'namespaces');

/** One object of a kind; without a namespace for kinds that have none. */
export interface Ref {
  readonly namespace?: string;
  readonly name: string;
}

/** The URL path of a kind's collection, or of one object of it. */
export function pathOf(
  { apiVersion, plural }: Resource<ApiObject>,
  { namespace, name }: { readonly namespace?: string | undefined; readonly name?: string | undefined },
): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

/** An object, or a collection, in the words of an error message: `pod "x" in namespace "y"`. */
export function describe(
  { kind, plural }: Resource<ApiObject>,
  { namespace, name }: { readonly namespace?: string | undefined; readonly name?: string | undefined },
): string {
  const what = name === undefined ? plural : `${kind} "${name}"`;
  return namespace === undefined ? what : `${what} in namespace "${namespace}"`;
}
