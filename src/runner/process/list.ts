import type { AttemptState, LiveRun } from '../port.ts';
import type { Processes } from './identity.ts';
import type { RunPaths } from './layout.ts';
import { killLeftOvers, lostAttempt } from './lost.ts';
import type { Claim, FinishedAttempt, Holder, RunningState, RunStore } from './store.ts';

export interface ListerOptions {
  readonly store: RunStore;
  readonly me: Holder;
  readonly processes: Processes;
  readonly now: () => Date;
  /** Changes nothing. */
  readonly observe: boolean;
  /** Whether this process executes the run of this name. */
  readonly isActive: (name: string) => boolean;
  /** How a run of this process ended that could not be written down yet. */
  readonly unwritten: (name: string) => FinishedAttempt | undefined;
}

const attemptOf = (started: string | null, finished: FinishedAttempt | undefined): AttemptState => ({
  task: 'default',
  number: 1,
  started,
  finished: finished?.finished ?? null,
  ending: finished?.ending ?? null,
  output: finished?.output ?? null,
});

const ended = ({ record }: Claim, mine: boolean, finished: FinishedAttempt): LiveRun => ({
  record,
  phase: 'ended',
  mine,
  attempts: [attemptOf(finished.started, finished)],
});

const unfinished = ({ record }: Claim, mine: boolean, state: RunningState | undefined): LiveRun => ({
  record,
  phase: state ? 'running' : 'queued',
  mine,
  attempts: state ? [attemptOf(state.started, undefined)] : [],
});

/** Reads every claimed run from the disk, and brings those to an end whose process has died. */
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

  const conclude = async (name: string, paths: RunPaths, claim: Claim): Promise<FinishedAttempt> => {
    const state = await store.readState(paths);
    if (!observe) await killLeftOvers(state, paths, processes);
    const finished = unwritten(name) ?? lostAttempt(claim, state, paths, now().toISOString());
    if (!observe) await store.writeEnding(paths, finished);
    return (await store.readEnding(paths)) ?? finished;
  };

  const look = async (name: string): Promise<LiveRun | undefined> => {
    const paths = store.paths(name);
    const claim = await store.readClaim(paths);
    if (!claim) return undefined;
    const active = isActive(name); // asked before the ending is looked for: it is written before this turns false
    const holder = active ? me : await holderOf(paths, claim.owner);
    const mine = holder.id === me.id || processes.state(holder) === 'dead';
    const finished = await store.readEnding(paths);
    if (finished) return ended(claim, mine, finished);
    if (active) return unfinished(claim, true, await store.readState(paths));
    return mine
      ? ended(claim, mine, await conclude(name, paths, claim))
      : unfinished(claim, false, await store.readState(paths));
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
