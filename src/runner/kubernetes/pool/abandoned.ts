import { isCoded, messageOf } from '../../../errors.ts';
import { LABELS, MANAGER } from '../../../render/labels.ts';
import type { Cluster } from '../client.ts';
import type { Clock, Log } from '../clock.ts';
import { readLease } from '../lease-record.ts';
import { deleteObjects, findObject, listObjects } from '../objects.ts';
import { configMaps, leases, type Ref } from '../wire.ts';

export interface AbandonedOptions {
  readonly cluster: Cluster;
  readonly installation: string;
  /** Where sources have their sets. */
  readonly namespaces: ReadonlySet<string>;
  /** The sources that this process takes part in: they look after their sets themselves. */
  readonly sources: ReadonlySet<string>;
  /** The Lease of a source. */
  readonly leaseOf: (source: string) => Ref;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** For how long a lease that nobody renews is watched before its source counts as abandoned. */
  readonly graceMs?: number;
  readonly everyMs?: number;
}

const GRACE_MS = 300_000;
const EVERY_MS = 60_000;

/**
 * Takes away the runner sets of sources that nobody leads any more, since they were taken out of the configuration: their idle
 * runners go with the ConfigMap that owns them. Runners at work belong to their run and stay. A source that another process leads
 * renews its lease, and one that comes back makes its runners anew. Goes on until the signal aborts; never rejects.
 */
export async function sweepAbandonedSets(options: AbandonedOptions): Promise<void> {
  const { clock, log, signal, everyMs = EVERY_MS } = options;
  const seen: Seen = new Map();
  while (!signal.aborted) {
    for (const namespace of options.namespaces) {
      try {
        await sweep(options, namespace, seen);
      } catch (error) {
        if (!signal.aborted)
          log.debug({ namespace, error: messageOf(error) }, 'sets of sources that are gone could not be looked for');
      }
    }
    await clock.sleep(everyMs, signal);
  }
}

/** By namespace and source: the lease as it was, and since when. */
type Seen = Map<string, { readonly lease: string; readonly since: number }>;

async function sweep(options: AbandonedOptions, namespace: string, seen: Seen): Promise<void> {
  const { cluster, installation, sources, clock, log, signal, graceMs = GRACE_MS } = options;
  const labelSelector = `${LABELS.managedBy}=${MANAGER},${LABELS.installation}=${installation},${LABELS.component}=runner-set`;
  const { items } = await listObjects(cluster, configMaps, { namespace, labelSelector }, { signal });
  const found = new Set(items.map(({ metadata }) => metadata?.labels?.[LABELS.source] ?? ''));
  for (const key of seen.keys()) {
    const [where, source = ''] = key.split('/');
    if (where === namespace && !found.has(source)) seen.delete(key);
  }
  for (const source of found) {
    if (source === '' || sources.has(source)) continue;
    const key = `${namespace}/${source}`;
    const lease = await leaseText(options, source);
    const now = clock.monotonic();
    const before = seen.get(key);
    if (before?.lease !== lease) seen.set(key, { lease, since: now });
    else if (now - before.since >= graceMs) {
      seen.delete(key);
      const ofSource = `${labelSelector},${LABELS.source}=${source}`;
      await deleteObjects(cluster, configMaps, { namespace, labelSelector: ofSource }, { signal });
      log.info({ source, namespace }, 'nobody leads the source any more: its runner sets were taken away');
    }
  }
}

/** What a lease that is renewed has another of each time; empty where there is none. */
async function leaseText({ cluster, leaseOf, signal }: AbandonedOptions, source: string): Promise<string> {
  try {
    const lease = await findObject(cluster, leases, leaseOf(source), { signal });
    const { uid, holder, renewTime } = lease ? readLease(lease) : { uid: '', holder: '', renewTime: '' };
    return `${uid} ${holder} ${renewTime}`.trim();
  } catch (error) {
    // No lease has such a name.
    if (isCoded(error, 'Invalid')) return '';
    throw error;
  }
}
