import type { RunRecord } from '../runner/port.ts';
import { selectSteps } from './conditions.ts';
import { contextOf } from './expressions.ts';
import { specOfTask, type Task } from './fan-out.ts';
import { taskParameters } from './parameters.ts';
import { renderSpec } from './render-spec.ts';

/** What one task of a run executes. */
export interface TaskRecord {
  /** The run's record with the spec and the parameters of the task: no fan-out, no templates and no conditions any more. */
  readonly record: RunRecord;
  /** The steps proper that were left out, since their conditions do not hold. */
  readonly skipped: readonly string[];
  /** Every step was left out: no attempt is made of the task, which ends as `nothingToDo`. */
  readonly nothingLeft: boolean;
}

/**
 * The record as one task executes it. It follows from the run's record alone, so that whoever finds the run comes to the same.
 * Throws CodedErrors (terminal): `ExpressionFailed`, and `RenderedInvalid` for a spec that is not allowed with the task's values.
 */
export function taskRecord(record: RunRecord, task: Task): TaskRecord {
  const context = contextOf(record, task, record.needs ?? {});
  const rendered = renderSpec(specOfTask(record.spec, task), context, record.path);
  const { spec, skipped, nothingLeft } = selectSteps(rendered, context);
  return { record: { ...record, spec, params: taskParameters(record.params, task) }, skipped, nothingLeft };
}
