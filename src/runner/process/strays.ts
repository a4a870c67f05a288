import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ProcessIdentity, type Processes, readProc, statFields } from './identity.ts';

/** Sends a signal to a process group; false when there is none any more. */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * The living processes that were started with this variable in their environment, whatever group or session they have
 * moved to. Only Linux tells; elsewhere there are none.
 */
export function processesWith(variable: string, value: string): readonly number[] {
  if (process.platform !== 'linux') return [];
  const wanted = Buffer.from(`\0${variable}=${value}\0`).toString('latin1');
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    const environment = readProc(`/proc/${name}/environ`);
    if (environment === undefined || !`\0${environment}`.includes(wanted)) return [];
    const state = statFields(name)?.[0];
    return state === undefined || 'ZX'.includes(state) ? [] : [Number(name)];
  });
}

const ROUNDS = 200;
const ROUND_MS = 10;

/**
 * Kills what is left of a run: everything that was started with its workspace in the environment, until nothing of it
 * is there, for 2 seconds at most (a process that hangs in the kernel does not die).
 */
export async function killStrays(workspace: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const strays = processesWith('RUNLEDGER_WORKSPACE', workspace);
    if (strays.length === 0) return;
    for (const pid of strays) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    await sleep(ROUND_MS);
  }
}

/**
 * Kills the process group of a step whose runledger has died, if its first process is still the one that was started:
 * a number that has gone to another process is left alone.
 */
export function killOrphanGroup(leader: ProcessIdentity, processes: Processes): void {
  if (processes.state(leader) === 'alive') signalGroup(leader.pid, 'SIGKILL');
}
