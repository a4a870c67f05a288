import { checkoutOfSpec } from '../job/defaults.ts';
import type { DesiredJob } from '../job/model.ts';
import { runsOnOf } from '../job/runs-on.ts';
import { secretFields } from '../job/secret-references.ts';
import type { JobDefaults, RunnerKind, RunnerSet } from '../schemas/index.ts';

/** What decides whether a job may touch what nobody has approved. */
export interface Surroundings {
  readonly runner: RunnerKind;
  /** Whether the platform keeps credentials away from the machine: see `ActionEvent.isSandboxed`. */
  readonly isSandboxed: boolean;
  readonly runnerSets: ReadonlyMap<string, RunnerSet>;
  /** What the configuration gives to every job. */
  readonly defaults?: JobDefaults | undefined;
}

/**
 * Why a job of the base may not run for a head that nobody has approved; undefined: it may. Its commands are those of the base, but
 * they run the files of the head: a test suite is code of whoever opened the pull request.
 */
export function refusalOf({ manifest: { spec } }: DesiredJob, surroundings: Surroundings): string | undefined {
  const set = surroundings.runnerSets.get(runsOnOf(spec)?.set ?? '');
  const [field] = [...secretFields(spec), ...(set ? secretFields(set.spec) : [])];
  if (field !== undefined) return `${field} refers to a Secret or a service account`;
  const { env = {}, pod = {} } = surroundings.defaults ?? {};
  const [given] = secretFields({ run: '', env, pod });
  if (given !== undefined)
    return `${given.replace(/^spec/, 'defaults')} of the configuration refers to a Secret or a service account`;
  if (surroundings.runner === 'process' && !surroundings.isSandboxed && checkoutOfSpec(spec) !== false)
    return 'the process runner would execute files of the pull request on a machine that holds credentials';
  return undefined;
}
