import { join } from 'node:path';
import type { RunKey } from '../port.ts';

/** Where what a run's attempts have in common lies. */
export interface RunPaths {
  readonly folder: string;
  /** The run and who executes it: there from the moment on at which the run is claimed. */
  readonly claim: string;
  /** The run as it is executed: there once its files are, too. */
  readonly record: string;
  /** A wish that the run be cancelled. */
  readonly cancel: string;
  /** The contents of the files that attempts mount. */
  readonly files: string;
  /** The files of the revision, where the job checks them out. */
  readonly checkout: string;
  /** A folder for each attempt that was made. */
  readonly attempts: string;
}

/** Which attempt of a run. */
export interface AttemptName {
  readonly task: string;
  /** Counts from 1. */
  readonly number: number;
}

/** Where everything of an attempt lies. */
export interface AttemptPaths {
  /** There from the moment on at which the attempt is made. */
  readonly folder: string;
  /** What is being executed, for whoever has to clean up after a crash. */
  readonly state: string;
  /** How the attempt ended: there as soon as that is certain. */
  readonly ending: string;
  readonly log: string;
  readonly workspace: string;
  readonly home: string;
  readonly tmp: string;
  readonly files: string;
  readonly output: string;
  readonly shared: string;
  readonly scripts: string;
}

/** The folders of the process runner's state. */
export interface StatePaths {
  readonly runs: string;
  /** Where claims are prepared. */
  readonly staging: string;
  /** What is on its way out. */
  readonly trash: string;
}

/** Unique, since numbers have no leading zeros and follow the last hyphen. */
export const runName = ({ job, run }: RunKey): string => `${job}-${run}`;

/** Names of tasks have no dots. */
export const attemptFolder = ({ task, number }: AttemptName): string => `${task}.${number}`;

/** The attempt that a folder is for; undefined for anything else. */
export function attemptOfFolder(name: string): AttemptName | undefined {
  const match = /^([^.]+)\.([1-9]\d*)$/.exec(name);
  return match ? { task: match[1]!, number: Number(match[2]) } : undefined;
}

/** The paths within the folder of a run, wherever it lies. */
export function pathsWithin(folder: string): RunPaths {
  return {
    folder,
    claim: join(folder, 'claim.json'),
    record: join(folder, 'record.json'),
    cancel: join(folder, 'cancel.json'),
    files: join(folder, 'files'),
    checkout: join(folder, 'checkout'),
    attempts: join(folder, 'attempts'),
  };
}

/** `workspaces`: where workspaces go instead. */
export function attemptPaths(run: RunPaths, key: RunKey, attempt: AttemptName, workspaces?: string): AttemptPaths {
  const folder = join(run.attempts, attemptFolder(attempt));
  return {
    folder,
    state: join(folder, 'state.json'),
    ending: join(folder, 'ending.json'),
    log: join(folder, 'attempt.log'),
    workspace:
      workspaces === undefined
        ? join(folder, 'workspace')
        : join(workspaces, `${runName(key)}-${attempt.task}-${attempt.number}`),
    home: join(folder, 'home'),
    tmp: join(folder, 'tmp'),
    files: join(folder, 'files'),
    output: join(folder, 'output'),
    shared: join(folder, 'shared'),
    scripts: join(folder, 'scripts'),
  };
}

export function statePaths(stateDir: string): StatePaths {
  return { runs: join(stateDir, 'runs'), staging: join(stateDir, 'staging'), trash: join(stateDir, 'trash') };
}

/** The output folder of an attempt that is made; how an attempt's workspace is placed changes nothing about it. */
export const attemptOutput = (stateDir: string, key: RunKey, attempt: AttemptName): string =>
  attemptPaths(pathsWithin(join(statePaths(stateDir).runs, runName(key))), key, attempt).output;
