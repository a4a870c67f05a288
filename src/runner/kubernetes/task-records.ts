import { taskRecord } from '../../job/task-spec.ts';
import type { RunRecord, RunTask } from '../port.ts';
import { taskNamed } from './attempt-marks.ts';

const known = new WeakMap<RunRecord, Map<string, RunRecord>>();

/**
 * The record as the task of this name executes it. Every pod is looked at each second: what follows from its run is
 * remembered as long as the run is. One that can't be rendered any more is taken as it was written: its pod is there, and has to be read.
 */
export function recordOfTask(record: RunRecord, name: string): RunRecord {
  const tasks = known.get(record) ?? new Map<string, RunRecord>();
  known.set(record, tasks);
  const found = tasks.get(name) ?? rendered(record, taskNamed(record, name));
  tasks.set(name, found);
  return found;
}

function rendered(record: RunRecord, task: RunTask): RunRecord {
  try {
    return taskRecord(record, task).record;
  } catch {
    return record;
  }
}
