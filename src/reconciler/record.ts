import type { DesiredJob } from '../job/model.ts';
import type { RunRecord } from '../runner/port.ts';
import type { PlannedAction } from '../schemas/index.ts';
import type { RunRequest } from './plan.ts';
import type { Covered } from './ports.ts';

/**
 * What is stored with a run's claim. `action` is a planned `run`; `params` are all values of the job's parameters for this run,
 * defaults included. `now` is RFC 3339, UTC.
 */
export function runRecord(
  action: PlannedAction,
  desired: DesiredJob,
  revision: string,
  covered: Covered,
  request: RunRequest | undefined,
  params: Readonly<Record<string, string>>,
  now: string,
): RunRecord {
  const { run, trigger } = action;
  if (run === undefined || trigger === undefined)
    throw new TypeError(`a planned run of ${action.job} without a number or a trigger`);
  return {
    job: desired.name,
    run,
    trigger,
    revision,
    path: desired.path,
    digest: desired.digest,
    covered,
    spec: desired.manifest.spec,
    labels: desired.manifest.metadata.labels ?? {},
    params,
    args: request?.args ?? [],
    ...(request?.requestedBy === undefined ? {} : { requestedBy: request.requestedBy }),
    // A run that a request started begins a chain of its own; so does a commit, by its SHA.
    chain: trigger.kind === 'request' ? trigger.id : revision,
    queued: now,
  };
}
