import type { ReconcilerEvent } from '../../reconciler/ports.ts';
import type { RunKey } from '../../runner/port.ts';
import type { Metrics } from '../../server/metrics.ts';

const textOf = ({ job, run }: RunKey): string => `${job}/${run}`;

/** Counts what happens to the runs of a source, for as long as this process leads it. */
export function createMeasure(
  source: string,
  metrics: Metrics,
  now: () => number = Date.now,
): (event: ReconcilerEvent) => void {
  /** When runs ended that are not recorded yet, in ms since 1970. */
  const ended = new Map<string, number>();
  return (event) => {
    if (event.kind === 'started' && event.first) metrics.started(source, event.trigger);
    if (event.kind === 'trouble') metrics.trouble(source);
    if (event.kind === 'finished') {
      const { job, run, result, reason, times } = event.outcome;
      const finished = Date.parse(times.finished);
      ended.set(textOf({ job, run }), finished);
      const seconds = (finished - Date.parse(times.started ?? times.finished)) / 1_000;
      metrics.finished(source, result, reason, Math.max(0, seconds));
    }
    if (event.kind === 'recorded') {
      const finished = ended.get(textOf(event.key));
      ended.delete(textOf(event.key));
      if (finished !== undefined) metrics.recorded(source, Math.max(0, now() - finished) / 1_000);
    }
  };
}
