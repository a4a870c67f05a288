import { needsOf } from './chain.ts';
import { dueOf } from './instants.ts';
import type { Observation } from './ports.ts';

/** Which jobs have to be looked at although nothing of them changes: for their schedules, and for the jobs that they need. */
export interface Agenda {
  /** Takes in what an observation says of these jobs. */
  take(seen: Observation, jobs: Iterable<string>, now: Date): void;
  /** Jobs with an instant up to `now` (milliseconds since 1970). */
  due(now: number): readonly string[];
  /** When the next instant comes; null: none does. */
  next(): number | null;
  /** The jobs that need this one. */
  dependentsOf(job: string): readonly string[];
}

export function createAgenda(): Agenda {
  const moments = new Map<string, number>();
  let dependents: ReadonlyMap<string, readonly string[]> = new Map();
  let known: Observation['catalog'] | undefined;
  return {
    take({ catalog, view, live }, jobs, now) {
      if (catalog !== known) {
        known = catalog;
        dependents = dependentsIn(catalog);
        for (const job of moments.keys()) if (!catalog.jobs.has(job)) moments.delete(job);
      }
      for (const name of jobs) {
        const job = catalog.jobs.get(name);
        if (!job?.outline.on?.schedule || job.outline.suspend === true) {
          moments.delete(name);
          continue;
        }
        const ofJob = live.filter(({ record }) => record.job === name);
        const { wakeAt } = dueOf(job, view.statuses.get(name), ofJob, now);
        if (wakeAt === undefined) moments.delete(name);
        else moments.set(name, wakeAt);
      }
    },
    due: (now) => [...moments].flatMap(([job, at]) => (at <= now ? [job] : [])),
    next: () => (moments.size === 0 ? null : Math.min(...moments.values())),
    dependentsOf: (job) => dependents.get(job) ?? [],
  };
}

function dependentsIn({ jobs }: Observation['catalog']): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [name, { manifest }] of jobs)
    for (const { job } of needsOf(manifest.spec)) found.set(job, [...(found.get(job) ?? []), name]);
  return found;
}
