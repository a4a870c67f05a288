import type { ReconcilerEvent } from '../../reconciler/ports.ts';
import type { RunKey } from '../../runner/port.ts';
import type { SourceMetrics } from '../../server/metrics.ts';

const textOf = ({ job, run }: RunKey): string => `${job}/${run}`;

/** Counts what happens to the runs of a source, for as long as this process leads it. */
export interface Measure {
  take(event: ReconcilerEvent): void;
  /** For how many seconds the run has ended that has waited longest for its record; 0: none waits. */
  lagSeconds(): number;
}

/** Times are those of this process's clock and of the nodes: what would be negative counts as 0. */
export function createMeasure(metrics: SourceMetrics, now: () => number = Date.now): Measure {
  /** When runs ended that are not recorded yet, in ms since 1970. */
  const ended = new Map<string, number>();
  /** When runs got their first attempt, in ms since 1970. */
  const begun = new Map<string, number>();
  const secondsFrom = (from: number, to: number): number => Math.max(0, to - from) / 1_000;
  const finish = ({ outcome }: Extract<ReconcilerEvent, { kind: 'finished' }>): void => {
    const { result, reason, times } = outcome;
    const id = textOf(outcome);
    const finished = Date.parse(times.finished);
    const started = Date.parse(times.started ?? times.finished);
    const made = begun.get(id);
    if (made !== undefined && times.started !== undefined) metrics.began(secondsFrom(made, started));
    begun.delete(id);
    ended.set(id, finished);
    metrics.finished(result, reason, secondsFrom(started, finished));
  };
  return {
    take(event) {
      switch (event.kind) {
        case 'started':
          if (!event.first) break;
          begun.set(textOf(event.key), now());
          metrics.started(event.trigger, secondsFrom(Date.parse(event.queued), now()));
          break;
        case 'finished':
          finish(event);
          break;
        case 'recorded':
        case 'refused': {
          const finished = ended.get(textOf(event.key));
          ended.delete(textOf(event.key));
          if (event.kind === 'recorded' && finished !== undefined) metrics.recorded(secondsFrom(finished, now()));
          break;
        }
        case 'passed':
          metrics.passed(event.ms / 1_000, event.failed, event.runs);
          break;
        case 'trouble':
          metrics.trouble();
          break;
        case 'planned':
        case 'claimed':
        case 'output':
        case 'waiting':
        case 'notice':
          break;
      }
    },
    lagSeconds: () => (ended.size === 0 ? 0 : secondsFrom(Math.min(...ended.values()), now())),
  };
}
