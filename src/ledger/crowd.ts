import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded, messageOf, transientError } from '../errors.ts';
import type { Aside, AsideRefs, Branch, NewObject, RefMove } from '../git/port.ts';
import { decodeLeft, encodeLeft, receiptFor, type LeftChanges } from './left.ts';
import { CROWDED_FOR_MS, isOutOfPatience, lookAfter } from './pacing.ts';

/** What somebody has left beside the branch, and where. */
export interface Left {
  readonly name: string;
  readonly id: string;
  /** Undefined: nothing that this version can read. */
  readonly content: LeftChanges | undefined;
}

/** `recorded`: in that commit. `ours`: it is on us to push. `gone`: nobody can say; it is to be looked for in the ledger. */
export type Waited = { readonly kind: 'recorded'; readonly commit: string } | { readonly kind: 'ours' | 'gone' };

/**
 * A writer among others on one branch of a remote. Where pushes get into each other's way, a writer leaves its changes on a ref
 * of its own, which is no race, and whoever pushes next takes them in and puts a receipt in their place, in the same
 * push, all or nothing (known as flat combining).
 */
export interface Crowd {
  /** Whether changes are better left than pushed. False where the server takes no such refs. */
  isCrowded(): boolean;
  /** Whether we were the last to push, as far as we know: then the next push is on us too. */
  leads(): boolean;
  lostRace(): void;
  /** A push went through, with what `others` had left. */
  won(others: number): void;
  /** The server takes no refs beside the branch. */
  refused(): void;
  /** Leaves changes in place of what was left before. Throws `RefMoved`, `AsideRefused`, and the transport's errors. */
  leave(changes: LeftChanges, signal: AbortSignal): Promise<void>;
  /** Waits for what becomes of them. */
  wait(signal: AbortSignal): Promise<Waited>;
  /** Takes away what was left and not taken in, as far as that can be done in a few seconds. */
  withdraw(): Promise<void>;
  /** The newest head of the branch, and what others have left, the oldest writer first. Throws `RefMoved` when that has gone. */
  refresh(signal: AbortSignal): Promise<{ readonly head: string | null; readonly others: readonly Left[] }>;
  /** The moves that go with a push: receipts for what `commit` takes in, ours among it, and nothing for what is void. */
  receipts(
    commit: string,
    taken: readonly Left[],
    drop: readonly Left[],
  ): { readonly moves: readonly RefMove[]; readonly objects: readonly NewObject[]; readonly settle: () => void };
}

export interface CrowdOptions {
  readonly branch: Branch;
  readonly aside: Aside;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly random: () => number;
  /** Milliseconds from any fixed point; never goes back. */
  readonly elapsed: () => number;
}

const FOLDER = 'left/';
/** `left/<branch>/<when, in seconds, base 36>-<random>`: what is older sorts first, and can be told from its name. */
const NAME = /^([0-9a-z]{7})-[0-9a-f]{16}$/;
/** From when on a writer takes a new name, and anybody may sweep up receipts under an old one. */
const RENAME_AFTER_MS = 3_600_000;
const SWEEP_AFTER_MS = 24 * RENAME_AFTER_MS;
const SWEEP_MOST = 100;
const WITHDRAW_MS = 5_000;

