import { createCatalogBuilder } from '../job/catalog.ts';
import { changedFields } from '../job/changes.ts';
import { coveredOf } from '../job/inputs.ts';
import type { Catalog } from '../job/model.ts';
import type { LedgerView } from '../ledger/port.ts';
import { needsOf } from '../reconciler/chain.ts';
import { plan } from '../reconciler/plan.ts';
import { waitingRuns } from '../reconciler/waiting.ts';
import type { LiveRun } from '../runner/port.ts';
import type { Outcome, PlannedAction, Result } from '../schemas/index.ts';
import type { Snapshot } from '../sources/port.ts';
import { triggersOf } from './graph.ts';
import type { GoingRun } from './live/picture.ts';
import { type RunEntry, runEntry } from './run-entry.ts';
import { triggerText } from './trigger-text.ts';

/** A run that is claimed and not recorded. */
export interface GoingEntry {
  readonly run: number;
  readonly state: 'queued' | 'running' | 'ended';
  /** RFC 3339. */
  readonly queued: string;
  /** What it waits for: a phrase that goes after "waits". */
  readonly waits?: string;
}

/** A job that is needed, as its last run is. */
export interface NeedEntry {
  readonly job: string;
  /** Those that let the job run. */
  readonly results: readonly Result[];
  /** The newest run that is recorded; null: none. */
  readonly last: { readonly run: number; readonly result: Result } | null;
  readonly met: boolean;
}

/** Why a job ran, and why it does not run now: what `-o json` prints. */
export interface Why {
  readonly job: string;
  /** The newest recorded run; null: none. */
  readonly last: (RunEntry & { readonly because: string; readonly changes?: readonly string[] }) | null;
  /** What would happen if somebody reconciled now. Null: nothing is known of the job but its runs. */
  readonly now: Pick<PlannedAction, 'action' | 'reason' | 'message' | 'changes'> | null;
  /** Runs that are on their way, by number. */
  readonly going: readonly GoingEntry[];
  /** What starts it by itself; none: requests only, or nothing where `now` says that it is invalid or gone. */
  readonly triggers: readonly string[];
  readonly needs: readonly NeedEntry[];
  /** The coming instants of its schedules. */
  readonly next: readonly string[];
}

export interface WhyInput {
  readonly job: string;
  readonly view: LedgerView;
  readonly catalog: Catalog;
  readonly snapshot: Snapshot;
  /** Claimed on this machine. */
  readonly live: readonly LiveRun[];
  /** Claimed in a cluster. */
  readonly elsewhere: readonly GoingRun[];
  readonly refuses: (spec: Parameters<typeof needsOf>[0]) => readonly string[];
  readonly now: Date;
}

/** How many commits of the ledger are searched for what runs executed. */
const HISTORY = 1_000;

export async function whyOf(input: WhyInput): Promise<Why> {
  const { job, view, catalog } = input;
  const status = view.statuses.get(job);
  const desired = catalog.jobs.get(job);
  return {
    job,
    last: await lastOf(input),
    now: await planNow(input),
    going: goingOf(input),
    triggers: desired ? triggersOf(desired) : [],
    needs: (desired ? needsOf(desired.manifest.spec) : []).map(({ job: name, results }): NeedEntry => {
      const last = view.statuses.get(name)?.lastRuns[0];
      return {
        job: name,
        results,
        last: last ? { run: last.run, result: last.result } : null,
        met: last !== undefined && results.includes(last.result),
      };
    }),
    next: status?.next ?? [],
  };
}

async function lastOf({ job, view }: WhyInput): Promise<Why['last']> {
  const number = view.statuses.get(job)?.lastRuns[0]?.run;
  const outcome = number === undefined ? undefined : await view.outcome(job, number);
  if (!outcome) return null;
  const changes = outcome.trigger.kind === 'commit' ? await changesOf(outcome, view) : undefined;
  return Object.assign(runEntry(outcome), { because: becauseOf(outcome, changes) }, changes ? { changes } : {});
}

/** The fields in which a commit run differs from the one before it; undefined where it was the first or is not known. */
async function changesOf({ job, run, source }: Outcome, view: LedgerView): Promise<readonly string[] | undefined> {
  const before = await commitRunBefore(job, run, view);
  if (!before) return undefined;
  const specs = await view.specs(job, [before.source.digest, source.digest], HISTORY);
  const [old, now] = [specs.get(before.source.digest), specs.get(source.digest)];
  return old && now ? changedFields(old, now) : undefined;
}

