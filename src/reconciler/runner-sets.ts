import type { Catalog } from '../job/model.ts';
import type { PoolState, Runner } from '../runner/port.ts';
import type { RunnerSetStatus } from '../schemas/index.ts';
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

type Told = Readonly<Record<'minRunners' | 'maxRunners' | 'scheduledMin' | 'slots', number>> & {
  readonly conditions: RunnerSetStatus['conditions'];
};

/** What of a set is worth a commit: how it is to be kept, and whether its runners start. */
const worthTelling = ({ minRunners, maxRunners, scheduledMin, slots, conditions }: Told): string =>
  JSON.stringify([
    minRunners,
    maxRunners,
    scheduledMin,
    slots,
    conditions.map(({ type, status, reason }) => [type, status, reason]),
  ]);

/** Which statuses of runner sets are to be written: of those that have changed; null for one that is gone. */
export function createSetStatuses(): (
  states: readonly PoolState[],
  known: ReadonlyMap<string, RunnerSetStatus>,
  catalog: Pick<Catalog, 'revision' | 'runnerSets'>,
  now: Date,
) => ReadonlyMap<string, RunnerSetStatus | null> {
  // What is being written is not known yet.
  const told = new Map<string, string>();
  return (states, known, { revision, runnerSets }, now) => {
    const changes = new Map<string, RunnerSetStatus | null>();
    const at = now.toISOString();
    for (const state of states) {
      if (!runnerSets.has(state.set)) continue;
      const status = statusOf(state, known.get(state.set), revision, at);
      const text = worthTelling(status);
      const before = known.get(state.set);
      if (told.get(state.set) === text || (before && worthTelling(before) === text)) continue;
      told.set(state.set, text);
      changes.set(state.set, status);
    }
    const kept = new Set(states.map(({ set }) => set));
    for (const set of known.keys()) {
      if (kept.has(set) || runnerSets.has(set) || told.get(set) === GONE) continue;
      told.set(set, GONE);
      changes.set(set, null);
    }
    return changes;
  };
}

const GONE = 'gone';

function statusOf(
  { set, ready, assigned: _assigned, waiting: _waiting, ...numbers }: PoolState,
  before: RunnerSetStatus | undefined,
  revision: string,
  at: string,
): RunnerSetStatus {
  const status = ready.status ? 'True' : 'False';
  const last = before?.conditions.find(({ type }) => type === 'Ready');
  const since = last?.status === status ? last.lastTransitionTime : at;
  return {
    apiVersion: 'runledger.dev/v1',
    kind: 'RunnerSetStatus',
    set,
    revision,
    at,
    ...numbers,
    conditions: [{ type: 'Ready', status, reason: ready.reason, message: ready.message, lastTransitionTime: since }],
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
