/**
 * The awaits of a run's life in the cluster, in order, by name. Tests end or stop the process there. Where nothing is
 * written between two awaits, a process that ends at the one leaves the same behind as one that ends at the other: those
 * share a point.
 */

/** A start: each create is checked, sent, and, where the object is there already, read. */
export const START_POINTS = [
  'beforeClaim',
  'checkedClaim',
  'adoptingClaim',
  'afterClaim',
  'checkedPayload',
  'adoptingPayload',
  'afterPayload',
  'checkedPod',
  'adoptingPod',
  'afterPod',
] as const;

/** The token of an attempt that talks to the controller; others pass none of these. */
export const TOKEN_POINTS = ['checkedToken', 'adoptingToken', 'afterToken'] as const;
/** A runner of a set is made; an attempt gets one, which is decided on its payload first; and it is handed over. */
export const POOL_POINTS = [
  'beforeRunner',
  'afterRunner',
  'beforeBind',
  'afterBind',
  'afterRunnerClaim',
  'beforeHandover',
  'afterHandover',
] as const;

/** A new leader's look at what its predecessors have left. */
export const ADOPT_POINTS = ['beforeInventory', 'afterWatches', 'afterInventory'] as const;

/** A pod has ended, and its output is waited for. */
export const FINISH_POINTS = ['beforeOutput', 'afterOutput'] as const;

/** An outcome is put onto the claim, because the ledger can't be written. */
export const PARK_POINTS = ['beforePark', 'afterPark'] as const;

/** A run is in the ledger, and is let go of. `afterFinalizer`: after that of one pod of several. */
export const RELEASE_POINTS = [
  'beforeRelease',
  'afterPayloads',
  'afterFinalizer',
  'afterFinalizers',
  'afterRelease',
] as const;

export type StartPoint = (typeof START_POINTS)[number];
export type TokenPoint = (typeof TOKEN_POINTS)[number];
export type AdoptPoint = (typeof ADOPT_POINTS)[number];
export type ReleasePoint = (typeof RELEASE_POINTS)[number];
export type PoolPoint = (typeof POOL_POINTS)[number];
export type RunnerPoint =
  | StartPoint
  | TokenPoint
  | PoolPoint
  | AdoptPoint
  | (typeof FINISH_POINTS)[number]
  | (typeof PARK_POINTS)[number]
  | ReleasePoint;