async function commitRunBefore(job: string, run: number, view: LedgerView): Promise<Outcome | undefined> {
  for (const { run: number, trigger } of view.statuses.get(job)?.lastRuns ?? [])
    if (number < run && trigger.kind === 'commit') return view.outcome(job, number);
  return undefined;
}

function becauseOf(outcome: Outcome, changes: readonly string[] | undefined): string {
  const { trigger, run } = outcome;
  switch (trigger.kind) {
    case 'commit': {
      const what =
        run === 1
          ? 'it never ran before'
          : changes?.length
            ? `its spec changed in ${changes.join(', ')}`
            : 'its spec changed';
      return `${what} (${triggerText(outcome)})`;
    }
    case 'schedule':
      return `it was due at ${trigger.at}`;
    case 'needs':
      return `run ${trigger.run} of ${trigger.job}, which it needs, had ended`;
    case 'request':
      return `somebody asked for it (${triggerText(outcome)})`;
    case 'pullRequest':
      return `of pull request ${trigger.number}`;
  }
}

async function planNow(input: WhyInput): Promise<Why['now']> {
  const { job, elsewhere, catalog, view, snapshot, live, refuses, now } = input;
  const away = elsewhere.find((run) => run.job === job);
  if (away) return { action: 'wait', reason: 'AlreadyRunning', message: `nothing: run ${away.run} ${stateText(away)}` };
  const base = {
    catalog,
    view,
    live,
    requests: [],
    triggers: true,
    refuses: (one: { readonly manifest: { readonly spec: Parameters<typeof refuses>[0] } }) =>
      refuses(one.manifest.spec),
    now,
    changes: new Map<string, readonly string[]>(),
  };
  const [first] = plan(base, [job]);
  if (first?.reason !== 'Changed') return first ? pick(first) : null;
  const desired = catalog.jobs.get(job);
  const before = await view.spec(job);
  if (!desired || !before) return pick(first);
  const changes = new Map([[job, changedFields(before, await coveredOf(desired, snapshot))]]);
  const [explained = first] = plan({ ...base, changes }, [job]);
  return pick(explained);
}

const pick = ({ action, reason, message, changes }: PlannedAction): NonNullable<Why['now']> => ({
  action,
  reason,
  message,
  ...(changes ? { changes } : {}),
});

const stateText = ({ tasks }: GoingRun): string => (tasks.length === 0 ? 'is queued' : 'is running');

/** Runs on this machine with what they wait for now; those in a cluster with what the ledger says of them. */
function goingOf({ job, live, elsewhere, catalog, view, now }: WhyInput): readonly GoingEntry[] {
  const liveByJob = Map.groupBy(live, ({ record }) => record.job);
  const runs = { live, liveByJob, jobs: catalog.jobs, statuses: view.statuses, now: now.getTime() };
  const waits = new Map(waitingRuns(runs).map((wait) => [`${wait.job}/${wait.run}`, wait.now]));
  const here = live
    .filter(({ record }) => record.job === job)
    .map(({ record, attempts }): GoingEntry => {
      const waiting = waits.get(`${job}/${record.run}`);
      const isOver = attempts.length > 0 && attempts.every(({ ending }) => ending !== null);
      const state = attempts.length === 0 ? 'queued' : isOver ? 'ended' : 'running';
      return goingEntry(record.run, state, record.queued, waiting);
    });
  const away = elsewhere
    .filter((run) => run.job === job)
    .map(({ run, queued, tasks }): GoingEntry => {
      const isOver = tasks.length > 0 && tasks.every(({ phase }) => phase === 'ended');
      const state = tasks.length === 0 ? 'queued' : isOver ? 'ended' : 'running';
      return goingEntry(run, state, queued, waitOf(run, view.statuses.get(job)?.waiting));
    });
  return [...here, ...away].sort((a, b) => a.run - b.run);
}

const goingEntry = (
  run: number,
  state: GoingEntry['state'],
  queued: string,
  waits: string | undefined,
): GoingEntry => ({
  run,
  state,
  queued,
  ...(state !== 'queued' || waits === undefined ? {} : { waits }),
});

/** What a status says that a run waits for: of `run 13 waits for a; run 14 waits for b`. */
const waitOf = (run: number, waiting: string | undefined): string | undefined =>
  waiting
    ?.split('; ')
    .find((each) => each.startsWith(`run ${run} waits `))
    ?.slice(`run ${run} waits `.length);

/** The catalog of what is in force, knowing the files that held manifests before. */
export async function catalogFor(snapshot: Snapshot, view: LedgerView): Promise<Catalog> {
  const paths = [...view.statuses.values()].map(({ source }) => source.path);
  return createCatalogBuilder().build(snapshot, { knownFiles: new Set(paths) });
}
