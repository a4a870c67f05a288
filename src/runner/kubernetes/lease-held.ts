import { isCoded, messageOf, transientError, type CodedError } from '../../errors.ts';
import type { Cluster } from './client.ts';
import type { Clock, Log } from './clock.ts';
import {
  readLease,
  release,
  remainingMs,
  renewal,
  type LeaseDurations,
  type LeaseRecord,
  type Moment,
} from './lease-record.ts';
import { findObject, mergePatch } from './objects.ts';
import { leases } from './wire.ts';

/** Which lease, and for whom. */
export interface LeaseTarget {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly durations: LeaseDurations;
  readonly clock: Clock;
  readonly log: Log;
}

/** A lease that we acquired. */
export interface HeldLease {
  readonly epoch: () => number;
  /** Whether it is certainly still ours: by the stricter of both clocks, counted from when its last renewal was sent. */
  readonly isValid: () => boolean;
  /** Aborts when the lease is lost, with a CodedError `LeadershipLost` as its reason. */
  readonly lost: AbortSignal;
  /** Renews with a higher epoch; resolves once that is written. Throws CodedError when the lease is lost before. */
  raise(epoch: number): Promise<void>;
  /** Renews again and again until the signal aborts or the lease is lost; never rejects. */
  keep(until: AbortSignal): Promise<void>;
  /** Leaves the lease to the next; tells when that fails, and never rejects. */
  release(): Promise<void>;
}

const RELEASE_MS = 5_000;

export const momentOf = (clock: Clock): Moment => ({ monotonic: clock.monotonic(), wall: clock.now() });

/** Takes charge of a lease that was just written; `written` is the moment at which that was sent. */
export function holdLease(target: LeaseTarget, acquired: LeaseRecord, written: Moment): HeldLease {
  const { cluster, namespace, name, identity, durations, clock, log } = target;
  const ref = { namespace, name };
  const losing = new AbortController();
  let { resourceVersion, epoch } = acquired;
  let renewed = written;
  let released = false;
  let turn: Promise<unknown> = Promise.resolve();

  const left = (): number => remainingMs(renewed, momentOf(clock), durations.renewMs);
  const lose = (why: string): CodedError => {
    const error = transientError('LeadershipLost', `lease "${name}" in namespace "${namespace}": ${why}`);
    if (!losing.signal.aborted) losing.abort(error);
    return losing.signal.reason as CodedError;
  };
  /** After a conflict: somebody else wrote the lease. Ours still, if only its labels or the like were touched. */
  const look = async (signal: AbortSignal, timeoutMs: number): Promise<void> => {
    const lease = await findObject(cluster, leases, ref, { signal, timeoutMs, attempts: 1 });
    if (lease === null) throw lose('it was deleted');
    const record = readLease(lease);
    if (record.holder !== identity)
      throw lose(record.holder === '' ? 'its holder was removed' : `it was taken over by ${record.holder}`);
    if (record.epoch > epoch) throw lose(`its epoch was raised to ${record.epoch} by somebody else`);
    ({ resourceVersion } = record);
  };
  const write = async (
    body: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
    timeoutMs: number,
  ): Promise<void> => {
    const options = { signal, timeoutMs, attempts: 1, resourceVersion };
    try {
      ({ resourceVersion } = readLease(await mergePatch(cluster, leases, ref, body, options)));
    } catch (error) {
      if (isCoded(error, 'NotFound') || isCoded(error, 'NamespaceMissing')) throw lose('it was deleted');
      if (!isCoded(error, 'Conflict')) throw error;
      await look(signal, timeoutMs);
      ({ resourceVersion } = readLease(await mergePatch(cluster, leases, ref, body, { ...options, resourceVersion })));
    }
  };
  /** One write at a time: each needs the version that the one before it made. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work);
    turn = mine.catch(() => undefined);
    return mine;
  };
  const renew = (to: number): Promise<void> =>
    inTurn(async () => {
      losing.signal.throwIfAborted();
      const rest = left();
      if (rest <= 0) throw lose(`it could not be renewed for ${durations.renewMs / 1000} s`);
      const sent = momentOf(clock);
      await write(renewal(to, sent.wall), losing.signal, rest);
      epoch = to;
      renewed = sent;
    });
  const tell = (error: unknown): void =>
    log.warn({ lease: name, namespace, error: messageOf(error) }, 'the lease could not be renewed; trying again');

  return {
    epoch: () => epoch,
    isValid: () => !released && !losing.signal.aborted && left() > 0,
    lost: losing.signal,
    async raise(to) {
      for (;;) {
        try {
          return await renew(to);
        } catch (error) {
          if (losing.signal.aborted) throw error;
          tell(error);
        }
        await clock.sleep(durations.retryMs, losing.signal);
      }
    },
    async keep(until) {
      const either = AbortSignal.any([until, losing.signal]);
      while (!either.aborted) {
        await clock.sleep(Math.max(0, Math.min(durations.retryMs, left())), either);
        if (either.aborted) return;
        await renew(epoch).catch((error: unknown) => {
          if (!either.aborted) tell(error);
        });
      }
    },
    async release() {
      released = true;
      const signal = AbortSignal.timeout(RELEASE_MS);
      try {
        await inTurn(() => write(release(clock.now()), signal, RELEASE_MS));
      } catch (error) {
        log.warn(
          { lease: name, namespace, error: messageOf(error) },
          'the lease could not be released; it will run out',
        );
      }
    },
  };
}
