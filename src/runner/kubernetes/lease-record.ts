import type { Lease } from './wire.ts';

/** How long things take, in milliseconds. */
export interface LeaseDurations {
  /** Others take a lease over that was not renewed for so long. */
  readonly leaseMs: number;
  /** A leader that could not renew for so long stops; well below `leaseMs`, for what it has just begun. */
  readonly renewMs: number;
  /** Between two renewals, and between two looks of those who wait. */
  readonly retryMs: number;
}

export const DEFAULT_DURATIONS: LeaseDurations = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

/** The annotation with the epoch of the lease's last acquisition. */
export const EPOCH_ANNOTATION = 'runledger.dev/epoch';

/** What a Lease object says. */
export interface LeaseRecord {
  readonly uid: string;
  readonly resourceVersion: string;
  /** Empty: nobody. */
  readonly holder: string;
  /** When its holder last wrote it, by the holder's clock: only compared with itself. Empty: never. */
  readonly renewTime: string;
  readonly durationMs: number;
  readonly transitions: number;
  /** 0 when there is none, or no number. */
  readonly epoch: number;
}

/** Reads a Lease, whoever wrote it. */
export function readLease({ metadata, spec }: Lease): LeaseRecord {
  const epoch = Number(metadata?.annotations?.[EPOCH_ANNOTATION]);
  return {
    uid: metadata?.uid ?? '',
    resourceVersion: metadata?.resourceVersion ?? '',
    holder: spec?.holderIdentity ?? '',
    renewTime: spec?.renewTime ?? '',
    durationMs: (spec?.leaseDurationSeconds ?? 0) * 1000,
    transitions: spec?.leaseTransitions ?? 0,
    epoch: Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0,
  };
}

/** A time as Lease objects have it: RFC 3339 with six digits of a second (MicroTime; anything else is refused). */
export const microTime = (ms: number): string => new Date(ms).toISOString().replace(/Z$/, '000Z');

/** What is written at an acquisition, over the lease as it was found; null: there was none. */
export function acquisition(
  found: LeaseRecord | null,
  to: { readonly identity: string; readonly epoch: number; readonly leaseMs: number; readonly now: number },
): { readonly metadata: object; readonly spec: object } {
  const time = microTime(to.now);
  return {
    metadata: { annotations: { [EPOCH_ANNOTATION]: String(to.epoch) } },
    spec: {
      holderIdentity: to.identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(to.leaseMs / 1000)),
      acquireTime: time,
      renewTime: time,
      leaseTransitions: found === null ? 0 : found.transitions + 1,
    },
  };
}

/** What is written at a renewal. */
export const renewal = (epoch: number, now: number): { readonly metadata: object; readonly spec: object } => ({
  metadata: { annotations: { [EPOCH_ANNOTATION]: String(epoch) } },
  spec: { renewTime: microTime(now) },
});

/** What is written when a leader leaves: nobody holds the lease, and it runs out at once. */
export const release = (now: number): { readonly spec: object } => ({
  spec: { holderIdentity: null, leaseDurationSeconds: 1, renewTime: microTime(now) },
});

/** A moment on both clocks, in milliseconds. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/**
 * Milliseconds that are left of `limitMs` since a moment, by the stricter of the two clocks: the monotonic one may have
 * stood still while the machine slept, the wall clock may have been set back. Zero or less: it has passed.
 */
export const remainingMs = (since: Moment, now: Moment, limitMs: number): number =>
  limitMs - Math.max(now.monotonic - since.monotonic, now.wall - since.wall);
