import { messageOf } from '../../errors.ts';
import { identityOf, LABELS, MANAGER, OUTCOME_FINALIZER } from '../../render/labels.ts';
import type { NameScope } from '../../render/names.ts';
import type { RunKey } from '../port.ts';
import { deleteObjects, listObjects } from './objects.ts';
import { removeFinalizer } from './release.ts';
import type { Scope } from './scope.ts';
import { type ApiObject, configMaps, pods, type Resource } from './wire.ts';

/** What has become of a run, as far as this process knows. */
export type RunState =
  /** It goes on, or waits to be recorded. */
  | 'live'
  /** It is in the ledger and was let go of: its claim alone stays for a while. */
  | 'released'
  | 'unknown';

export interface OrphanOptions {
  readonly scope: Scope;
  readonly stateOf: (key: RunKey) => RunState;
  /** An object has to belong to no run for so long before it is removed: what is being created now is known in a moment. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
}

/** How often objects of no run are looked for; with a shorter grace, once in each. */
const EVERY_MS = 300_000;
export const ORPHAN_GRACE_MS = 600_000;

const KINDS: readonly Resource<ApiObject>[] = [configMaps, pods];

interface Found {
  readonly kind: Resource<ApiObject>;
  readonly object: ApiObject;
}

/** Looks for objects of no run now and again and again until the signal aborts, and removes those that stay so. */
export async function sweepOrphans(options: OrphanOptions): Promise<void> {
  const { scope, graceMs, signal } = options;
  const { clock, log } = scope;
  const firstSeen = new Map<string, number>();
  while (!signal.aborted) {
    try {
      await sweep(options, firstSeen);
    } catch (error) {
      if (!signal.aborted) log.warn({ error: messageOf(error) }, 'objects of no run could not be removed; tried again');
    }
    await clock.sleep(Math.min(EVERY_MS, graceMs) * (0.9 + clock.random() / 10), signal);
  }
}

async function sweep({ scope, stateOf, graceMs, signal }: OrphanOptions, firstSeen: Map<string, number>) {
  const orphans: Found[] = [];
  for (const kind of KINDS) {
    const selection = { namespace: scope.namespace, labelSelector: allOf(scope) };
    const { items } = await listObjects(scope.cluster, kind, selection, { signal });
    orphans.push(...items.filter((object) => isOrphan(object, stateOf)).map((object) => ({ kind, object })));
  }
  const now = scope.clock.monotonic();
  const uids = new Set(orphans.map(({ object }) => uidOf(object)));
  for (const uid of firstSeen.keys()) if (!uids.has(uid)) firstSeen.delete(uid);
  for (const found of orphans) {
    const uid = uidOf(found.object);
    const since = firstSeen.get(uid) ?? now;
    firstSeen.set(uid, since);
    if (now - since >= graceMs && scope.authority.isValid()) await remove(scope, found, signal);
  }
}

/** Whether an object of the source belongs to no run that is known, and waits for somebody to remove it. */
export function isOrphan(object: ApiObject, stateOf: (key: RunKey) => RunState): boolean {
  const { deletionTimestamp, finalizers = [] } = object.metadata ?? {};
  if (deletionTimestamp !== undefined && !finalizers.includes(OUTCOME_FINALIZER)) return false;
  const identity = identityOf(object);
  if (!identity) return true; // somebody has changed what says whose it is
  const state = stateOf(identity);
  return state === 'unknown' || (state === 'released' && identity.component !== 'claim');
}

const uidOf = ({ metadata }: ApiObject): string => metadata?.uid ?? '';

/** Everything of the source, and of this installation alone, but its budget, and its runner sets, which have a keeper of their own. */
const allOf = ({ installation, source }: NameScope): string =>
  [
    `${LABELS.managedBy}=${MANAGER}`,
    `${LABELS.installation}=${installation}`,
    `${LABELS.source}=${source}`,
    `${LABELS.component} notin (budget,runner,runner-set)`,
  ].join(',');

/**
 * Removes an object by its name. ConfigMaps come first, so that no container of a pod starts any more once it is let go of. In
 * the form of a collection, since that is what the Role allows for ConfigMaps.
 */
async function remove(scope: Scope, { kind, object }: Found, signal: AbortSignal): Promise<void> {
  const { name = '', labels } = object.metadata ?? {};
  const selection = { namespace: scope.namespace, labelSelector: allOf(scope), fieldSelector: `metadata.name=${name}` };
  await deleteObjects(scope.cluster, kind, selection, { signal });
  if (kind === pods) await removeFinalizer(scope, object, signal);
  const fields = { kind: kind.kind, name, job: labels?.[LABELS.job], run: labels?.[LABELS.run] };
  scope.log.warn(fields, 'removed, since it belongs to no known run');
}
