import type { Counter, Gauge, Histogram } from 'prom-client';

/** What is counted of the runner sets of a source. Times are in seconds. */
export interface PoolMetrics {
  state(set: string, numbers: Readonly<Record<Field, number>>): void;
  ready(set: string, seconds: number): void;
  handed(set: string, seconds: number): void;
  spoke(set: string, seconds: number): void;
  failed(set: string, reason: string): void;
  gone(set: string): void;
  /** Another process keeps the sets: what they are is not said here any more. */
  forget(): void;
}

type Field = (typeof FIELDS)[number][0];

const FIELDS = [
  ['idle', 'runnersIdle'],
  ['busy', 'runnersBusy'],
  ['starting', 'runnersStarting'],
  ['desired', 'runnersDesired'],
  ['minRunners', 'runnersMin'],
  ['maxRunners', 'runnersMax'],
  ['assigned', 'runnersAssigned'],
] as const;

type PoolInstruments = Readonly<Record<(typeof FIELDS)[number][1], Gauge>> & {
  readonly runnerStart: Histogram;
  readonly runnerHandover: Histogram;
  readonly runnerOutput: Histogram;
  readonly runnerFailures: Counter;
};

export function createPoolMetrics(to: PoolInstruments, source: string): PoolMetrics {
  const shown = new Set<string>();
  const gone = (set: string): void => {
    shown.delete(set);
    for (const [, gauge] of FIELDS) to[gauge].remove({ source, set });
  };
  return {
    state(set, numbers) {
      shown.add(set);
      for (const [field, gauge] of FIELDS) to[gauge].set({ source, set }, numbers[field]);
    },
    ready: (set, seconds) => to.runnerStart.observe({ source, set }, seconds),
    handed: (set, seconds) => to.runnerHandover.observe({ source, set }, seconds),
    spoke: (set, seconds) => to.runnerOutput.observe({ source, set }, seconds),
    failed: (set, reason) => to.runnerFailures.inc({ source, set, reason }),
    gone,
    forget() {
      for (const set of shown) gone(set);
    },
  };
}
