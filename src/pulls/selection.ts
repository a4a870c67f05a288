import type { Catalog } from '../job/model.ts';
import { resolveFrom } from '../job/paths.ts';
import { jobsOfPullRequest, type PullRequestOrder } from '../reconciler/pull-request.ts';
import { refusalOf, type Surroundings } from './refuse.ts';
import type { Row } from './report.ts';
import type { Subject } from './subject.ts';

/** What runs for a pull request, and what would, were it approved. */
export function selectFor(
  { pullRequest, head, changed, trust }: Subject,
  { jobs, runnerSets }: Pick<Catalog, 'jobs' | 'runnerSets'>,
  isMeant: (name: string) => boolean,
  surroundings: Omit<Surroundings, 'runnerSets'>,
): { readonly order: PullRequestOrder; readonly refused: readonly Row[] } {
  const wanted = [...jobsOfPullRequest(jobs, changed.isComplete ? changed.paths : 'all')].filter(([name]) =>
    isMeant(name),
  );
  const refused: Row[] = [];
  const allowed = wanted.filter(([name]) => {
    const job = jobs.get(name);
    const why = trust.kind === 'unapproved' && job ? refusalOf(job, { ...surroundings, runnerSets }) : undefined;
    if (why !== undefined) refused.push({ job: name, state: 'refused', message: `not approved: ${why}`, ms: null });
    return why === undefined;
  });
  const order = { number: pullRequest.number, revision: head, base: pullRequest.base.sha, jobs: new Map(allowed) };
  return { order, refused };
}

/** The files by which jobs are defined: manifests, and what they draw in. */
export function definitionPaths({
  jobs,
  invalidJobs,
  brokenFiles,
}: Pick<Catalog, 'jobs' | 'invalidJobs' | 'brokenFiles'>): ReadonlySet<string> {
  const drawn = [...jobs.values()].flatMap(({ path, manifest }) =>
    (manifest.spec.files ?? []).flatMap(({ from }) => (from === undefined ? [] : (resolveFrom(path, from) ?? []))),
  );
  const manifests = [...jobs.values(), ...invalidJobs.values()].map(({ path }) => path);
  return new Set([...manifests, ...brokenFiles.keys(), ...drawn]);
}
