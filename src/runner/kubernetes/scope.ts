import type { LogMeter } from '../../logs/meter.ts';
import type { NameScope } from '../../render/names.ts';
import type { Clock, Log } from './clock.ts';
import type { Cluster } from './client.ts';

/** Whether this process may change anything now; a leadership is one, and a command that nobody competes with another. */
export interface Authority {
  readonly epoch: number;
  /** Asked right before every create. */
  isValid(): boolean;
}

/** Authority of a process that takes part in no election. */
export const unopposed: Authority = { epoch: 0, isValid: () => true };

/** Where the runner of a source works. */
export interface Scope extends NameScope {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly log: Log;
  readonly logMeter?: LogMeter | undefined;
}

/** Names a run within a source, as the keys of maps do. */
export const runName = ({ job, run }: { readonly job: string; readonly run: number }): string => `${job}/${run}`;
