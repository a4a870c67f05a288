import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';

/** Names one process for ever: numbers are reused, so the time at which it started belongs to it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started: clock ticks since boot on Linux (proc(5), /proc/pid/stat field 22), elsewhere what ps prints. */
  readonly started: string;
  /** The boot of the machine that `started` counts from; empty where it can't be had. */
  readonly boot: string;
  /** The namespace that `pid` counts in (Linux), else empty. */
  readonly space: string;
  readonly host: string;
}

/** `unknown`: it belongs to another machine or container, which can't be asked from here. */
export type ProcessState = 'alive' | 'dead' | 'unknown';

/** Looks at the processes of this machine. */
export interface Processes {
  readonly self: ProcessIdentity;
  /** The process that has this number now; undefined when there is none, or only its exit status is left of it. */
  identify(pid: number): ProcessIdentity | undefined;
  state(identity: ProcessIdentity): ProcessState;
}

/** A system command that answers in a moment; undefined when it does not. */
function ask(command: string, args: readonly string[]): string | undefined {
  try {
    const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync(command, args, {
      encoding: 'utf8',
      env,
      timeout: 5000,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

/** A small file of /proc; undefined when it is not there or not ours to read. */
export function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** The fields of /proc/pid/stat from the third (state) on: the name before them may hold anything. */
export function statFields(pid: number | string): readonly string[] | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

const isOver = (state: string | undefined): boolean => state === undefined || 'ZXx'.includes(state[0] ?? 'X');

function linuxStart(pid: number): string | undefined {
  const fields = statFields(pid);
  return isOver(fields?.[0]) ? undefined : fields?.[19];
}

function psStart(pid: number): string | undefined {
  const [, state, started] = /^(\S+)\s+(.+)$/.exec(ask('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]) ?? '') ?? [];
  return isOver(state) ? undefined : started;
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Whether a process is there that we may not look at. */
function hidden(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** `hostname` tells machines apart that share a directory. */
export function createProcesses(hostname: string): Processes {
  const linux = process.platform === 'linux';
  const boot = linux
    ? (readProc('/proc/sys/kernel/random/boot_id')?.trim() ?? '')
    : (ask('sysctl', ['-n', 'kern.bootsessionuuid']) ?? '');
  const space = linux ? linkTarget('/proc/self/ns/pid') : '';
  const startOf = linux ? linuxStart : psStart;

  const identify = (pid: number): ProcessIdentity | undefined => {
    const started = startOf(pid);
    return started === undefined ? undefined : { pid, started, boot, space, host: hostname };
  };
  return {
    self: identify(process.pid) ?? { pid: process.pid, started: '', boot, space, host: hostname },
    identify,
    state(identity) {
      if (identity.boot !== boot) return identity.host === hostname ? 'dead' : 'unknown';
      if (identity.space !== space || (boot === '' && identity.host !== hostname)) return 'unknown';
      const started = startOf(identity.pid);
      if (started === undefined) return hidden(identity.pid) ? 'unknown' : 'dead';
      return started === identity.started ? 'alive' : 'dead';
    },
  };
}
