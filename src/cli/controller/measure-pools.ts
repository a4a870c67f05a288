import type { PoolEvent } from '../../runner/port.ts';
import type { SourceMetrics } from '../../server/metrics.ts';

function count(event: PoolEvent, sets: SourceMetrics['sets']): void {
  if (event.kind === 'state') sets.state(event.state.set, event.state);
  if (event.kind === 'ready') sets.ready(event.set, event.seconds);
  if (event.kind === 'handed') sets.handed(event.set, event.seconds);
  if (event.kind === 'spoke') sets.spoke(event.set, event.seconds);
  if (event.kind === 'failed') sets.failed(event.set, event.reason);
  if (event.kind === 'gone') sets.gone(event.set);
}

/** Counts what happens in the runner sets of a source, and says when there is something to tell of one. */
export function createPoolMeasure(
  metrics: Pick<SourceMetrics, 'sets'>,
  worthTelling: () => void,
): (event: PoolEvent) => void {
  const told = new Map<string, string>();
  return (event) => {
    count(event, metrics.sets);
    const set = event.kind === 'state' ? event.state.set : event.set;
    if (event.kind === 'gone') told.delete(set);
    else if (event.kind !== 'state') return;
    else {
      const { minRunners, maxRunners, scheduledMin, slots, ready } = event.state;
      const text = JSON.stringify([minRunners, maxRunners, scheduledMin, slots, ready.status, ready.reason]);
      if (told.get(set) === text) return;
      told.set(set, text);
    }
    worthTelling();
  };
}
