import { isCoded, messageOf } from '../../errors.ts';
import { createWake } from '../../reconciler/wake.ts';
import { identityOf } from '../../render/labels.ts';
import { systemClock } from '../../runner/kubernetes/clock.ts';
import { selectorOfParts } from '../../runner/kubernetes/inventory.ts';
import { runElected } from '../../runner/kubernetes/lease.ts';
import { listObjects } from '../../runner/kubernetes/objects.ts';
import { configMaps } from '../../runner/kubernetes/wire.ts';
import type { SourceConfig } from '../../schemas/index.ts';
import { backOffMs } from '../watch.ts';
import { follow } from './follow.ts';
import { type Follower, leaseOf, type Shared } from './shared.ts';
import { tellLeader } from './tell.ts';

/**
 * Leads a source whenever it is this process's turn, until it is asked to stop. What trying again can't help ends the process
 * where there is no other source; beside others it is said, and looked at again later and at every webhook.
 */
export async function takePart(source: SourceConfig, follower: Follower, shared: Shared): Promise<void> {
  const { config, log, metrics, stop } = shared;
  for (let failures = 1; !stop.soft.aborted; failures += 1) {
    try {
      return await lead(source, follower, shared);
    } catch (error) {
      // A server that is down for a moment is no reason to end: another replica may lead meanwhile.
      const passes = isCoded(error) && error.errorClass === 'transient';
      if ((config.sources.length === 1 && !passes) || stop.soft.aborted) throw error;
      const ms = Math.round(backOffMs(failures * (passes ? 1 : 10), Math.random()));
      follower.notReady = messageOf(error);
      metrics.source(source.name).trouble();
      log.error({ source: source.name, retryInMs: ms }, messageOf(error));
      const pause = createWake();
      follower.poke = () => pause.ring();
      await pause.wait(ms, stop.soft);
    }
  }
}

/**
 * Takes part in the election for a source, and reconciles it while it leads, until the process is asked to stop. Throws what
 * trying again can't help, the lease given back.
 */
async function lead(source: SourceConfig, follower: Follower, shared: Shared): Promise<void> {
  const { cluster, options, log, stop, identity } = shared;
  const lease = leaseOf(source, shared);
  const tell = (): void => void tellLeader(cluster, lease, log, stop.soft);
  follower.poke = tell;
  follower.notReady = null; // one that waits for the lease is ready to take over
  await runElected({
    cluster,
    ...lease,
    identity,
    labels: {
      'app.kubernetes.io/managed-by': 'runledger',
      'runledger.dev/installation': options.installation,
      'runledger.dev/source': source.name,
    },
    knownEpoch: () => epochOfClaims(source, shared),
    signal: stop.soft,
    clock: systemClock,
    log,
    async onLead(leadership) {
      log.info({ source: source.name, epoch: leadership.epoch }, 'leads');
      try {
        await follow(source, follower, lease, leadership, shared);
      } finally {
        follower.poke = tell;
      }
    },
  });
}

/**
 * The highest epoch that the claims of a source carry: a Lease that was deleted by hand has forgotten its own. Where neither is left,
 * nothing is that an older leader made, and one that is still alive finds that its Lease is gone, or another's: so the ledger, whose
 * outcomes say theirs, need not be read through for it.
 */
async function epochOfClaims(source: SourceConfig, { cluster, options, stop }: Shared): Promise<number> {
  const namespace = source.namespace ?? cluster.namespace;
  const labelSelector = selectorOfParts(options.installation, source.name, 'claim');
  const { items } = await listObjects(cluster, configMaps, { namespace, labelSelector }, { signal: stop.hard });
  return items.reduce((highest, claim) => Math.max(highest, identityOf(claim)?.epoch ?? 0), 0);
}
