import { isCoded } from '../errors.ts';
import { evaluateCondition } from '../job/conditions.ts';
import { contextOf } from '../job/expressions.ts';
import { renderText } from '../job/render-spec.ts';
import type { Judgement } from '../outcome/judge.ts';
import type { RunRecord } from '../runner/port.ts';

/**
 * How a run ends that is not executed, for its `if`: skipped where that says no, an error where it can't be evaluated. Null: it
 * goes on. Asked once what the run needs has ended.
 */
export function conditionEnd(record: RunRecord): Judgement | null {
  const { if: condition } = record.spec;
  if (condition === undefined) return null;
  const end = { exitCode: null, step: null };
  try {
    if (evaluateCondition(condition, contextOf(record, undefined, record.needs ?? {}), 'spec.if')) return null;
    return { ...end, result: 'skipped', reason: 'ConditionFalse', message: `spec.if says no: ${condition.trim()}` };
  } catch (error) {
    if (!isCoded(error, 'ExpressionFailed')) throw error;
    return { ...end, result: 'error', reason: 'Refused', message: error.message };
  }
}

/** The record with the name of its concurrency group filled in. Throws CodedError `ExpressionFailed` (terminal). */
export function withGroup(record: RunRecord): RunRecord {
  const { concurrency } = record.spec;
  if (concurrency?.group === undefined) return record;
  const group = renderText(concurrency.group, contextOf(record), record.path, 'spec.concurrency.group');
  return { ...record, spec: { ...record.spec, concurrency: { ...concurrency, group } } };
}
