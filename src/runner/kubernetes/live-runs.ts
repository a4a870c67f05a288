import { runsOnOf } from '../../job/runs-on.ts';
import type { AttemptState, LiveRun } from '../port.ts';
import { attemptName } from './attempt-marks.ts';
import type { Attendance } from './attendance.ts';
import { recordOfObjects, vanishedAttempts } from './attempts.ts';
import { cancellationOn } from './cancellation.ts';
import type { RunObjects } from './inventory.ts';
import { parkedOn } from './park.ts';
import type { Warm } from './pool/warm.ts';
import { runName, type Scope } from './scope.ts';

export interface LiveRunsOptions {
  readonly scope: Scope;
  readonly attendance: Pick<Attendance, 'stateOf'>;
  /** Attempts without a pod whose ending is known, by the names of their runs and their own. */
  readonly podless: ReadonlyMap<string, ReadonlyMap<string, AttemptState>>;
  /** Attempts that are being started, as `run/attempt`: nobody has seen a pod of them, and none is missing. */
  readonly starting: ReadonlySet<string>;
  /** Those that runner sets have, where there are any; `settled`: what is known already. */
  readonly warm?: Pick<Warm, 'attemptsOf'> | undefined;
}

/**
 * Tells what a run is at; undefined where nothing says whose it is. As long as nothing changes it is the same object: every
 * pass asks for all runs, and what follows from one need not be found out again.
 */
export function createLiveRuns(options: LiveRunsOptions): (run: RunObjects) => LiveRun | undefined {
  const told = new WeakMap<RunObjects, Told>();
  return (run) => {
    const before = told.get(run);
    if (before && isUnchanged(run, before, options)) return before.live;
    const now = liveRun(run, options);
    const live = now && before && isSame(now, before.live) ? before.live : now;
    if (live) told.set(run, toldOf(run, live));
    return live;
  };
}

/** What was told of a run, and what it was made of. */
interface Told extends Pick<RunObjects, 'claim' | 'payload'> {
  readonly live: LiveRun;
  /** How many attempts the payload says were begun. */
  readonly begun: number;
}

const toldOf = ({ claim, payload }: RunObjects, live: LiveRun): Told => ({
  live,
  begun: Object.keys(payload?.marks ?? {}).length,
  ...(claim && { claim }),
  ...(payload && { payload }),
});

/** Whether it is plain that nothing has changed: each attempt has its pod, and all is the very same as before. */
function isUnchanged(run: RunObjects, { live, begun, claim, payload }: Told, options: LiveRunsOptions): boolean {
  const { attempts } = live;
  const { size } = run.pods;
  // What a set has of a run is not told by its objects alone.
  if (options.warm && runsOnOf(live.record.spec) !== null) return false;
  if (run.record !== live.record || run.claim !== claim || run.payload !== payload) return false;
  if (size !== attempts.length || begun > size || options.podless.has(runName(run.key))) return false;
  let index = 0;
  for (const pod of run.pods.values()) if (options.attendance.stateOf(pod) !== attempts[index++]) return false;
  return true;
}

function liveRun(run: RunObjects, options: LiveRunsOptions): LiveRun | undefined {
  const record = run.record ?? recordOfObjects(run);
  if (!record) return undefined;
  const cancelled = cancellationOn(run.claim);
  const parked = parkedOn(run.claim);
  return {
    record,
    mine: true,
    attempts: parked ? [] : attemptsOf(run, options),
    held: run.payload !== undefined || run.pods.size > 0,
    ...(run.record ? {} : { partial: true }),
    ...(cancelled ? { cancelled: cancelled.reason } : {}),
    ...(cancelled?.by === undefined ? {} : { cancelledBy: cancelled.by }),
    ...(parked ? { parked } : {}),
  };
}

function attemptsOf(run: RunObjects, { scope, attendance, podless, starting, warm }: LiveRunsOptions) {
  const name = runName(run.key);
  const known = podless.get(name) ?? new Map<string, AttemptState>();
  const ofPods = [...run.pods.values()].map((pod) => attendance.stateOf(pod));
  const settled = new Set([...known.keys(), ...ofPods.map(nameOf)]);
  for (const mark of Object.keys(run.payload?.marks ?? {})) if (starting.has(`${name}/${mark}`)) settled.add(mark);
  const vanished = vanishedAttempts(run, settled, scope);
  return [...ofPods, ...known.values(), ...vanished, ...(warm?.attemptsOf(run, settled) ?? [])];
}

const nameOf = ({ task, number }: AttemptState): string => attemptName({ task, number });

/** Whether two of one run say the same; all that they hold is never changed, but replaced. */
function isSame(one: LiveRun, other: LiveRun): boolean {
  return (
    one.record === other.record &&
    one.held === other.held &&
    one.partial === other.partial &&
    one.cancelled === other.cancelled &&
    one.cancelledBy === other.cancelledBy &&
    one.parked === other.parked &&
    one.attempts.length === other.attempts.length &&
    one.attempts.every((attempt, index) => attempt === other.attempts[index])
  );
}
