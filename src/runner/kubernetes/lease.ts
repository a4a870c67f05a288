import { CodedError, isCoded, messageOf, transientError } from '../../errors.ts';
import type { Cluster } from './client.ts';
import type { Clock, Log } from './clock.ts';
import { cancelled } from './errors.ts';
import { holdLease, momentOf, type HeldLease, type LeaseTarget } from './lease-held.ts';
import { acquisition, DEFAULT_DURATIONS, readLease, type LeaseDurations, type LeaseRecord } from './lease-record.ts';
import { createObject, findObject, mergePatch } from './objects.ts';
import { leases } from './wire.ts';

/** What a leader is told. */
export interface Leadership {
  /** Higher than that of every leader before. */
  readonly epoch: number;
  /** Aborts when the leadership is lost (reason `LeadershipLost`) and when we are asked to stop (`Cancelled`). */
  readonly signal: AbortSignal;
  /**
   * Whether the lease is certainly still ours, now. Ask right before every create and push. It stays true while a
   * leader that was asked to stop finishes: the lease is renewed until `onLead` has returned.
   */
  isValid(): boolean;
}

export interface ElectionOptions {
  readonly cluster: Cluster;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** A UUID that this process made for itself. */
  readonly identity: string;
  /** Absent: 15 s, 10 s, 2 s. */
  readonly durations?: LeaseDurations;
  /** For the Lease, when we create it. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Leads until its signal aborts, then ends as soon as it can: only then is the lease released and tried for again.
   * Returning earlier gives the lease to others. An error from a leader that had not lost the lease ends the election.
   */
  readonly onLead: (leadership: Leadership) => Promise<void>;
  /** The highest epoch that claims and ledger know; asked at every acquisition, while the lease is held already. */
  readonly knownEpoch: () => Promise<number>;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}

/** What somebody who waits knows. */
interface Contender {
  readonly target: LeaseTarget;
  readonly labels: Readonly<Record<string, string>>;
  /** The lease as it was last seen, and since when (monotonic ms) it has been like that. */
  seen: { readonly record: LeaseRecord; readonly since: number } | null;
  /** The highest epoch that this process has met: a lease that is deleted by hand takes its own along. */
  epoch: number;
}

/**
 * Whether nobody has renewed or taken the lease between two looks. Its resource version does not count: whoever writes an
 * annotation on the lease of a leader that is gone would keep it alive.
 */
const isUnrenewed = (before: LeaseRecord, now: LeaseRecord): boolean =>
  before.uid === now.uid &&
  before.holder === now.holder &&
  before.renewTime === now.renewTime &&
  before.transitions === now.transitions;

/** Milliseconds until the lease may be taken from whoever holds it: counted from when WE first saw it like this. */
function untilFree(contender: Contender, record: LeaseRecord): number {
  const { identity, clock } = contender.target;
  const { seen } = contender;
  const since = seen !== null && isUnrenewed(seen.record, record) ? seen.since : clock.monotonic();
  contender.seen = { record, since };
  contender.epoch = Math.max(contender.epoch, record.epoch);
  if (record.holder === '' || record.holder === identity) return 0;
  return Math.max(0, since + record.durationMs - clock.monotonic());
}

type Attempt = { readonly held: HeldLease } | { readonly waitMs: number };

/** One look at the lease, and its acquisition if it is free. */
async function contend(contender: Contender, signal: AbortSignal): Promise<Attempt> {
  const { target, labels } = contender;
  const { cluster, namespace, name, identity, durations, clock } = target;
  const options = { signal, timeoutMs: durations.renewMs, attempts: 1 };
  const lease = await findObject(cluster, leases, { namespace, name }, options);
  const found = lease === null ? null : readLease(lease);
  const waitMs = found === null ? 0 : untilFree(contender, found);
  if (waitMs > 0) return { waitMs };
  const written = momentOf(clock);
  const epoch = contender.epoch + 1;
  const body = acquisition(found, { identity, epoch, leaseMs: durations.leaseMs, now: written.wall });
  try {
    const taken =
      found === null
        ? await createObject(
            cluster,
            leases,
            { ...body, metadata: { ...body.metadata, name, namespace, labels } },
            options,
          )
        : await mergePatch(
            cluster,
            leases,
            { namespace, name },
            { ...body },
            { ...options, resourceVersion: found.resourceVersion },
          );
    contender.epoch = epoch;
    return { held: holdLease(target, readLease(taken), written) };
  } catch (error) {
    // Somebody else was faster, or deleted it meanwhile.
    if (['Conflict', 'AlreadyExists', 'NotFound'].some((code) => isCoded(error, code)))
      return { waitMs: durations.retryMs };
    throw error;
  }
}

