import type { AttemptState, LiveRun, RunRecord } from '../port.ts';
import type { Processes } from './identity.ts';
import { type AttemptName, attemptFolder, type RunPaths, runName } from './layout.ts';
import { killLeftOvers, lostAttempt } from './lost.ts';
import type { Claim, FinishedAttempt, Holder, RunStore } from './store.ts';

export interface ListerOptions {
  readonly store: RunStore;
  readonly me: Holder;
  readonly processes: Processes;
  readonly now: () => Date;
  /** Changes nothing. */
  readonly observe: boolean;
  /** Whether this process executes this attempt (`<run>/<attempt>`). */
  readonly isActive: (id: string) => boolean;
  /** How an attempt of this process ended that could not be written down yet. */
  readonly unwritten: (id: string) => FinishedAttempt | undefined;
}

export const attemptId = (record: Pick<RunRecord, 'job' | 'run'>, attempt: AttemptName): string =>
  `${runName(record)}/${attemptFolder(attempt)}`;

const stateOf = (
  { task, number }: AttemptName,
  started: string | null,
  finished: FinishedAttempt | undefined,
): AttemptState => ({
  task,
  number,
  started: finished?.started ?? started,
  finished: finished?.finished ?? null,
  ending: finished?.ending ?? null,
  output: finished?.output ?? null,
  ...(finished?.artifacts ? { artifacts: finished.artifacts } : {}),
});

/** Reads every claimed run from the disk, and brings those attempts to an end whose process has died. */
export function createLister({ store, me, processes, now, observe, isActive, unwritten }: ListerOptions) {
  /** Whoever executes or records the run; this process takes the place of a dead one. */
  const holderOf = async (paths: RunPaths, owner: Holder): Promise<Holder> => {
    let holder = owner;
    while (holder.id !== me.id && processes.state(holder) === 'dead') {
      const heir = observe ? await store.heirOf(paths, holder) : await store.inherit(paths, holder, me);
      if (!heir) break;
      holder = heir;
    }
    return holder;
  };

  const conclude = async (claim: Claim, record: RunRecord, attempt: AttemptName): Promise<FinishedAttempt> => {
    const paths = store.attemptPaths(record, attempt);
    const state = await store.readState(paths);
    if (!observe) await killLeftOvers(state, paths, processes);
    const lost = lostAttempt({ ...claim, record }, state, paths, now().toISOString());
    const finished = unwritten(attemptId(record, attempt)) ?? lost;
    if (!observe) await store.writeEnding(paths, finished);
    return (await store.readEnding(paths)) ?? finished;
  };

  const lookAt = async (
    claim: Claim,
    record: RunRecord,
    mine: boolean,
    attempt: AttemptName,
  ): Promise<AttemptState> => {
    const paths = store.attemptPaths(record, attempt);
    const active = isActive(attemptId(record, attempt)); // asked before the ending is looked for: it is written before this turns false
    const finished = await store.readEnding(paths);
    if (finished) return stateOf(attempt, finished.started, finished);
    if (active || !mine) return stateOf(attempt, (await store.readState(paths))?.started ?? null, undefined);
    return stateOf(attempt, null, await conclude(claim, record, attempt));
  };

  const look = async (name: string): Promise<LiveRun | undefined> => {
    const paths = store.paths(name);
    const claim = await store.readClaim(paths);
    if (!claim) return undefined;
    const holder = await holderOf(paths, claim.owner);
    const mine = holder.id === me.id || processes.state(holder) === 'dead';
    const held = await store.readRecord(paths);
    const record = held ?? claim.record;
    const wish = await store.cancelWish(paths);
    const attempts: AttemptState[] = [];
    for (const attempt of await store.attempts(record)) attempts.push(await lookAt(claim, record, mine, attempt));
    return {
      record,
      mine,
      attempts,
      held: held !== undefined,
      ...(wish ? { cancelled: wish.reason } : {}),
      ...(wish?.by === undefined ? {} : { cancelledBy: wish.by }),
    };
  };

  let swept = observe;
  return async (signal: AbortSignal): Promise<readonly LiveRun[]> => {
    if (!swept) await store.sweep(now().getTime());
    swept = true;
    const runs: LiveRun[] = [];
    for (const name of await store.names()) {
      signal.throwIfAborted();
      const run = await look(name).catch(async (error: unknown) => {
        // Released by another process while it was read?
        if (await store.readClaim(store.paths(name))) throw error;
        return undefined;
      });
      if (run) runs.push(run);
    }
    return runs;
  };
}