export function createCrowd(options: CrowdOptions): Crowd {
  const { branch, aside, now, random, elapsed } = options;
  const folder = `${FOLDER}${branch.name}/`;
  const newName = (): string =>
    `${folder}${Math.floor(now() / 1000)
      .toString(36)
      .padStart(7, '0')}-${randomBytes(8).toString('hex')}`;
  const bornAt = (name: string): number | undefined => {
    const found = name.startsWith(folder) ? NAME.exec(name.slice(folder.length)) : null;
    return found ? Number.parseInt(found[1]!, 36) * 1000 : undefined;
  };
  /** Our ref, what it is at (undefined: unknown), and what we left there that is not settled yet. */
  const own = { name: newName(), at: null as string | null | undefined, left: null as string | null };
  const decoded = new Map<string, LeftChanges | undefined>();
  let failed: ReadonlySet<string> = new Set();
  let [usable, leads, crowdedUntil] = [true, false, Number.NEGATIVE_INFINITY];
  let [leftAt, lasted] = [0, 0];
  /** The receipts that were there at the last look, and since when. */
  const progress = { receipts: '', at: 0 };

  const crowded = (): void => {
    crowdedUntil = elapsed() + CROWDED_FOR_MS;
  };

  const leave = async (changes: LeftChanges, signal: AbortSignal): Promise<void> => {
    if (own.at === undefined) own.at = (await aside.look(signal)).get(own.name)?.id ?? null;
    const objects = encodeLeft(changes, now());
    const commit = objects.at(-1)!;
    const moves: RefMove[] = [];
    if (now() - (bornAt(own.name) ?? 0) > RENAME_AFTER_MS) {
      if (own.at !== null) moves.push({ name: own.name, from: own.at, to: null });
      Object.assign(own, { name: newName(), at: null });
    }
    moves.unshift({ name: own.name, from: own.at, to: commit.id });
    own.at = undefined;
    own.left = commit.id;
    const began = elapsed();
    await aside.move(moves, objects, signal);
    own.at = commit.id;
    leftAt = elapsed();
    lasted = leftAt - began;
    crowded();
  };

  const leftIn = (found: AsideRefs): readonly { readonly name: string; readonly id: string }[] =>
    [...found].flatMap(([name, { id, commit }]) =>
      usable && commit === null && name !== own.name && bornAt(name) !== undefined ? [{ name, id }] : [],
    );

  const wait = async (signal: AbortSignal): Promise<Waited> => {
    for (;;) {
      await sleep(lookAfter(lasted, random()), undefined, { signal });
      const found = await aside.look(signal);
      const there = found.get(own.name);
      own.at = there?.id ?? null;
      if (there?.id === own.left) {
        const before = leftIn(found).filter(({ name }) => name < own.name).length;
        const receipts = [...found.values()].flatMap(({ id, commit }) => (commit === null ? [] : [id])).join(' ');
        const at = elapsed();
        if (receipts !== progress.receipts) Object.assign(progress, { receipts, at });
        if (isOutOfPatience({ left: at - leftAt, progress: at - progress.at }, lasted, before)) return { kind: 'ours' };
        continue;
      }
      const commit = there?.commit ?? null;
      const isReceipt = own.left !== null && commit !== null && receiptFor(own.left, commit).id === there?.id;
      own.left = null;
      if (!isReceipt) return { kind: 'gone' };
      leads = false;
      crowded();
      return { kind: 'recorded', commit };
    }
  };

  const refresh: Crowd['refresh'] = async (signal) => {
    let unknown: readonly string[] = [];
    const wanted = (found: AsideRefs): readonly string[] =>
      (unknown = leftIn(found).flatMap(({ id }) => (decoded.has(id) ? [] : [id])));
    let head: string | null;
    try {
      head = await branch.refresh(signal, wanted);
    } catch (error) {
      if (unknown.length === 0 || !isCoded(error, 'FetchFailed')) throw error;
      // Somebody has taken one in by now: then the branch has moved too. What fails twice is left to whoever left it.
      for (const id of unknown) if (failed.has(id)) decoded.set(id, undefined);
      failed = new Set(unknown);
      throw transientError('RefMoved', messageOf(error), { cause: error });
    }
    for (const id of unknown) decoded.set(id, await decodeLeft(branch, id).catch(() => undefined));
    const left = leftIn(aside.found());
    for (const id of decoded.keys()) if (!left.some((one) => one.id === id)) decoded.delete(id);
    const others = left.map(({ name, id }): Left => ({ name, id, content: decoded.get(id) }));
    return { head, others: others.sort((a, b) => (a.name < b.name ? -1 : 1)) };
  };

  /** Receipts that their owners have long seen. */
  const swept = (): readonly RefMove[] =>
    [...aside.found()].flatMap(([name, { id, commit }]) => {
      const born = bornAt(name);
      const old = born !== undefined && now() - born > SWEEP_AFTER_MS;
      return commit !== null && old && name !== own.name ? [{ name, from: id, to: null }] : [];
    });

  return {
    isCrowded: () => usable && elapsed() < crowdedUntil,
    leads: () => leads,
    lostRace() {
      leads = false;
      // Whoever was faster is at it: it gets its turn.
      leftAt = elapsed();
      if (usable) crowded();
    },
    won(others) {
      leads = true;
      if (others > 0) crowded();
    },
    refused() {
      usable = false;
    },
    leave,
    wait,
    async withdraw() {
      const { name, at, left } = own;
      if (left === null || at !== left) return;
      Object.assign(own, { at: undefined, left: null });
      await aside.move([{ name, from: left, to: null }], [], AbortSignal.timeout(WITHDRAW_MS)).catch(() => undefined);
    },
    refresh,
    receipts(commit, taken, drop) {
      if (!usable) return { moves: [], objects: [], settle: () => undefined };
      const ours = own.left !== null && own.at === own.left ? [{ name: own.name, id: own.left }] : [];
      const signed = [...taken, ...ours].map(({ name, id }) => ({ name, id, tag: receiptFor(id, commit) }));
      return {
        moves: [
          ...signed.map(({ name, id, tag }) => ({ name, from: id, to: tag.id })),
          ...drop.map(({ name, id }) => ({ name, from: id, to: null })),
          ...swept().slice(0, SWEEP_MOST),
        ],
        objects: signed.map(({ tag }) => tag),
        settle: () => {
          if (ours.length > 0) Object.assign(own, { at: signed.at(-1)!.tag.id, left: null });
        },
      };
    },
  };
}