/** Resolves with what `work` does, or rejects as soon as the signal aborts. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([work, aborted.promise]).finally(() => signal.removeEventListener('abort', abort));
}

async function knownEpochOf({ knownEpoch }: ElectionOptions, signal: AbortSignal): Promise<number> {
  try {
    return await orAborted(knownEpoch(), signal);
  } catch (error) {
    if (signal.aborted) throw error;
    throw transientError('EpochUnknown', `the highest epoch so far could not be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Leads with a lease that was just acquired, until it is lost, or left by the leader or for the caller's signal.
 * Returns what the leader threw of its own accord. Throws CodedError (transient) where it could not begin.
 */
async function lead(held: HeldLease, contender: Contender, options: ElectionOptions): Promise<{ failure?: unknown }> {
  const { name, namespace, onLead, signal: stop, log } = options;
  const ending = new AbortController();
  const onLost = (): void => ending.abort(held.lost.reason);
  const onStop = (): void => ending.abort(cancelled(`leading by lease "${name}"`));
  held.lost.addEventListener('abort', onLost, { once: true });
  stop.addEventListener('abort', onStop, { once: true });
  if (stop.aborted) onStop();
  const left = new AbortController();
  const keeping = held.keep(left.signal);
  try {
    const known = await knownEpochOf(options, ending.signal);
    if (known >= held.epoch()) await held.raise(known + 1);
    contender.epoch = Math.max(contender.epoch, held.epoch());
    ending.signal.throwIfAborted();
    log.info({ lease: name, namespace, epoch: held.epoch() }, 'leading');
    try {
      await onLead({ epoch: held.epoch(), signal: ending.signal, isValid: held.isValid });
    } catch (failure) {
      // What a leader throws after its end is the echo of that end.
      if (!ending.signal.aborted) return { failure };
    }
    return {};
  } catch (error) {
    if (!ending.signal.aborted) throw error;
    return {};
  } finally {
    left.abort();
    await keeping;
    stop.removeEventListener('abort', onStop);
    if (held.lost.aborted) log.warn({ lease: name, namespace, error: messageOf(held.lost.reason) }, 'leadership lost');
    else await held.release();
  }
}

/** Timers may ring a little early. */
const SLACK_MS = 10;

const isLasting = (error: unknown): boolean =>
  error instanceof CodedError && (error.errorClass === 'terminal' || error.errorClass === 'usage');

/**
 * Takes part in the election of a leader by a Lease (coordination.k8s.io/v1) until the signal aborts: waits, leads,
 * waits again. Resolves after the signal, with the lease released; rejects with what the leader threw, or with the
 * API server's reason where another try will not change it (`Forbidden`, `NamespaceMissing`, `Unauthorized`). At most
 * one `onLead` runs at a time here. A lease only makes two leaders rare: what must not happen twice needs its own guard.
 */
export async function runElected(options: ElectionOptions): Promise<void> {
  const {
    cluster,
    namespace,
    name,
    identity,
    durations = DEFAULT_DURATIONS,
    labels = {},
    signal,
    clock,
    log,
  } = options;
  const target: LeaseTarget = { cluster, namespace, name, identity, durations, clock, log };
  const contender: Contender = { target, labels, seen: null, epoch: 0 };
  while (!signal.aborted) {
    // Not in step with others, and never longer than the time to try again: a released lease is taken at once.
    let waitMs = durations.retryMs * (0.8 + 0.2 * clock.random());
    let ended: { failure?: unknown } = {};
    try {
      const attempt = await contend(contender, signal);
      if ('held' in attempt) ended = await lead(attempt.held, contender, options);
      // A leader that stops gives its lease back: it is looked for more often than one that fails.
      else waitMs = Math.min(waitMs / 2, attempt.waitMs + SLACK_MS);
    } catch (error) {
      if (signal.aborted && !isLasting(error)) break;
      if (!(error instanceof CodedError) || isLasting(error)) throw error;
      log.warn({ lease: name, namespace, error: error.message }, 'the election goes on after an error');
    }
    if ('failure' in ended) throw ended.failure;
    await clock.sleep(waitMs, signal);
  }
}
