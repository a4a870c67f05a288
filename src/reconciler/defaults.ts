import type { RunRecord } from '../runner/port.ts';
import type { JobDefaults } from '../schemas/index.ts';

/**
 * A record with the configuration's defaults under what the job says itself. They are no part of the digest: changing them starts
 * no runs. `pod` is not among them: it is merged where pods are rendered.
 */
export function withDefaults(record: RunRecord, defaults: JobDefaults): RunRecord {
  const { env, timeouts, resources, hooks } = defaults;
  const { spec } = record;
  return {
    ...record,
    spec: {
      ...spec,
      ...(env && { env: { ...env, ...spec.env } }),
      ...(timeouts && { timeouts: { ...timeouts, ...spec.timeouts } }),
      // Requests and limits belong together: a job that names any of them means just these.
      ...(resources && spec.resources === undefined && { resources }),
    },
    ...(hooks !== undefined && Object.keys(hooks).length > 0 ? { defaultHooks: hooks } : {}),
  };
}
