import { formatDuration } from '../../job/duration.ts';
import type { Replaced, Skipped, TaskKey, TimedOut, Wait, Waiting } from './model.ts';

/**
 * What is waited for, to stand behind "waits": `for 4 slots of linux-small`. It holds nothing that changes from moment to
 * moment, so that it can be committed.
 */
export function describeWait(wait: Wait): string {
  switch (wait.kind) {
    case 'group':
      return `for run ${wait.run} of ${wait.job} in group ${wait.group}`;
    case 'maxParallel':
      return `for another task of its run to end (maxParallel ${wait.limit})`;
    case 'slots':
      return `for ${count(wait.slots)} of ${wait.runnerSet}`;
    case 'runners':
      return `for a runner of ${wait.runnerSet}, which has ${wait.limit} at the most`;
    case 'tooBig':
      return `for ${count(wait.slots)} of ${wait.runnerSet}, which has ${wait.capacity} in all`;
    case 'noSet':
      return `for runner set ${wait.runnerSet}, which does not exist`;
    case 'attempts':
      return 'for capacity of the source';
    default:
      return wait satisfies never;
  }
}

/** The same with the figures of the moment, for live display: `for 4 slots of linux-small (2 free), position 3`. */
export function describeWaiting({ for: wait, position }: Pick<Waiting, 'for' | 'position'>): string {
  return `${describeWait(wait)}${figures(wait)}, position ${position}`;
}

/** The message of a run that timed out in the queue. */
export function describeTimedOut({ waitedMs, for: wait }: TimedOut): string {
  const waited = `waited ${formatDuration(waitedMs)} in the queue`;
  return wait ? `${waited}, last ${describeWait(wait)}` : waited;
}

/** The message of a run that another one took the place of. */
export const describeReplaced = ({ by, group }: Replaced): string =>
  `replaced by run ${by.run} of ${by.job} in group ${group}`;

/** The message of a run that was skipped since its group was busy. */
export const describeSkipped = ({ because, group }: Skipped): string =>
  `skipped: run ${because.run} of ${because.job} in group ${group} was there before it`;

function figures(wait: Wait): string {
  if (wait.kind === 'attempts') return ` (${wait.used} of ${wait.capacity} attempts)`;
  if (wait.kind !== 'slots') return '';
  return wait.keptFor ? ` (${wait.free} free, kept for ${taskOf(wait.keptFor)})` : ` (${wait.free} free)`;
}

const taskOf = ({ job, run, task }: TaskKey): string => `task ${task} of run ${run} of ${job}`;

const count = (slots: number): string => (slots === 1 ? '1 slot' : `${slots} slots`);
