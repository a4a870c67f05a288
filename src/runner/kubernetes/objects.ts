import { isCoded } from '../../errors.ts';
import type { Cluster } from './client.ts';
import { describe, nodes, pathOf, type ApiObject, type Node, type Ref, type Resource } from './wire.ts';

export interface CallOptions {
  readonly signal: AbortSignal;
  /** Limit of each try; absent: the cluster's. */
  readonly timeoutMs?: number;
  /** Tries of each request; absent: five. */
  readonly attempts?: number;
}

export interface CreateOptions extends CallOptions {
  /** The API server judges the object and keeps nothing. */
  readonly dryRun?: boolean;
}

const refOf = ({ metadata }: ApiObject): Ref => ({
  name: metadata?.name ?? '',
  ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
});

/**
 * Creates an object in the namespace that its metadata names; unknown fields are refused. Returns it as the server has
 * it. Throws CodedError: `AlreadyExists`, `NamespaceMissing`, `QuotaExceeded`, `Forbidden`, `AdmissionDenied`,
 * `Invalid`, …; and `CreateUncertain` (transient) where it may have been created all the same: read it, then decide.
 */
export async function createObject<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  object: T,
  { dryRun = false, ...options }: CreateOptions,
): Promise<T> {
  const ref = refOf(object);
  const { apiVersion, kind } = resource;
  const created = await cluster.request({
    method: 'POST',
    path: pathOf(resource, { namespace: ref.namespace }),
    query: { fieldValidation: 'Strict', dryRun: dryRun ? 'All' : undefined },
    body: { ...object, apiVersion, kind },
    doing: `creating ${describe(resource, ref)}`,
    repeat: dryRun ? 'safe' : 'unsafe',
    ...options,
  });
  return created as T;
}

/** Reads an object. Throws CodedError `NotFound` where there is none. */
export async function getObject<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  ref: Ref,
  options: CallOptions,
): Promise<T> {
  const doing = `reading ${describe(resource, ref)}`;
  return (await cluster.request({
    method: 'GET',
    path: pathOf(resource, ref),
    doing,
    repeat: 'safe',
    ...options,
  })) as T;
}

/** Reads an object; null where there is none (or no namespace of that name). */
export async function findObject<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  ref: Ref,
  options: CallOptions,
): Promise<T | null> {
  try {
    return await getObject(cluster, resource, ref, options);
  } catch (error) {
    if (isCoded(error, 'NotFound') || isCoded(error, 'NamespaceMissing')) return null;
    throw error;
  }
}

/** Which objects of a kind. */
export interface Selection {
  /** Absent: every namespace. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListOptions extends CallOptions {
  /** Objects a page; default 500. */
  readonly pageSize?: number;
}

export interface Listed<T> {
  readonly items: readonly T[];
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
}

interface Page<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly T[] | null;
}

async function listOnce<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  selection: Selection,
  limit: number | undefined,
  options: CallOptions,
): Promise<Listed<T>> {
  const { namespace, labelSelector, fieldSelector } = selection;
  const { apiVersion, kind } = resource;
  const items: T[] = [];
  for (let next: string | undefined; ;) {
    const page = (await cluster.request({
      method: 'GET',
      path: pathOf(resource, { namespace }),
      query: { labelSelector, fieldSelector, limit, continue: next },
      doing: `listing ${describe(resource, { namespace })}`,
      repeat: 'safe',
      ...options,
    })) as Page<T>;
    // The items of a list come without the two fields that every single object has.
    for (const item of page.items ?? []) items.push({ ...item, apiVersion, kind });
    next = page.metadata?.continue;
    if (!next) return { items, resourceVersion: page.metadata?.resourceVersion ?? '' };
  }
}

/**
 * Every object of the selection as of one moment, the newest that the cluster has (a consistent read, not the API
 * server's cache). Read in pages; where the moment has gone from the server's memory meanwhile, once more as a whole.
 */
export async function listObjects<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  selection: Selection,
  { pageSize = 500, ...options }: ListOptions,
): Promise<Listed<T>> {
  try {
    return await listOnce(cluster, resource, selection, pageSize, options);
  } catch (error) {
    if (!isCoded(error, 'Expired')) throw error;
    return listOnce(cluster, resource, selection, undefined, options);
  }
}

export interface DeleteOptions extends CallOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

export interface Precondition {
  /** Only this very object, not a later one of the same name; else `Conflict`. */
  readonly uid?: string;
  /** Only if nobody has changed it since; else `Conflict`. */
  readonly resourceVersion?: string;
}

function deleteBody(options: DeleteOptions, preconditions: Precondition | undefined): object {
  const { gracePeriodSeconds, propagationPolicy } = options;
  return { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds, propagationPolicy, preconditions };
}

/**
 * Deletes an object; one with finalizers stays until they are gone. False where there was none: also when a first try
 * had deleted it and its answer was lost.
 */
