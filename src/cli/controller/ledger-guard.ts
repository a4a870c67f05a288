import type { Logger } from 'pino';
import { type CodedError, messageOf, transientError } from '../../errors.ts';
import type { Branch } from '../../git/port.ts';
import type { RemoteNotice } from '../../git/remote-clone.ts';
import type { Cluster } from '../../runner/kubernetes/client.ts';
import { findObject, mergePatch } from '../../runner/kubernetes/objects.ts';
import { leases } from '../../runner/kubernetes/wire.ts';
import type { LeaseRef } from './tell.ts';

/** Written onto the Lease of a source by whoever leads: the branch of its ledger, once that is there. */
const LEDGER = 'runledger.dev/ledger';
/** The same: a commit that the branch had and has no more. */
const LOST = 'runledger.dev/ledger-lost';

/** How far back a commit that was lost is looked for, once the branch has moved. */
const HISTORY_LIMIT = 10_000;

export interface LedgerGuardOptions {
  /** Opens the branch; `notice` is told what somebody else did to it. */
  readonly open: (notice: (notice: RemoteNotice) => void) => Promise<Branch>;
  readonly cluster: Cluster;
  readonly lease: LeaseRef;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * The branch of a ledger, as long as nothing of it is lost. `refresh` throws `LedgerGone` (transient) where the Lease or this process
 * knows of the branch and the remote does not have it, and `LedgerRewound` (transient) where a commit that was part of it no
 * longer is: what a ledger does not hold would run once more. Throws what the API server says of the Lease.
 */
export async function guardLedger({ open, cluster, lease, log, signal }: LedgerGuardOptions): Promise<Branch> {
  const annotations = (await findObject(cluster, leases, lease, { signal }))?.metadata?.annotations ?? {};
  let lost: string | null = null;
  const branch = await open((notice) => {
    if (notice.kind === 'forcePushed') lost ??= notice.from;
  });
  /** What the Lease says. */
  let told = { begun: annotations[LEDGER] === branch.name, lost: annotations[LOST] ?? null };
  let hasBegun = told.begun;
  if (hasBegun) ({ lost } = told);

  /** Has the Lease say what is known; where that fails, it is tried again the next time. */
  const tell = async (): Promise<void> => {
    if (told.begun && told.lost === lost) return;
    const now = { begun: true, lost };
    const metadata = { annotations: { [LEDGER]: branch.name, [LOST]: lost } };
    try {
      await mergePatch(cluster, leases, lease, { metadata }, { signal, repeatable: true });
      told = now;
    } catch (error) {
      log.warn({ lease: lease.name, error: messageOf(error) }, 'what is known of the ledger could not be noted');
    }
  };
  const holds = async (head: string, commit: string): Promise<boolean> =>
    head === commit || (await branch.log(head, HISTORY_LIMIT)).some(({ id }) => id === commit);

  return {
    ...branch,
    async refresh(...asked) {
      const head = await branch.refresh(...asked);
      if (head === null && hasBegun) throw ledgerGone(branch.name, lease);
      if (head === null) return null;
      if (lost !== null && (await holds(head, lost))) lost = null;
      hasBegun = true;
      await tell();
      if (lost !== null) throw ledgerRewound(branch.name, lost, lease);
      return head;
    },
    async advance(...move) {
      await branch.advance(...move);
      hasBegun = true;
      await tell();
    },
  };
}

const forgetting = ({ name, namespace }: LeaseRef): string => `kubectl -n ${namespace} delete lease ${name}`;

const ledgerGone = (branch: string, lease: LeaseRef): CodedError =>
  transientError(
    'LedgerGone',
    `the branch ${branch} was there and is gone: nothing starts and nothing is recorded until it is back. Push it again from ` +
      `a clone; or, to begin a new ledger, with which every job runs once more: ${forgetting(lease)}`,
  );

const ledgerRewound = (branch: string, lost: string, lease: LeaseRef): CodedError =>
  transientError(
    'LedgerRewound',
    `the branch ${branch} is without commit ${lost.slice(0, 12)}, which it had: nothing starts and nothing is recorded until it ` +
      `is back. Push it again from a clone; or, to go on without it, so that what it recorded runs once more: ${forgetting(lease)}`,
  );
