import { isCoded } from '../errors.ts';
import type { Branch } from '../git/port.ts';
import { createSerial } from '../git/serial.ts';
import { isIn, sharedChanges, stageBatch, type Batch, type Item } from './batch.ts';
import { createCoalescer } from './coalesce.ts';
import { buildCommit, type BuiltCommit } from './commit.ts';
import { createBeliefs } from './beliefs.ts';
import { createCrowd, type Left } from './crowd.ts';
import { pushOrLeave } from './push-or-leave.ts';
import { logIds } from './left.ts';
import type { Ledger } from './port.ts';
import { prepareChange, type PreparedChange } from './prepare.ts';
import { createReadmeClock } from './readme-clock.ts';
import { createServeOthers } from './serve-others.ts';
import type { Stage } from './stage.ts';
import { stageLeft } from './stage-left.ts';
import { cachedTrees } from './tree.ts';
import { readState, type LedgerFiles, type LedgerState } from './view.ts';

export interface LedgerOptions {
  readonly branch: Branch;
  /** Author and committer of the commits. */
  readonly author: { readonly name: string; readonly email: string };
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Ends everything, timers included. */
  readonly signal: AbortSignal;
  /** While runs keep ending, the README is written this often at most; milliseconds, default one minute. */
  readonly readmeEveryMs?: number;
  /** Whether each job gets a badge, `badge.svg`; default yes. */
  readonly badges?: boolean | undefined;
  /** For how long a change is tried before `write` fails with a transient error; milliseconds, default two minutes. */
  readonly limitMs?: number;
  /** From 0 to below 1, for the pauses between tries. */
  readonly random?: () => number;
  /** Milliseconds from any fixed point, never going back: how long tries take. */
  readonly elapsed?: () => number;
  readonly log?: (event: LedgerEvent) => void;
}

/** What a ledger tells while it works; none of it is needed for correctness. */
export type LedgerEvent =
  | {
      readonly kind: 'pushed';
      readonly commit: string;
      readonly subject: string;
      readonly writes: number;
      readonly tries: number;
    }
  | {
      readonly kind: 'retry';
      readonly writes: number;
      readonly tries: number;
      readonly pauseMs: number;
      readonly error: unknown;
    }
  /** A push that another one was faster than. */
  | { readonly kind: 'raced'; readonly error: unknown }
  /** Changes were left for whoever pushes next, after a lost race or in expectation of one. */
  | { readonly kind: 'left'; readonly writes: number }
  /** What was left is in the ledger, by another writer's push. */
  | { readonly kind: 'taken'; readonly commit: string; readonly writes: number }
  | { readonly kind: 'readmeFailed'; readonly error: unknown };

type Built = {
  readonly stage: Stage;
  readonly commit: BuiltCommit | null;
  readonly withReadme: boolean;
  readonly taken: readonly Left[];
  readonly drop: readonly Left[];
};

interface Seen {
  readonly state: LedgerState;
  readonly others: readonly Left[];
}

const MINUTE = 60_000;
const LOOK_ABOUT_MS = 3_000;
const NOTHING_BESIDE = { moves: [], objects: [], settle: () => undefined } as const;

/**
 * The ledger on a branch. One push is under way at a time; every try takes in all changes that are waiting by then. When
 * the branch has moved, the changes are applied anew to its new head. A change that can't be recorded fails alone. A
 * change whose signal aborts is withdrawn, unless a push with it is under way: then its call rejects all the same, and
 * the next `read` tells what became of it. On a branch that others push to as well, changes are left for the next push,
 * whoever makes it (`crowd.ts`).
 *
 * `write` throws what `prepareChange` and `stageChange` throw (terminal), `LedgerBusy` (transient: not accepted within
 * the limit; the caller still has the change and tries again), what `readState` throws, and what the branch throws.
 */
