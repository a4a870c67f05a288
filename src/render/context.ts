import type { V1OwnerReference } from '@kubernetes/client-node';
import type { PodSpec, Quantities } from '../schemas/index.ts';
import type { NameScope } from './names.ts';

/** What every object of a source is rendered with. */
export interface RenderContext extends NameScope {
  readonly namespace: string;
  /** The leadership that creates the object. */
  readonly epoch: number;
}

/** An object that another one belongs to. */
export interface Owner {
  readonly name: string;
  readonly uid: string;
}

/** What pods are rendered with besides. */
export interface PodContext extends RenderContext {
  /** runledger's own image: the gate's busybox comes from it. */
  readonly image: string;
  /** The source's pull secrets, by name. */
  readonly imagePullSecrets: readonly string[];
  /** Config's `defaults.pod`. */
  readonly podDefaults: PodSpec;
  /** The run's payload, which owns the pod. */
  readonly payload: Owner;
  /** Where the gate's busybox comes from, if not from `image` as shipped. It has to be static. */
  readonly gate?: { readonly image: string; readonly busybox: string };
  /** Where pods reach runledger for checkout and artifacts: `http://host:port`. */
  readonly address?: string;
  /** The policy's ceiling: the limit of containers that name none. */
  readonly maxResources?: Quantities;
}

/** Stands for the uid of an owner that does not exist yet, where objects are only shown or validated. */
export const UNKNOWN_UID = '00000000-0000-0000-0000-000000000000';

/** Makes a ConfigMap the controlling owner: garbage collection follows it, and drain sees a pod that is looked after. */
export function ownedBy({ name, uid }: Owner): V1OwnerReference {
  return { apiVersion: 'v1', kind: 'ConfigMap', name, uid, controller: true, blockOwnerDeletion: true };
}
