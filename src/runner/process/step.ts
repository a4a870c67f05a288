import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { messageOf } from '../../errors.ts';
import type { StreamName } from '../../logs/recorder.ts';
import { systemCode } from './durable.ts';
import type { Command } from './prepare.ts';
import { signalGroup } from './strays.ts';
import { after } from './timer.ts';

/** How a step's own process ended; `stopped`: after it had been asked to. */
export type StepEnd =
  | { readonly kind: 'exited'; readonly exitCode: number; readonly stopped: boolean }
  | { readonly kind: 'signalled'; readonly signal: string; readonly stopped: boolean }
  | { readonly kind: 'notStarted'; readonly message: string };

export interface StepOptions {
  readonly command: Command;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Aborted: TERM to the process group now, KILL after the grace. */
  readonly stop: AbortSignal;
  readonly graceMs: number;
  /** Called as soon as the process exists, before it can have ended. */
  readonly onStarted: (pid: number) => void;
  readonly onOutput: (stream: StreamName, chunk: Buffer) => void;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** How long output is waited for that a process outside the group may still hold the other end of. */
const IDLE_MS = 500;
const LONGEST_DRAIN_MS = 5_000;

function whyNotStarted({ program }: Command, folder: string, error: unknown): string {
  const shown = JSON.stringify(program);
  switch (systemCode(error) ?? '') {
    case 'ENOENT':
      if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return 'its working directory does not exist';
      return program.includes('/') ? `there is no ${shown}` : `there is no ${shown} on the PATH`;
    case 'EACCES':
      return `${shown} may not be executed`;
    case 'ENOTDIR':
      return 'its working directory is no directory';
    case 'E2BIG':
      return `the arguments and environment of ${shown} are too large`;
    default:
      return `${shown}: ${messageOf(error)}`;
  }
}

/** Resolves when all output has been read, or nothing came for a while; then lets go of it. */
function drained(child: Child, isClosed: () => boolean): Promise<void> {
  if (isClosed()) return Promise.resolve();
  return new Promise((resolve) => {
    let callOffIdle = after(IDLE_MS, giveUp);
    const callOffAll = after(LONGEST_DRAIN_MS, giveUp);
    function done(): void {
      callOffIdle();
      callOffAll();
      resolve();
    }
    function giveUp(): void {
      child.stdout.destroy();
      child.stderr.destroy();
      done();
    }
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', () => {
        callOffIdle();
        callOffIdle = after(IDLE_MS, giveUp);
      });
    child.once('close', done);
  });
}

/** TERM when asked to, KILL after the grace; returns how to call it off. */
function stopper(group: number, stop: AbortSignal, graceMs: number): () => void {
  let callOff = (): void => undefined;
  const onStop = (): void => {
    signalGroup(group, 'SIGTERM');
    callOff = after(graceMs, () => signalGroup(group, 'SIGKILL'));
  };
  if (stop.aborted) onStop();
  else stop.addEventListener('abort', onStop, { once: true });
  return () => {
    stop.removeEventListener('abort', onStop);
    callOff();
  };
}

function start({ command, folder, environment }: StepOptions): Child {
  return spawn(command.program, command.args, {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a process group (and session) of its own
  });
}

/**
 * Runs a command to its end: that of its own process. What its process group has left behind by then is killed, and
 * all output has been handed on. Never throws.
 */
export async function runStep(options: StepOptions): Promise<StepEnd> {
  let child: Child;
  try {
    child = start(options);
  } catch (error) {
    return { kind: 'notStarted', message: whyNotStarted(options.command, options.folder, error) };
  }
  const failed = new Promise<StepEnd>((resolve) => {
    child.once('error', (error) => {
      if (child.pid === undefined)
        resolve({ kind: 'notStarted', message: whyNotStarted(options.command, options.folder, error) });
    });
  });
  if (child.pid === undefined) return failed;
  const group = child.pid;
  options.onStarted(group);
  let closed = false;
  child.once('close', () => (closed = true));
  child.stdout.on('data', (chunk: Buffer) => options.onOutput('stdout', chunk));
  child.stderr.on('data', (chunk: Buffer) => options.onOutput('stderr', chunk));
  const callOff = stopper(group, options.stop, options.graceMs);
  const end = await new Promise<StepEnd>((resolve) => {
    child.once('exit', (exitCode, signal) => {
      callOff();
      signalGroup(group, 'SIGKILL');
      const stopped = options.stop.aborted;
      // Without an exit code it was a signal, whether or not its name is known.
      if (exitCode === null) resolve({ kind: 'signalled', signal: signal ?? 'an unknown signal', stopped });
      else resolve({ kind: 'exited', exitCode, stopped });
    });
  });
  await drained(child, () => closed);
  return end;
}
