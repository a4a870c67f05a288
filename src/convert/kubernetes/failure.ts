import { defined, type Draft } from '../draft.ts';
import type { Fields } from '../reader.ts';

/** What Kubernetes takes where no backoffLimit is written. */
const DEFAULT_LIMIT = 6;
/** Disruptions that Kubernetes does not count at all; here there has to be a number. */
const UNCOUNTED = 10;

interface Retry {
  limit: number;
  infrastructure: number;
  on?: unknown[];
}

/** backoffLimit and podFailurePolicy: https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy */
export function retryOf(spec: Fields, draft: Draft): unknown {
  const path = ['spec', 'retry'];
  const written = spec.integer('backoffLimitPerIndex') ?? spec.integer('backoffLimit');
  spec.take('backoffLimit');
  const limit = Math.max(0, written ?? DEFAULT_LIMIT);
  if (written === undefined) draft.note(path, `the default of Kubernetes: ${DEFAULT_LIMIT} retries`);
  if ((spec.integer('completions') ?? 1) > 1 && !spec.has('backoffLimitPerIndex'))
    draft.todo(path, 'backoffLimit counted for all pods together; here it counts for each task');
  if (spec.has('maxFailedIndexes'))
    spec.loss('maxFailedIndexes', 'tasks go on however many fail; write abort: onFailure to end with the first');
  const retry: Retry = { limit, infrastructure: limit };
  for (const rule of spec.fields('podFailurePolicy')?.items('rules') ?? []) applyRule(rule, retry, draft);
  return defined(retry);
}

function applyRule(rule: Fields, retry: Retry, draft: Draft): void {
  const action = rule.text('action') ?? '';
  const conditions = rule.items('onPodConditions').map((condition) => {
    const status = condition.text('status') ?? 'True';
    return `${condition.text('type')}=${status}`;
  });
  const codes = rule.fields('onExitCodes');
  if (action === 'Count') return codes ? takeCodes(codes, draft) : undefined;
  const disruption = conditions.length > 0 && conditions.every((type) => type === 'DisruptionTarget=True');
  if (disruption && (action === 'Ignore' || action === 'FailJob')) {
    retry.infrastructure = action === 'Ignore' ? UNCOUNTED : 0;
    if (action === 'Ignore')
      draft.todo(['spec', 'retry'], `disruptions did not count; here they may happen ${UNCOUNTED} times`);
    return;
  }
  const operator = codes?.text('operator');
  const values = codes?.take('values');
  if (codes) takeCodes(codes, draft);
  if (action === 'FailJob' && operator === 'NotIn' && Array.isArray(values) && retry.on === undefined) {
    retry.on = [{ exitCodes: values }];
    return;
  }
  const hint =
    operator === 'In' ? 'retry.on lists the exit codes that are tried again, not those that are not' : 'write retry.on';
  rule.loss('action', `this rule can't be said here; ${hint}`);
}

function takeCodes(codes: Fields, draft: Draft): void {
  codes.take('operator');
  codes.take('values');
  if (codes.has('containerName'))
    draft.note(['spec', 'retry'], `a rule was for the container ${codes.text('containerName')}; here it is for all`);
}