export async function deleteObject<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  ref: Ref,
  options: DeleteOptions & { readonly precondition?: Precondition },
): Promise<boolean> {
  const { signal, timeoutMs, precondition } = options;
  try {
    await cluster.request({
      method: 'DELETE',
      path: pathOf(resource, ref),
      body: deleteBody(options, precondition),
      doing: `deleting ${describe(resource, ref)}`,
      repeat: 'safe',
      signal,
      timeoutMs,
    });
    return true;
  } catch (error) {
    if (isCoded(error, 'NotFound') || isCoded(error, 'NamespaceMissing')) return false;
    throw error;
  }
}

/** Deletes every object of a namespace that the selectors choose, in one call. At least one selector is required. */
export async function deleteObjects<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  selection: Selection & { readonly namespace: string; readonly labelSelector: string },
  options: DeleteOptions,
): Promise<void> {
  const { namespace, labelSelector, fieldSelector } = selection;
  const { signal, timeoutMs } = options;
  await cluster.request({
    method: 'DELETE',
    path: pathOf(resource, { namespace }),
    query: { labelSelector, fieldSelector },
    body: deleteBody(options, undefined),
    doing: `deleting ${describe(resource, { namespace })} (${labelSelector})`,
    repeat: 'safe',
    signal,
    timeoutMs,
  });
}

export interface JsonPatchStep {
  readonly op: 'add' | 'remove' | 'replace' | 'test' | 'move' | 'copy';
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

export interface PatchOptions extends CallOptions {
  /** Only if nobody has changed the object since; else `Conflict`. */
  readonly resourceVersion?: string;
  /** The same patch may be applied twice without harm; a patch with `resourceVersion` may always. */
  readonly repeatable?: boolean;
  /** `status`, for what is not ours to run: tests and simulated nodes. */
  readonly subresource?: string;
}

async function patchObject<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  ref: Ref,
  patch: { readonly body: unknown; readonly contentType: string },
  { resourceVersion, repeatable = false, subresource, ...options }: PatchOptions,
): Promise<T> {
  const patched = await cluster.request({
    method: 'PATCH',
    path: `${pathOf(resource, ref)}${subresource === undefined ? '' : `/${subresource}`}`,
    query: { fieldValidation: 'Strict' },
    ...patch,
    doing: `changing ${describe(resource, ref)}`,
    repeat: repeatable || resourceVersion !== undefined ? 'safe' : 'unsafe',
    ...options,
  });
  return patched as T;
}

/** Changes fields by a JSON Merge Patch (RFC 7386): null removes one. Returns the object as it is then. */
export function mergePatch<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  ref: Ref,
  patch: Readonly<Record<string, unknown>>,
  options: PatchOptions,
): Promise<T> {
  const { resourceVersion } = options;
  const metadata = patch['metadata'] as object | undefined;
  const body = resourceVersion === undefined ? patch : { ...patch, metadata: { ...metadata, resourceVersion } };
  return patchObject(cluster, resource, ref, { body, contentType: 'application/merge-patch+json' }, options);
}

/** Changes fields by a JSON Patch (RFC 6902). A `test` that fails is `Invalid`. Returns the object as it is then. */
export function jsonPatch<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  ref: Ref,
  steps: readonly JsonPatchStep[],
  options: PatchOptions,
): Promise<T> {
  const { resourceVersion } = options;
  // Written over itself, the field makes the server check it; a `test` that fails would be `Invalid`.
  const check: JsonPatchStep = { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion };
  const body = resourceVersion === undefined ? steps : [check, ...steps];
  return patchObject(cluster, resource, ref, { body, contentType: 'application/json-patch+json' }, options);
}

/** A node: itself, `gone` where there is none of that name, `unknown` where we may not read nodes. */
export async function readNode(
  cluster: Cluster,
  name: string,
  options: CallOptions,
): Promise<Node | 'gone' | 'unknown'> {
  try {
    return await getObject(cluster, nodes, { name }, options);
  } catch (error) {
    if (isCoded(error, 'NotFound')) return 'gone';
    if (isCoded(error, 'Forbidden')) return 'unknown';
    throw error;
  }
}

/** What somebody wants to do: a verb on a kind of object. */
export interface Permission {
  readonly verb: string;
  readonly resource: Resource<ApiObject>;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
}

/** Whether we may do it, by the API server's own answer (SelfSubjectAccessReview). */
export async function mayI(cluster: Cluster, permission: Permission, options: CallOptions): Promise<boolean> {
  const { verb, resource, subresource, namespace, name } = permission;
  const group = resource.apiVersion.includes('/') ? resource.apiVersion.split('/')[0]! : '';
  const resourceAttributes = { verb, group, resource: resource.plural, subresource, namespace, name };
  const review = (await cluster.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } },
    doing: `asking whether we may ${verb} ${describe(resource, { namespace, name })}`,
    // It creates nothing that stays.
    repeat: 'safe',
    ...options,
  })) as { readonly status?: { readonly allowed?: boolean } };
  return review.status?.allowed === true;
}
