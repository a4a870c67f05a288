import { terminalError } from '../errors.ts';
import type { Job } from '../schemas/index.ts';
import { evaluate, type ExpressionContext, valuesOf } from './expressions.ts';
import type { FieldPath } from './positions.ts';
import { eachStep } from './rule.ts';
import { shorten } from './words.ts';

type JobSpec = Job['spec'];

/** An `if:` of a job. The one of the job itself counts for the whole run. */
export interface Condition {
  readonly path: FieldPath;
  readonly expression: string;
  readonly scope: 'run' | 'task';
}

/** The conditions of a spec, in their order. */
export function conditionsIn(spec: JobSpec): readonly Condition[] {
  const conditions: Condition[] = [];
  if (spec.if !== undefined) conditions.push({ path: ['spec', 'if'], expression: spec.if, scope: 'run' });
  eachStep(spec, (step, path) => {
    if (step.if !== undefined) conditions.push({ path: [...path(), 'if'], expression: step.if, scope: 'task' });
  });
  return conditions;
}

/**
 * Whether a condition holds. `where` begins the error: `spec.if`. Throws CodedError `ExpressionFailed` (terminal) when it can't be
 * evaluated, for instance because the run of a needed job set no such variable, and when it gives neither true nor false.
 */
export function evaluateCondition(expression: string, context: ExpressionContext, where: string): boolean {
  const value = evaluate(expression, valuesOf(context), where);
  if (typeof value === 'boolean') return value;
  throw terminalError(
    'ExpressionFailed',
    `${where}: ${shorten(expression.trim(), 100)}: gives neither true nor false`,
    { hint: 'Compare it with something.' },
  );
}

/** A spec with only the steps whose conditions hold, and the names of those that were left out. */
export interface SelectedSteps {
  readonly spec: JobSpec;
  /** Without one of `finally`: those are not what a task is for. */
  readonly skipped: readonly string[];
  /** Every step was left out: the task has nothing to do, and is skipped. */
  readonly nothingLeft: boolean;
}

/**
 * Leaves out the steps whose conditions do not hold, those of `finally` included. Conditions are decided before the attempt starts:
 * they see no step's ending. Throws like evaluateCondition.
 */
export function selectSteps(spec: JobSpec, context: ExpressionContext): SelectedSteps {
  if (conditionsIn(spec).every(({ scope }) => scope === 'run')) return { spec, skipped: [], nothingLeft: false };
  const holds = <Step extends { readonly name: string; readonly if?: string }>(
    steps: readonly Step[] | undefined,
    list: string,
  ): readonly Step[] | undefined =>
    steps?.filter(
      (step, index) => step.if === undefined || evaluateCondition(step.if, context, `spec.${list}[${index}].if`),
    );
  const steps = holds(spec.steps, 'steps');
  const last = holds(spec.finally, 'finally');
  const skipped = (spec.steps ?? []).filter((step) => steps?.includes(step) === false).map(({ name }) => name);
  return {
    spec: { ...spec, ...(steps && { steps }), ...(last && { finally: last }) },
    skipped,
    nothingLeft: steps?.length === 0,
  };
}
