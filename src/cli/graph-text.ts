import type { GraphEdge, GraphJob, JobGraph } from './graph.ts';
import { describeSet, isUsual } from './graph.ts';
import { fit, type Paint } from './terminal.ts';

interface Visit {
  readonly job: GraphJob;
  /** The edge that leads here; undefined at a root. */
  readonly edge: GraphEdge | undefined;
  /** What stands before the name, and before the names of what comes below. */
  readonly lead: string;
  readonly below: string;
}

/**
 * The graph as a tree that is `width` columns wide at most: below each job those that need it. A job that needs several stands
 * in full below the first of them, which is followed by the others, and with an arrow below these. The runner sets come last.
 */
export function graphText({ jobs, edges, runnerSets }: JobGraph, width: number, paint: Paint): string {
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const into = Map.groupBy(edges, ({ to }) => to);
  const outOf = Map.groupBy(edges, ({ from }) => from);
  const roots = jobs.filter(({ name }) => !into.has(name));
  const shown = new Set<string>();
  const lines: string[] = [];
  // With a stack of its own: a chain of thousands of jobs is deeper than calls go.
  const open: Visit[] = roots.map((job) => ({ job, edge: undefined, lead: '', below: '' })).reverse();
  for (let visit = open.pop(); visit; visit = open.pop()) {
    const { job, below } = visit;
    const again = shown.has(job.name);
    shown.add(job.name);
    lines.push(lineOf(visit, again, into.get(job.name) ?? [], { width, paint }));
    if (again) continue;
    const next = (outOf.get(job.name) ?? []).flatMap((out): Visit[] => {
      const target = byName.get(out.to);
      return target ? [{ job: target, edge: out, lead: `${below}├─ `, below: `${below}│  ` }] : [];
    });
    const last = next.pop();
    if (last) open.push({ ...last, lead: `${below}└─ `, below: `${below}   ` });
    open.push(...next.reverse());
  }
  for (const set of runnerSets) lines.push(fit(`runner set ${set.name}  ${describeSet(set)}`, width));
  return lines.map((text) => `${text}\n`).join('');
}

function lineOf(
  { job, edge, lead }: Visit,
  again: boolean,
  into: readonly GraphEdge[],
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string {
  const before = shortened(lead, Math.floor(width / 2));
  const notes = again ? ['↑'] : notesOf(job, edge, into);
  const text = fit(
    `${job.name}${notes.length > 0 ? `  ${notes.join(' · ')}` : ''}`,
    Math.max(8, width - before.length),
  );
  return (
    before +
    (job.state === 'invalid' ? paint('red', text) : job.state === 'suspended' || again ? paint('gray', text) : text)
  );
}

function notesOf(
  { triggers, state, problem, runnerSet }: GraphJob,
  edge: GraphEdge | undefined,
  into: readonly GraphEdge[],
): readonly string[] {
  if (state === 'invalid') return [`invalid: ${problem ?? ''}`];
  const others = into.filter(({ from }) => from !== edge?.from).map(({ from }) => from);
  return [
    ...(triggers.length > 0 ? [triggers.join(', ')] : edge === undefined ? ['on request'] : []),
    ...(edge === undefined || isUsual(edge) ? [] : [`after ${edge.results.join(' or ')}`]),
    ...(others.length === 0 ? [] : [`needs ${others.join(', ')} too`]),
    ...(runnerSet === undefined ? [] : [`on ${runnerSet}`]),
    ...(state === 'suspended' ? ['suspended'] : []),
  ];
}

/** An indentation of at most so many columns: of a deep one its depth and its end are kept. */
function shortened(lead: string, most: number): string {
  if (lead.length <= most) return lead;
  const depth = `${lead.length / 3}… `;
  return depth + lead.slice(-3);
}
