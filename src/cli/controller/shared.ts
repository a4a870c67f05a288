import type { Logger } from 'pino';
import { RECORD_POINTS } from '../../reconciler/ports.ts';
import type { Cluster } from '../../runner/kubernetes/client.ts';
import * as points from '../../runner/kubernetes/points.ts';
import type { Config } from '../../schemas/index.ts';
import type { Metrics } from '../../server/metrics.ts';
import type { LogOptions } from '../logger.ts';
import type { StopSignals } from '../signals.ts';
import type { Io } from '../terminal.ts';

export interface ControllerOptions extends LogOptions {
  readonly config?: string;
  readonly listen: string;
  readonly installation: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly image?: string;
  readonly leaseNamespace?: string;
  /** Absent: the runner's own. Tests can't wait that long. */
  readonly orphanGraceMs?: number;
}

/** Points of a run's life at which a test may end the process. */
export const LIFE_POINTS = [
  ...points.START_POINTS,
  ...points.ADOPT_POINTS,
  ...points.FINISH_POINTS,
  ...points.PARK_POINTS,
  ...RECORD_POINTS,
  'beforePush',
  'afterPush',
  ...points.RELEASE_POINTS,
] as const;
/** Those of runner sets come by only where there are sets. */
export type LifePoint = (typeof LIFE_POINTS)[number] | points.PoolPoint;

/** Everything that the sources of one process share. */
export interface Shared {
  readonly config: Config;
  readonly options: ControllerOptions;
  readonly io: Io;
  readonly log: Logger;
  readonly cluster: Cluster;
  readonly metrics: Metrics;
  /** Of this process, in every election. */
  readonly identity: string;
  readonly stop: StopSignals;
  /** A folder for copies of repositories. */
  readonly scratch: string;
  readonly reached: (point: LifePoint) => Promise<void>;
}

/** A source as the server knows it. */
export interface Follower {
  /** What keeps it from being followed, as a sentence; null: it is followed as it should, or waits to take over. */
  notReady: string | null;
  /** Has whoever leads look at the source now. */
  poke: () => void;
}
