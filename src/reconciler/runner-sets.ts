import type { Catalog } from '../job/model.ts';
import type { Runner } from '../runner/port.ts';
import type { Capacities } from './queue/index.ts';
import { readWindows } from './schedule/windows.ts';

/** Keeps the runner sets of a source as its newest revision says, window by window. */
export interface RunnerSets {
  /** Tells the runner what has changed since the last call. Returns when a window opens or closes next: milliseconds since 1970. */
  keep(catalog: Catalog, now: Date): number | null;
}

export function createRunnerSets(runner: Pick<Runner, 'keep'>): RunnerSets {
  let known: Catalog | undefined;
  let until: number | null = null;
  return {
    keep(catalog, now) {
      if (!runner.keep) return null;
      if (catalog === known && (until === null || now.getTime() < until)) return until;
      known = catalog;
      until = null;
      const orders = [...catalog.runnerSets.values()].map((set) => {
        const reading = readWindows(set.spec.schedule ?? [], now);
        if (reading.until !== null && (until === null || reading.until < until)) until = reading.until;
        return { set, scheduledMin: reading.minRunners };
      });
      // A set that can't be read now is not one that was removed.
      runner.keep(orders, catalog.problems.length === 0 && catalog.brokenFiles.size === 0);
      return until;
    },
  };
}

/** What the sets of a revision can take: slots, and attempts at once. */
export function setCapacities({ runnerSets }: Pick<Catalog, 'runnerSets'>): Pick<Capacities, 'sets' | 'runners'> {
  const sets = [...runnerSets];
  return {
    sets: new Map(sets.map(([name, { spec }]) => [name, spec.slots ?? spec.maxRunners])),
    runners: new Map(sets.map(([name, { spec }]) => [name, spec.maxRunners])),
  };
}
