import { join } from 'node:path';
import type { RunKey } from '../port.ts';

/** Where everything of a run lies. */
export interface RunPaths {
  readonly folder: string;
  /** The run and who executes it: there from the moment on at which the run is claimed. */
  readonly claim: string;
  /** What is being executed, for whoever has to clean up after a crash. */
  readonly state: string;
  /** How the run ended: there as soon as that is certain. */
  readonly ending: string;
  readonly log: string;
  /** A wish of another process that the run be cancelled. */
  readonly cancel: string;
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
  run(key: RunKey): RunPaths;
}

/** Unique, since numbers have no leading zeros and follow the last hyphen. */
export const runName = ({ job, run }: RunKey): string => `${job}-${run}`;

/** The paths within the folder of a run, wherever it lies. `workspaces`: where workspaces go instead. */
export function pathsWithin(folder: string, name: string, workspaces?: string): RunPaths {
  return {
    folder,
    claim: join(folder, 'claim.json'),
    state: join(folder, 'state.json'),
    ending: join(folder, 'ending.json'),
    log: join(folder, 'attempt.log'),
    cancel: join(folder, 'cancel.json'),
    workspace: workspaces === undefined ? join(folder, 'workspace') : join(workspaces, name),
    home: join(folder, 'home'),
    tmp: join(folder, 'tmp'),
    files: join(folder, 'files'),
    output: join(folder, 'output'),
    shared: join(folder, 'shared'),
    scripts: join(folder, 'scripts'),
  };
}

export function statePaths(stateDir: string, workspaces?: string): StatePaths {
  const runs = join(stateDir, 'runs');
  return {
    runs,
    staging: join(stateDir, 'staging'),
    trash: join(stateDir, 'trash'),
    run: (key) => pathsWithin(join(runs, runName(key)), runName(key), workspaces),
  };
}
