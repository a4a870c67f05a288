import { BAD, type Verdict } from '../pulls/verdict.ts';
import type { FailOn } from './inputs.ts';

/** Whether the step fails. A plan does not fail for what it would refuse: it says so. */
export function isFailure(verdict: Verdict, failOn: FailOn): boolean {
  if (failOn === 'never') return false;
  return BAD.has(verdict) || (failOn === 'warning' && (verdict === 'warning' || verdict === 'skipped'));
}
