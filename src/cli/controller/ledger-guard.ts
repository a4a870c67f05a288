import type { Logger } from 'pino';
import { messageOf, transientError } from '../../errors.ts';
import type { Branch } from '../../git/port.ts';
import type { Cluster } from '../../runner/kubernetes/client.ts';
import { findObject, mergePatch } from '../../runner/kubernetes/objects.ts';
import { leases } from '../../runner/kubernetes/wire.ts';
import type { LeaseRef } from './tell.ts';

/** Written onto the Lease of a source by whoever leads: the branch of its ledger, once that is there. */
const LEDGER = 'runledger.dev/ledger';

/**
 * The branch of a ledger, as long as it is not lost: where the Lease, or this process, knows of the branch and the remote does not
 * have it, `refresh` throws `LedgerGone` (transient). A new ledger in its place would have every job run once more. Throws what
 * the API server says of the Lease.
 */
export async function guardLedger(
  branch: Branch,
  cluster: Cluster,
  lease: LeaseRef,
  log: Logger,
  signal: AbortSignal,
): Promise<Branch> {
  const found = await findObject(cluster, leases, lease, { signal });
  let isTold = found?.metadata?.annotations?.[LEDGER] === branch.name;
  let hasBegun = isTold;
  const saw = (): void => {
    hasBegun = true;
    if (isTold) return;
    isTold = true;
    const metadata = { annotations: { [LEDGER]: branch.name } };
    mergePatch(cluster, leases, lease, { metadata }, { signal, repeatable: true }).catch((error: unknown) => {
      isTold = false;
      log.warn({ lease: lease.name, error: messageOf(error) }, 'that the ledger is there could not be noted');
    });
  };
  return {
    ...branch,
    async refresh(...asked) {
      const head = await branch.refresh(...asked);
      if (head !== null) saw();
      else if (hasBegun) throw ledgerGone(branch.name, lease);
      return head;
    },
    async advance(...move) {
      await branch.advance(...move);
      saw();
    },
  };
}

const ledgerGone = (branch: string, { name, namespace }: LeaseRef) =>
  transientError(
    'LedgerGone',
    `the branch ${branch} was there and is gone: nothing starts and nothing is recorded until it is back. Push it again from ` +
      `a clone; or, to begin a new ledger, with which every job runs once more: kubectl -n ${namespace} delete lease ${name}`,
  );
