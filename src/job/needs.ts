import type { Finding } from './explain.ts';
import type { NeededJob } from './parse.ts';
import { didYouMean, quote } from './words.ts';

/** A suggestion looks at all names; a source that has lost many jobs at once does not need it for each. */
const SUGGESTIONS = 20;

/**
 * What is wrong with who needs whom: names that no job has, and cycles, whose message names the way round
 * (`a → b → a`). `jobs` are all jobs of a revision, valid or not, with what they need; findings come by job.
 */
export function needsFindings(
  jobs: ReadonlyMap<string, readonly NeededJob[]>,
): ReadonlyMap<string, readonly Finding[]> {
  const found = new Map<string, Finding[]>();
  const add = (job: string, { field }: NeededJob, message: string): void => {
    found.set(job, [...(found.get(job) ?? []), { path: field, place: 'value', message }]);
  };
  let unknown = 0;
  const components = cycleGroups(jobs);
  for (const [job, needs] of jobs) {
    for (const need of needs) {
      // A job that needs itself is told so by the rules on one manifest.
      if (need.name === job) continue;
      if (!jobs.has(need.name)) {
        const meant = unknown < SUGGESTIONS ? didYouMean(need.name, jobs.keys()) : '';
        unknown += 1;
        add(job, need, `there is no job ${quote(need.name)}${meant}`);
      } else if (components.get(job) !== undefined && components.get(job) === components.get(need.name))
        add(job, need, `needs itself in the end: ${wayRound(job, need.name, jobs).join(' → ')}`);
    }
  }
  return found;
}

/** For each job that can reach itself, the number of the group that reaches each other (Tarjan's strongly connected components). */
function cycleGroups(jobs: ReadonlyMap<string, readonly NeededJob[]>): ReadonlyMap<string, number> {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const groups = new Map<string, number>();
  // With a stack of its own: a chain of 10,000 jobs is deeper than calls go.
  for (const start of jobs.keys()) {
    if (order.has(start)) continue;
    const calls: { readonly job: string; next: number }[] = [{ job: start, next: 0 }];
    while (calls.length > 0) {
      const call = calls.at(-1);
      if (!call) break;
      const { job } = call;
      if (call.next === 0) {
        order.set(job, order.size);
        low.set(job, order.get(job) ?? 0);
        open.push(job);
        isOpen.add(job);
      }
      const needed = jobs.get(job)?.[call.next]?.name;
      call.next += 1;
      if (needed !== undefined) {
        if (!jobs.has(needed)) continue;
        if (!order.has(needed)) calls.push({ job: needed, next: 0 });
        else if (isOpen.has(needed)) low.set(job, Math.min(low.get(job) ?? 0, order.get(needed) ?? 0));
        continue;
      }
      calls.pop();
      const caller = calls.at(-1)?.job;
      if (caller !== undefined) low.set(caller, Math.min(low.get(caller) ?? 0, low.get(job) ?? 0));
      if (low.get(job) !== order.get(job)) continue;
      const members = open.splice(open.lastIndexOf(job));
      for (const member of members) isOpen.delete(member);
      if (members.length > 1) for (const member of members) groups.set(member, order.get(job) ?? 0);
    }
  }
  return groups;
}

/** The shortest way from a job over the one it needs back to itself. */
function wayRound(job: string, first: string, jobs: ReadonlyMap<string, readonly NeededJob[]>): readonly string[] {
  const from = new Map<string, string>([[first, job]]);
  const queue = [first];
  for (let current = queue.shift(); current !== undefined && current !== job; current = queue.shift()) {
    for (const { name } of jobs.get(current) ?? []) {
      if (from.has(name)) continue;
      from.set(name, current);
      queue.push(name);
    }
  }
  const way = [job];
  for (let current = from.get(job); current !== undefined && current !== job; current = from.get(current))
    way.unshift(current);
  return [job, ...way];
}
