import type { RunKey } from '../../runner/port.ts';
import type { ActiveRun, Replaced, Skipped, Wait } from './model.ts';
import { compareArrivals, compareNames } from './order.ts';

const keyOf = ({ job, run }: RunKey): RunKey => ({ job, run });

/**
 * What the policies of runs that arrive do to others and to themselves. In each group
 * - the newest run with `replace` ends every run that was there before it,
 * - a run with `skip` that has not begun is skipped if another one was there before it.
 *
 * It says the same again until what it says is done.
 */
export function applyPolicies(runs: readonly ActiveRun[]): {
  readonly replaced: readonly Replaced[];
  readonly skipped: readonly Skipped[];
  /** The runs that go on, in the order in which they were given. */
  readonly left: readonly ActiveRun[];
} {
  const replaced: Replaced[] = [];
  const skipped: Skipped[] = [];
  const ended = new Set<ActiveRun>();
  const groups = new Set(
    runs.filter(({ policy }) => policy === 'replace' || policy === 'skip').map(({ group }) => group),
  );
  const members = Map.groupBy(groups.size === 0 ? [] : runs.filter(({ group }) => groups.has(group)), groupOf);
  for (const [group, unsorted] of members) {
    const arrived = unsorted.toSorted(compareArrivals);
    const replacing = arrived.findLastIndex(({ policy }) => policy === 'replace');
    let before: ActiveRun | undefined;
    for (const [index, run] of arrived.entries()) {
      if (run.policy === 'skip' && !run.begun && before) {
        skipped.push({ ...keyOf(run), group, because: keyOf(before) });
        ended.add(run);
        continue;
      }
      if (index < replacing) {
        replaced.push({ ...keyOf(run), group, by: keyOf(arrived[replacing]!), begun: run.begun });
        ended.add(run);
      }
      if (index === replacing || !before) before = run;
    }
  }
  const left = ended.size === 0 ? runs : runs.filter((run) => !ended.has(run));
  return { replaced: replaced.sort(compareNames), skipped: skipped.sort(compareNames), left };
}

const groupOf = ({ group }: ActiveRun): string => group;

/** What a run waits for in its group, and its place there. */
export interface GroupWait {
  readonly wait: Wait;
  readonly position: number;
}

/** The runs of a group that were let in or are before the next one that asks. */
interface Line {
  /** The one that was there first, of all. */
  first: ActiveRun | undefined;
  /** Of those that run beside nobody: the one that came last in the queue's order, and the one that arrived last. */
  nearest: ActiveRun | undefined;
  newest: ActiveRun | undefined;
  waiting: number;
}

/**
 * Which of the runs that have not begun have to wait for their group, by run. Two runs of a group exclude each other unless
 * the later one's policy is `allow`. A run waits for those which it excludes and which have begun or are before it in the
 * order of the queue. `askers` are in that order; those of them that are not `inLine` hold nobody up.
 */
export function groupWaits(
  begun: readonly ActiveRun[],
  askers: readonly ActiveRun[],
  inLine: (run: ActiveRun) => boolean,
): ReadonlyMap<ActiveRun, GroupWait> {
  const lines = new Map<string, Line>();
  const waits = new Map<ActiveRun, GroupWait>();
  const lineOf = (group: string): Line => {
    const known = lines.get(group);
    if (known) return known;
    const line: Line = { first: undefined, nearest: undefined, newest: undefined, waiting: 0 };
    lines.set(group, line);
    return line;
  };
  for (const run of begun.toSorted(compareArrivals)) stand(run, lineOf(run.group));
  for (const run of askers) {
    const line = lineOf(run.group);
    const other = excluding(run, line);
    const position = line.waiting + 1;
    if (other) waits.set(run, { wait: { kind: 'group', group: run.group, ...keyOf(other) }, position });
    if (!inLine(run)) continue;
    if (other) line.waiting = position;
    stand(run, line);
  }
  return waits;
}

function stand(run: ActiveRun, line: Line): void {
  if (!line.first || compareArrivals(run, line.first) < 0) line.first = run;
  if (run.policy === 'allow') return;
  line.nearest = run;
  if (!line.newest || compareArrivals(run, line.newest) > 0) line.newest = run;
}

/** A run in the line that may not overlap with this one. */
function excluding(run: ActiveRun, { first, nearest, newest }: Line): ActiveRun | undefined {
  if (run.policy === 'allow') return newest && compareArrivals(newest, run) > 0 ? newest : undefined;
  return nearest ?? (first && compareArrivals(first, run) < 0 ? first : undefined);
}
