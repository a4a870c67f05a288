import { commitTrigger } from '../job/defaults.ts';
import type { Catalog, DesiredJob } from '../job/model.ts';
import { compareText, formatProblem } from '../job/problems.ts';
import { runsOnOf } from '../job/runs-on.ts';
import { needsOf } from '../reconciler/chain.ts';
import { schedulesOf } from '../reconciler/schedule/due.ts';
import type { Result, RunnerSet } from '../schemas/index.ts';

export interface GraphJob {
  readonly name: string;
  readonly path: string;
  readonly state: 'valid' | 'suspended' | 'invalid';
  /** What starts runs of it by itself: `commit`, `schedule 30 2 * * * Europe/Zurich`, `pull request`. */
  readonly triggers: readonly string[];
  /** The first problem of an invalid one. */
  readonly problem?: string;
  /** The runner set that it runs on. */
  readonly runnerSet?: string;
}

/** A runner set, with what it can take. */
export interface GraphSet {
  readonly name: string;
  readonly minRunners: number;
  readonly maxRunners: number;
  readonly slots: number;
  readonly image: string;
}

/** `to` runs after `from`, if that ended with one of these results. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly results: readonly Result[];
}

/** The jobs of a revision, who needs whom, and the runner sets; all by name. */
export interface JobGraph {
  readonly jobs: readonly GraphJob[];
  readonly edges: readonly GraphEdge[];
  readonly runnerSets: readonly GraphSet[];
}

function graphJob(job: DesiredJob): GraphJob {
  const { name, path, outline } = job;
  const state = outline.suspend === true ? 'suspended' : 'valid';
  const named = runsOnOf(outline);
  return { name, path, state, triggers: triggersOf(job), ...(named ? { runnerSet: named.set } : {}) };
}

/** The graph of a catalog. What an invalid job needs is not known. */
export function graphOf({ jobs, invalidJobs, runnerSets }: Catalog): JobGraph {
  const valid = Array.from(jobs.values(), graphJob);
  const invalid = [...invalidJobs.values()].map(({ name, path, problems: [first] }): GraphJob => {
    const job = { name, path, state: 'invalid', triggers: [] } as const;
    return first ? Object.assign(job, { problem: formatProblem(first) }) : job;
  });
  const edges = [...jobs.values()].flatMap(({ name, manifest }) =>
    needsOf(manifest.spec).map(({ job, results }): GraphEdge => ({ from: job, to: name, results })),
  );
  return {
    jobs: [...valid, ...invalid].sort((a, b) => compareText(a.name, b.name)),
    edges: edges.sort((a, b) => compareText(a.from, b.from) || compareText(a.to, b.to)),
    runnerSets: [...runnerSets.values()].map(graphSet).sort((a, b) => compareText(a.name, b.name)),
  };
}

/** What a manifest says of its set, with defaults in place. */
export function graphSet({ metadata: { name }, spec }: RunnerSet): GraphSet {
  const { minRunners = 0, maxRunners, slots = maxRunners, image } = spec;
  return { name, minRunners, maxRunners, slots, image };
}

/** `2 to 20 runners, 40 slots, alpine:3.20`. */
export function describeSet({ minRunners, maxRunners, slots, image }: Omit<GraphSet, 'name'>): string {
  const numbers = minRunners === maxRunners ? maxRunners : `${minRunners} to ${maxRunners}`;
  return `${numbers} runner${maxRunners === 1 ? '' : 's'}${slots === maxRunners ? '' : `, ${slots} slots`}, ${image}`;
}

/** What starts runs of a job by itself, a phrase each; none: requests, and jobs that it needs. */
export function triggersOf({ manifest: { spec } }: DesiredJob): readonly string[] {
  const { pullRequest = false } = spec.on ?? {};
  return [
    ...(commitTrigger(spec) === false ? [] : ['commit']),
    ...schedulesOf(spec.on).map(
      ({ cron, timeZone }) => `schedule ${cron}${timeZone === undefined ? '' : ` ${timeZone}`}`,
    ),
    ...(pullRequest === false ? [] : ['pull request']),
  ];
}

/** The results that let a run through unless its job names others. */
export const isUsual = ({ results }: GraphEdge): boolean => results.join() === 'succeeded,warning';
