import type { FoundRequest } from '../ledger/port.ts';
import type { PlannedAction } from '../schemas/index.ts';
import { knownJobs, plan, type PlanInput } from './plan.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';
import { judgeRequests, namedRuns, type Requested } from './requests.ts';

/** Makes plans of observations, with all that has to be looked up for them. Changes nothing. */
export interface Planning {
  /** What is asked for: on the command line, and on the ledger. A command that runs one job hears only of its cancellation. */
  askedIn(seen: Observation, options: SettleOptions): Promise<Requested>;
  /** The plan for these jobs; without `keys`, for all that the options let in. */
  planFor(
    seen: Observation,
    options: SettleOptions,
    asked: Requested,
    keys?: Iterable<string>,
  ): Promise<readonly PlannedAction[]>;
}

/** With more changed jobs than this, a plan does not look up which fields changed: it would read a file a job. */
const MOST_EXPLAINED = 200;

export function createPlanning(parts: ReconcilerParts): Planning {
  return {
    async askedIn(seen, { triggers, requests: own, jobs }) {
      const mine = ({ request }: FoundRequest): boolean =>
        request?.action === 'cancel' && jobs?.has(request.job) === true;
      const requests = triggers
        ? seen.view.requests
        : new Map([...seen.view.requests].filter(([, found]) => mine(found)));
      const { reruns, cancels, answers } = judgeRequests({
        ...seen,
        requests,
        named: await namedRuns(requests, seen),
        refuses: (job) => parts.runner.refuses(job.manifest.spec),
        params: parts.params,
      });
      return { reruns: [...own, ...reruns], cancels, answers };
    },
    async planFor(seen, options, asked, keys = options.jobs ?? knownJobs(seen)) {
      const base: PlanInput = {
        ...seen,
        requests: asked.reruns,
        cancels: asked.cancels,
        triggers: options.triggers,
        pullRequest: options.pullRequest,
        changes: new Map(),
        refuses: (job) => parts.runner.refuses(job.manifest.spec),
        now: parts.now(),
      };
      const first = plan(base, keys);
      const changed = first.filter((action) => action.reason === 'Changed').map((action) => action.job);
      if (changed.length === 0 || changed.length > MOST_EXPLAINED) return first;
      return plan({ ...base, changes: await changesOf(parts, seen, changed) }, keys);
    },
  };
}

async function changesOf(
  parts: ReconcilerParts,
  { view, catalog, snapshot }: Observation,
  jobs: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const changes = new Map<string, readonly string[]>();
  for (const name of jobs) {
    const job = catalog.jobs.get(name);
    const before = await view.spec(name);
    if (job && before) changes.set(name, parts.changedFields(before, await parts.covered(job, snapshot)));
  }
  return changes;
}
