import type { Logger } from 'pino';
import type { RunWait } from '../../reconciler/dispatch.ts';
import { RECORD_POINTS } from '../../reconciler/ports.ts';
import type { Cluster } from '../../runner/kubernetes/client.ts';
import * as points from '../../runner/kubernetes/points.ts';
import type { Store } from '../../artifacts/port.ts';
import type { Config, SourceConfig } from '../../schemas/index.ts';
import type { Source } from '../../sources/port.ts';
import type { Metrics } from '../../server/metrics.ts';
import type { LogOptions } from '../logger.ts';
import type { StopSignals } from '../signals.ts';
import type { Io } from '../terminal.ts';
import type { LeaseRef } from './tell.ts';
import type { Notifier } from './tell-outside.ts';

export interface ControllerOptions extends LogOptions {
  readonly config?: string;
  readonly listen: string;
  readonly installation: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly image?: string;
  readonly address?: string;
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
/** Those, and what only runs of some jobs pass, or what comes by only where there are runner sets. */
export type LifePoint = (typeof LIFE_POINTS)[number] | points.TokenPoint | points.PoolPoint;

/** Everything that the sources of one process share. */
export interface Shared {
  readonly config: Config;
  readonly options: ControllerOptions;
  readonly io: Io;
  readonly log: Logger;
  readonly cluster: Cluster;
  readonly metrics: Metrics;
  /** Where outcomes of all sources are told of. */
  readonly notifier: Notifier;
  /** Of this process, in every election. */
  readonly identity: string;
  readonly stop: StopSignals;
  /** Where pods reach the controller; absent: they don't. */
  readonly address: string | undefined;
  /** Where other replicas find this one, once it listens. */
  readonly self: { address: string | null };
  /** Opens the artifact store, which all share; null: there is none. */
  readonly openStore: (() => Promise<Store>) | null;
  /** A folder for copies of repositories. */
  readonly scratch: string;
  readonly reached: (point: LifePoint) => Promise<void>;
}

/** A source as the server knows it. */
export interface Follower {
  /** What keeps it from being followed, as a sentence; null: it is followed as it should, or waits to take over. */
  notReady: string | null;
  /** The runs that wait now, if this process leads; null: it does not. */
  waits: readonly RunWait[] | null;
  /** Has whoever leads look at the source now. */
  poke: () => void;
  /** The files of its revisions, while it is led here. */
  files: Pick<Source, 'checkout'> | null;
}

/** The Lease of a source. */
export const leaseOf = (
  source: Pick<SourceConfig, 'name'>,
  { cluster, options }: Pick<Shared, 'cluster' | 'options'>,
): LeaseRef => ({
  namespace: options.leaseNamespace ?? cluster.namespace,
  name: `runledger-${options.installation}-${source.name}`,
});
