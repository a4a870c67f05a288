import { randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitingError } from '../../errors.ts';
import { placeFolder, readJson, removeTree, systemCode } from './durable.ts';
import type { ProcessIdentity, Processes } from './identity.ts';

/** Who holds a lock. */
export interface LockHolder extends ProcessIdentity {
  /** Of this one holding of the lock. */
  readonly id: string;
  /** What it is doing, for a person: `runledger reconcile`. */
  readonly purpose: string;
  /** RFC 3339, UTC. */
  readonly since: string;
}

export interface LockOptions {
  readonly processes: Processes;
  readonly purpose: string;
  readonly now: () => Date;
  /** Called once for each holder that is waited for. */
  readonly onWait: (holder: LockHolder) => void;
  readonly signal: AbortSignal;
  /** Milliseconds to wait at most, then CodedError `LockHeld` (waiting). */
  readonly timeoutMs: number;
}

export interface Lock {
  /** Gives the lock back; the second time it does nothing. */
  release(): Promise<void>;
}

const HOLDER = 'holder.json';
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 250;

const readHolder = (path: string): Promise<LockHolder | undefined> => readJson<LockHolder>(join(path, HOLDER));

async function removeLock(path: string): Promise<void> {
  const away = `${path}.${randomUUID()}.old`;
  await rename(path, away);
  await removeTree(away);
}

/** Puts our folder in place; false when there is one. */
async function tryPlace(path: string, holder: LockHolder): Promise<boolean> {
  const prepared = `${path}.${holder.id}.new`;
  await mkdir(prepared, { recursive: true });
  await writeFile(join(prepared, HOLDER), JSON.stringify(holder));
  const placed = await placeFolder(prepared, path);
  if (!placed) await removeTree(prepared);
  return placed;
}

/**
 * Removes the lock of a dead holder. Only who holds the lock on this very removal may do it, and only while the dead
 * one is still there: so nobody removes the lock of the next one who was faster.
 */
async function removeDead(path: string, dead: LockHolder, options: LockOptions): Promise<void> {
  const removal = await acquireLock(`${path}.${dead.id}.dead`, { ...options, onWait: () => undefined });
  try {
    if ((await readHolder(path))?.id === dead.id) await removeLock(path);
  } finally {
    await removal.release();
  }
}

function heldError(path: string, { pid, host, since, purpose }: LockHolder, timeoutMs: number) {
  const seconds = Math.round(timeoutMs / 1000);
  return waitingError(
    'LockHeld',
    `${purpose} (process ${pid} on ${host}, since ${since}) holds ${path}; waited ${seconds} s for it`,
    { hint: `let it finish or end it; if ${host} is gone for good, remove ${path}` },
  );
}

/**
 * Takes turns on a path: a folder that holds who has it. It appears and goes by rename(2), so it is there whole or not
 * at all. The lock of a process that has died is taken over; that of one that can't be asked (another machine or
 * container) is not. Throws `LockHeld`, or the signal's reason.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<Lock> {
  const { processes, purpose, now, onWait, signal, timeoutMs } = options;
  const holder: LockHolder = { ...processes.self, id: randomUUID(), purpose, since: now().toISOString() };
  const until = performance.now() + timeoutMs;
  let waitingFor: string | undefined;
  await mkdir(dirname(path), { recursive: true });
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 1.5, LONGEST_WAIT_MS)) {
    signal.throwIfAborted();
    if (await tryPlace(path, holder)) break;
    const other = await readHolder(path);
    if (!other) continue; // just given back
    if (processes.state(other) === 'dead') {
      await removeDead(path, other, options);
      continue;
    }
    if (waitingFor !== other.id) onWait(other);
    waitingFor = other.id;
    if (performance.now() >= until) throw heldError(path, other, timeoutMs);
    await sleep(wait, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  let held = true;
  return {
    async release() {
      if (!held) return;
      held = false;
      try {
        await removeLock(path);
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error; // removed by hand
      }
    },
  };
}
