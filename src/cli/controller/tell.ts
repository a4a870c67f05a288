import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import type { Cluster } from '../../runner/kubernetes/client.ts';
import { findObject, mergePatch } from '../../runner/kubernetes/objects.ts';
import { watchResource } from '../../runner/kubernetes/watch.ts';
import { leases } from '../../runner/kubernetes/wire.ts';

/** The Lease of a source: replicas tell each other of webhooks by an annotation on it. */
export interface LeaseRef {
  readonly name: string;
  readonly namespace: string;
}

/** Written onto the Lease by a replica that was told of something new and does not lead. */
const POKED = 'runledger.dev/poked';

/** Tells whoever leads to look at the source now; never rejects: a poll finds it later where this fails. */
export async function tellLeader(cluster: Cluster, lease: LeaseRef, log: Logger, signal: AbortSignal): Promise<void> {
  const metadata = { annotations: { [POKED]: new Date().toISOString() } };
  try {
    await mergePatch(cluster, leases, lease, { metadata }, { signal, repeatable: true });
  } catch (error) {
    log.warn({ lease: lease.name, error: messageOf(error) }, 'the leader could not be told');
  }
}

/** Written onto the Lease by whoever leads: where other replicas send pods that want files of the source. */
const ADDRESS = 'runledger.dev/address';

/** Says where this leader is; never rejects: pods that come to another replica wait until it is said again. */
export async function announce(
  cluster: Cluster,
  lease: LeaseRef,
  address: string,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  try {
    await mergePatch(
      cluster,
      leases,
      lease,
      { metadata: { annotations: { [ADDRESS]: address } } },
      { signal, repeatable: true },
    );
  } catch (error) {
    log.warn(
      { lease: lease.name, error: messageOf(error) },
      'the other replicas could not be told where the leader is',
    );
  }
}

/** Where the leader is, as it has said; null where that is not known. Throws what the API server says. */
export async function announced(cluster: Cluster, lease: LeaseRef, signal: AbortSignal): Promise<string | null> {
  const found = await findObject(cluster, leases, lease, { signal });
  return found?.metadata?.annotations?.[ADDRESS] ?? null;
}

/** Calls `heard` for what other replicas tell, until the signal aborts. */
export function hearOthers(
  cluster: Cluster,
  { namespace, name }: LeaseRef,
  log: Logger,
  heard: () => void,
  signal: AbortSignal,
): void {
  let last: string | undefined;
  const watch = watchResource(cluster, leases, {
    namespace,
    fieldSelector: `metadata.name=${name}`,
    signal,
    log,
    onChange({ type, object }) {
      const poked = object.metadata?.annotations?.[POKED];
      if (type !== 'deleted' && poked !== undefined && poked !== last) heard();
      last = poked ?? last;
    },
  });
  watch.ready.catch((error: unknown) => {
    if (!signal.aborted) log.warn({ error: messageOf(error) }, 'other replicas are not heard');
  });
}
