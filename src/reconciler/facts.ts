import type { Catalog } from '../job/model.ts';
import type { JobFacts } from '../ledger/port.ts';
import type { JobStatus, ManifestProblem, PlannedAction } from '../schemas/index.ts';
import { isRemoved } from './plan.ts';

type ManifestFacts = NonNullable<JobFacts['manifest']>;

/**
 * What an action says of a job's manifest that the ledger does not know yet; undefined when its status says so already.
 * A job that is valid and has never run is not worth a commit: its first run's outcome brings its status.
 *
 * `revision` and `at` go into the facts alone: a new commit that leaves a job as it was changes no status.
 */
export function manifestFacts(
  action: PlannedAction,
  status: JobStatus | undefined,
  revision: string,
  at: string,
): JobFacts | undefined {
  const manifest = manifestOf(action, revision);
  if (manifest === undefined || isKnown(manifest, status)) return undefined;
  return { job: action.job, at, manifest };
}

function manifestOf({ action, reason, path, problems }: PlannedAction, revision: string): ManifestFacts | undefined {
  const place = path === undefined ? { revision } : { revision, path };
  switch (action) {
    case 'none':
    case 'wait':
      return { state: 'valid', ...place };
    case 'suspended':
      return { state: 'suspended', ...place };
    case 'removed':
      return { state: 'removed', ...place };
    case 'invalid':
      // What one runner can't do says nothing of the manifest.
      return reason === 'Refused' ? undefined : { state: 'invalid', ...place, problems: problems ?? [] };
    case 'run':
    case 'record':
    case 'cancel':
      return undefined;
  }
}

function isKnown(manifest: ManifestFacts, status: JobStatus | undefined): boolean {
  if (status === undefined) return manifest.state === 'valid';
  const { state, path } = manifest;
  if (state === 'removed') return isRemoved(status);
  if (isRemoved(status) || status.source?.path !== path) return false;
  if (state === 'invalid') return status.phase === 'Invalid' && sameProblems(status.problems, manifest.problems);
  if (state === 'suspended') return status.phase === 'Suspended';
  return status.phase !== 'Invalid' && status.phase !== 'Suspended';
}

const sameProblems = (a: readonly ManifestProblem[] = [], b: readonly ManifestProblem[] = []): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

/** The problems that belong to no job, for `invalid.yaml`; undefined when the ledger has them already. */
export function unattributed(
  catalog: Catalog,
  recorded: readonly ManifestProblem[],
): readonly ManifestProblem[] | undefined {
  return sameProblems(catalog.problems, recorded) ? undefined : catalog.problems;
}
