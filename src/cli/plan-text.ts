import type { Runner } from '../runner/port.ts';
import type { Plan, PlannedAction, PlanTotals } from '../schemas/index.ts';
import { formatProblem } from '../job/problems.ts';
import { describeSet, type GraphSet, graphSet } from './graph.ts';
import type { Observation } from '../reconciler/ports.ts';
import { table, type Cell, type Paint } from './terminal.ts';

/** What of the surroundings belongs into a plan. */
export interface PlanContext {
  readonly source: {
    readonly description: { readonly location: string; readonly branch?: string; readonly path: string };
  };
  readonly ledgerBranch: string | null;
  readonly runner: Runner;
}

/** The published form of a plan. */
export function planOf(actions: readonly PlannedAction[], seen: Observation, context: PlanContext): Plan {
  const { location, branch, path } = context.source.description;
  return {
    apiVersion: 'runledger.dev/v1',
    kind: 'Plan',
    source: { location, ...(branch === undefined ? {} : { branch }), path, revision: seen.catalog.revision },
    ledger: context.ledgerBranch === null ? null : { branch: context.ledgerBranch, head: seen.view.head },
    runner: context.runner.kind,
    actions,
    ...(seen.catalog.problems.length > 0 ? { problems: seen.catalog.problems } : {}),
    notes: notesOf(actions, seen, context.runner),
    totals: totalsOf(actions),
  };
}

/** Said once for the whole plan: what becomes of runner sets, and which fields of what is about to run this runner passes over. */
const notesOf = (actions: readonly PlannedAction[], seen: Observation, runner: Runner): readonly string[] => [
  ...setNotes(seen),
  ...ignoredNotes(actions, seen, runner),
];

/** How the sets of the manifests differ from those that the ledger tells of. */
function setNotes({ catalog, view }: Observation): readonly string[] {
  const isSame = (set: GraphSet): boolean => {
    const status = view.runnerSets.get(set.name);
    const told = status && [status.minRunners, status.maxRunners, status.slots].join();
    return told === [set.minRunners, set.maxRunners, set.slots].join();
  };
  const changed = Array.from(catalog.runnerSets.values(), graphSet).filter((set) => !isSame(set));
  const isWhole = catalog.problems.length === 0 && catalog.brokenFiles.size === 0;
  const removed = [...view.runnerSets.keys()].filter((name) => isWhole && !catalog.runnerSets.has(name));
  return [
    ...changed.map((set) => {
      const what = view.runnerSets.has(set.name) ? 'changes to' : 'is new:';
      return `runner set ${set.name} ${what} ${describeSet(set)}; a controller keeps it`;
    }),
    ...removed.map((name) => `runner set ${name} is removed: a controller drains it`),
  ];
}

function ignoredNotes(actions: readonly PlannedAction[], { catalog }: Observation, runner: Runner): readonly string[] {
  const ignored = new Set<string>();
  for (const { action, job } of actions) {
    const spec = action === 'run' ? catalog.jobs.get(job)?.manifest.spec : undefined;
    if (spec) for (const field of runner.ignores(spec)) ignored.add(field);
  }
  if (ignored.size === 0) return [];
  return [
    `the ${runner.kind} runner passes over ${[...ignored].sort().join(', ')}: commands run on this machine as you`,
  ];
}

const LOOK: Readonly<Record<PlannedAction['action'], Pick<Cell, 'style'> & { readonly mark: string }>> = {
  run: { mark: '+', style: 'green' },
  record: { mark: '=', style: 'cyan' },
  cancel: { mark: '-', style: 'yellow' },
  wait: { mark: '~', style: 'cyan' },
  none: { mark: ' ' },
  suspended: { mark: ' ', style: 'gray' },
  removed: { mark: '-', style: 'gray' },
  invalid: { mark: '!', style: 'red' },
};

/** How many actions there are of each kind. */
export function totalsOf(actions: readonly PlannedAction[]): PlanTotals {
  const totals = { run: 0, none: 0, wait: 0, record: 0, cancel: 0, suspended: 0, removed: 0, invalid: 0 };
  for (const { action } of actions) totals[action] += 1;
  return totals;
}

/** `3 to run, 1 invalid, 12 unchanged`: only what there is; one line without its end. */
export function totalsLine(totals: PlanTotals): string {
  const words: readonly (readonly [keyof PlanTotals, string])[] = [
    ['run', 'to run'],
    ['record', 'to record'],
    ['cancel', 'to cancel'],
    ['wait', 'running'],
    ['invalid', 'invalid'],
    ['suspended', 'suspended'],
    ['removed', 'removed'],
    ['none', 'unchanged'],
  ];
  const parts = words.filter(([key]) => totals[key] > 0).map(([key, word]) => `${totals[key]} ${word}`);
  return parts.length > 0 ? parts.join(', ') : 'no jobs';
}

/** The plan as a person reads it: a line a job, the notes, and one line of totals. */
export function planText(plan: Plan, width: number, paint: Paint): string {
  const rows = plan.actions.map((action): readonly Cell[] => {
    const { mark, style } = LOOK[action.action];
    const number = action.action === 'run' && action.run !== undefined ? ` #${action.run}` : '';
    const look = style === undefined ? {} : { style };
    return [
      { text: mark, ...look },
      { text: action.job + number, ...look },
      { text: action.message, ...look },
    ];
  });
  // Messages hold file:line:column and field names: they wrap in the terminal rather than being cut.
  const lines = table([{ title: '' }, { title: 'JOB' }, { title: 'PLAN' }], rows, Math.max(width, 1_000), paint);
  const where = [plan.source.location, plan.source.branch, shortRevision(plan.source.revision)]
    .filter(Boolean)
    .join(' @ ');
  const notes = plan.notes.map((note) => `note: ${note}\n`).join('');
  const problems = (plan.problems ?? [])
    .map((problem) => `${paint('red', `invalid: ${formatProblem(problem)}`)}\n`)
    .join('');
  return `${paint('gray', where)}\n${rows.length > 0 ? lines : ''}${problems}${notes}${totalsLine(plan.totals)}\n`;
}

/** `4f0c2a1b9d3e` of a full SHA, with `+dirty` kept. */
export function shortRevision(revision: string): string {
  return revision.replace(/^([0-9a-f]{12})[0-9a-f]{28}/, '$1');
}
