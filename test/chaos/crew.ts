import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { eventually } from '../support/cluster.ts';

/** One controller of a round: where it ends or stops itself, and how it reaches the rest of the world. */
export interface Member {
  readonly point?: string;
  /** The how manieth time that the point is reached; default 1. */
  readonly nth?: number;
  readonly signal?: 'SIGKILL' | 'SIGSTOP';
  /** Reaches the API server through the proxy that the fault sets up. */
  readonly throughProxy?: boolean;
  /** Has a Lease that no other contends for: it believes that it leads whatever the others do. */
  readonly ownLease?: boolean;
}

/** A controller that was started. */
export interface Running {
  readonly process: ChildProcess;
  /** Whether it has come to its point. */
  readonly struck: () => boolean;
  readonly leads: () => boolean;
}

/**
 * The controllers of a round. Two live at a time, one to lead and one to follow; where one ends the next is started, and after
 * the last one it again, as a Deployment would.
 */
export interface Crew {
  readonly started: readonly Running[];
  /** How many have ended of their own accord. */
  readonly gaveUp: () => number;
  /** Ends them all in good order; returns what was wrong with that. */
  dismiss(): Promise<readonly string[]>;
}

export interface CrewOptions {
  readonly members: readonly Member[];
  /** The command line's options for a member. */
  readonly optionsFor: (member: Member) => object;
  readonly log: (text: string) => void;
}

const STOP_MS = 30_000;
/** Controllers that can't live in the round's world are not started for ever. */
const MOST_STARTED = 20;

/** Starts the first controllers; returns when the first one leads. */
export async function startCrew({ members, optionsFor, log }: CrewOptions): Promise<Crew> {
  const started: Running[] = [];
  let dismissed = false;
  let gaveUp = 0;
  const next = (): void => {
    const member = members[started.length] ?? members.at(-1);
    if (member) started.push(start(member));
  };
  const onExit = (signal: NodeJS.Signals | null): void => {
    if (dismissed) return;
    if (signal === null) gaveUp += 1;
    if (started.length < MOST_STARTED) next();
  };
  const start = (member: Member): Running => {
    const child = spawnController(member, optionsFor(member));
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      log(chunk.toString());
    });
    child.once('exit', (_code, signal) => onExit(signal));
    return { process: child, struck: () => text.includes('{"chaos":'), leads: () => text.includes('"msg":"leads"') };
  };
  next();
  await eventually('the first controller leads', () => started[0]?.leads(), 60_000);
  next();
  return {
    started,
    gaveUp: () => gaveUp,
    async dismiss() {
      dismissed = true;
      const left = started.filter(({ process: { exitCode, signalCode } }) => exitCode === null && signalCode === null);
      const ended = await Promise.all(left.map(({ process: child }) => end(child)));
      return ended.includes(false) ? [`a controller did not end within ${STOP_MS / 1_000} s of SIGTERM`] : [];
    },
  };
}

function spawnController({ point, nth = 1, signal = 'SIGKILL' }: Member, options: object): ChildProcess {
  const chaos = point === undefined ? {} : { CHAOS_POINT: point, CHAOS_NTH: String(nth), CHAOS_SIGNAL: signal };
  const file = path.join(import.meta.dirname, 'controller.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
    env: { ...process.env, ...chaos, CHAOS_OPTIONS: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  return child;
}

/** True when it ended by itself. */
async function end(child: ChildProcess): Promise<boolean> {
  const gone = new Promise<boolean>((resolve) => child.once('exit', () => resolve(true)));
  child.kill('SIGTERM');
  child.kill('SIGCONT');
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, STOP_MS, false).unref());
  const inTime = await Promise.race([gone, late]);
  child.kill('SIGKILL');
  await gone;
  return inTime;
}