export function openLedger(options: LedgerOptions): Ledger {
  const { branch, now, signal, log } = options;
  const files: LedgerFiles = { branch, readTree: cachedTrees((id) => branch.readTree(id)) };
  const serial = createSerial();
  const { random = Math.random, elapsed = () => performance.now() } = options;
  const crowd = branch.aside && createCrowd({ branch, aside: branch.aside, now, random, elapsed });
  let state: LedgerState | undefined;
  const beliefs = createBeliefs(() => state);
  /** Whether the last push went through at once: then the next one starts from the head that is known. */
  let undisturbed = false;
  /** The head at which a push with refs beside it failed, if one did: they may be at fault, so the branch goes alone next. */
  let lookedAt = Number.NEGATIVE_INFINITY;
  let spoilt: string | null | undefined;

  /** The newest state, and what others have left beside it. */
  const refreshAll = (signal: AbortSignal): Promise<Seen> =>
    serial(async () => {
      const { head, others } = crowd ? await crowd.refresh(signal) : { head: await branch.refresh(signal), others: [] };
      state = await readState(files, head, state);
      beliefs.forget();
      return { state, others };
    });
  const refresh = (signal: AbortSignal): Promise<LedgerState> =>
    serial(async () => {
      state = await readState(files, await branch.refresh(signal), state);
      beliefs.forget();
      return state;
    });

  const build = async (base: LedgerState, batch: Batch, others: readonly Left[]): Promise<Built> => {
    const own = await stageBatch(files, base, batch);
    const { stage, taken, drop } = await stageLeft(files, base, own, others);
    const withReadme = base.root === null || readme.isDue() || batch.some(({ item }) => item.kind === 'readme');
    const stale = withReadme ? readme.staleBuckets() : null;
    const commit = await buildCommit(files, base, stage, {
      author: options.author,
      now: now(),
      readme: stale,
      badges: options.badges ?? true,
    });
    return { stage, commit, withReadme, taken, drop };
  };

  /** Pushes what was built; `beside`: with what has to move beside the branch. */
  const advance = async (base: LedgerState, built: Built, beside: boolean, signal: AbortSignal): Promise<void> => {
    const { commit, taken, drop } = built;
    if (commit === null) return;
    const { moves, objects, settle } = (beside && crowd?.receipts(commit.id, taken, drop)) || NOTHING_BESIDE;
    const there = new Set(taken.flatMap(({ content }) => logIds(content)));
    const sent = [...commit.objects.filter(({ id }) => !there.has(id)), ...objects];
    try {
      await branch.advance(base.view.head, commit.id, sent, signal, moves);
    } catch (error) {
      if (isCoded(error, 'RefMoved')) {
        log?.({ kind: 'raced', error });
        spoilt = moves.length > 0 ? base.view.head : undefined;
        crowd?.lostRace();
      }
      if (isCoded(error, 'AsideRefused')) crowd?.refused();
      throw error;
    }
    settle();
    crowd?.won(taken.length);
    // The remote has it. That it can't be read here is for the next refresh to deal with.
    state = await readState(files, commit.id, base).catch(() => undefined);
    beliefs.forget();
  };

  /** Brings the batch onto the head that is known, or else onto the newest one. */
  const direct = async (batch: Batch, tries: number, signal: AbortSignal): Promise<void> => {
    const began = elapsed();
    // Now and then it looks about: whoever wins every push must not pass by for ever what others have left.
    const isKnown = tries === 1 && undisturbed && (!crowd || elapsed() - lookedAt < LOOK_ABOUT_MS);
    const seen = isKnown && state ? { state, others: undefined } : await refreshAll(signal);
    if (seen.others) lookedAt = elapsed();
    let base = seen.state;
    const beside = seen.others !== undefined && spoilt !== base.view.head;
    let built = await build(base, batch, (beside && seen.others) || []);
    if (built.commit === null && base.view.head !== (await refresh(signal)).view.head) {
      base = state ?? base;
      built = await build(base, batch, []);
    }
    const { commit, stage, withReadme } = built;
    if (commit !== null) {
      undisturbed = false;
      for (const turn of batch) turn.sent = true;
      try {
        await serial(() => advance(base, built, beside, signal));
      } catch (error) {
        // Once: from now on the branch goes alone.
        if (isCoded(error, 'AsideRefused')) return direct(batch, tries, signal);
        throw error;
      }
      undisturbed = tries === 1;
      readme.committed(commit.buckets, withReadme);
      if (built.taken.length > 0) others.took(elapsed() - began);
      log?.({ kind: 'pushed', commit: commit.id, subject: commit.subject, writes: batch.length, tries });
    } else if (withReadme) {
      readme.upToDate();
    }
    for (const turn of batch) {
      if (commit !== null && isIn(base, stage, turn.item)) turn.resolve(commit.id);
      else turn.resolve(turn.sent ? base.view.head : null);
    }
  };

  /** The batch is in the ledger by another writer's push. */
  const takenIn = (batch: Batch, changes: readonly PreparedChange[], commit: string): void => {
    readme.takenIn(beliefs.changed(changes));
    log?.({ kind: 'taken', commit, writes: batch.length });
    for (const turn of batch) turn.resolve(commit);
  };

  const attempt = async (waiting: () => Batch, tries: number, signal: AbortSignal): Promise<void> => {
    if (!(await others.rounds(waiting(), signal))) return;
    const push = (): Promise<void> => direct(waiting(), tries, signal);
    if (!crowd || !sharedChanges(waiting())) return push();
    undisturbed &&= !crowd.isCrowded();
    let batch: Batch = [];
    let changes: readonly PreparedChange[] = [];
    const leave = async (): Promise<boolean> => {
      if (state === undefined) await refresh(signal);
      batch = waiting();
      const shared = sharedChanges(batch);
      if (!shared) return false;
      changes = shared;
      undisturbed = false;
      for (const turn of batch) turn.sent = true;
      await crowd.leave({ changes, seen: beliefs.seen(changes) }, signal);
      log?.({ kind: 'left', writes: batch.length });
      return true;
    };
    const commit = await pushOrLeave(crowd, { push, leave }, signal);
    if (commit !== null) takenIn(batch, changes, commit);
  };

  const submit = createCoalescer<Item, string | null>({
    attempt,
    signal,
    limitMs: options.limitMs ?? 2 * MINUTE,
    random,
    elapsed,
    onRetry: ({ waiting, tries, pauseMs, error }) => log?.({ kind: 'retry', writes: waiting, tries, pauseMs, error }),
  });

  const others = createServeOthers({
    ask: () => submit({ kind: 'others' }, signal),
    leads: () => crowd?.leads() ?? false,
    push: (batch, signal) => direct(batch, 2, signal), // a second try looks first
    signal,
  });

  const readme = createReadmeClock({
    now,
    signal,
    everyMs: options.readmeEveryMs ?? MINUTE,
    onDue: () => {
      submit({ kind: 'readme' }, signal).catch((error: unknown) => log?.({ kind: 'readmeFailed', error }));
    },
  });

  return {
    branch: branch.name,
    read: async (signal) => (await refresh(signal)).view,
    latest: () => (beliefs.isBehind() ? null : (state?.view ?? null)),
    write: async (change, signal) => submit({ kind: 'change', change: prepareChange(change) }, signal),
    flush: async (signal) => (readme.isStale() ? submit({ kind: 'readme' }, signal) : null),
  };
}
