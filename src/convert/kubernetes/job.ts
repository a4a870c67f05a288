import { MATRIX_LIMITS } from '../../job/matrix.ts';
import { defined, type Draft } from '../draft.ts';
import { secondsOf } from '../names.ts';
import type { Fields } from '../reader.ts';
import { retryOf } from './failure.ts';
import { convertTemplateMetadata } from './metadata.ts';
import { convertPod } from './pod.ts';
import { COMPLETION_INDEX } from './variables.ts';

/** What Kubernetes sets by itself, or what says nothing about runs. */
const LEFT_OUT = ['selector', 'manualSelector', 'podReplacementPolicy'] as const;

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/#JobSpec */
export function convertJobSpec(spec: Fields, draft: Draft): void {
  for (const key of LEFT_OUT) {
    if (spec.has(key)) draft.note(['spec'], `left out, being of the cluster: ${key}`);
    spec.take(key);
  }
  if (spec.flag('suspend') === true) draft.spec['suspend'] = true;
  if (spec.has('ttlSecondsAfterFinished'))
    draft.note(
      ['spec', 'keep'],
      `ttlSecondsAfterFinished was ${spec.integer('ttlSecondsAfterFinished')}; pods go once their outcome is on the ledger, and keep says how long that stays`,
    );
  for (const key of ['managedBy', 'successPolicy'])
    if (spec.has(key)) spec.loss(key, 'runledger has nothing like it; a run succeeds when all of its tasks do');
  draft.spec['retry'] = retryOf(spec, draft);
  fanOut(spec, draft);
  const template = spec.fields('template');
  convertTemplateMetadata(template?.fields('metadata'), draft, 'pods');
  const pod = template?.fields('spec');
  if (pod === undefined) return spec.error('template', 'is missing, or has no spec');
  timeouts(spec, pod, draft);
  convertPod(pod, draft);
}

/** Kubernetes' time limit of a Job counts all its pods together, that of a pod one attempt. */
function timeouts(spec: Fields, pod: Fields, draft: Draft): void {
  const ofJob = secondsOf(spec, 'activeDeadlineSeconds');
  const ofPod = secondsOf(pod, 'activeDeadlineSeconds');
  const path = ['spec', 'timeouts', 'run'];
  if (ofJob !== undefined)
    draft.note(path, `activeDeadlineSeconds of the Job was ${ofJob} for all attempts together; this is for each`);
  if (ofJob === undefined && ofPod === undefined)
    draft.todo(path, 'Kubernetes set no time-out; write how long a run may take');
  const grace = secondsOf(pod, 'terminationGracePeriodSeconds');
  draft.spec['timeouts'] = defined({ run: ofPod ?? ofJob ?? '1d', grace: grace === '30s' ? undefined : grace });
}

/** Several completions become tasks. */
function fanOut(spec: Fields, draft: Draft): void {
  const mode = spec.text('completionMode') ?? 'NonIndexed';
  const completions = spec.integer('completions');
  const parallelism = spec.integer('parallelism') ?? 1;
  if (parallelism === 0) {
    draft.spec['suspend'] = true;
    draft.note(['spec', 'suspend'], 'parallelism was 0');
  }
  if (completions === undefined && parallelism > 1) {
    const message = 'pods that take from a queue until one of them is done have no counterpart; write the tasks out';
    return spec.loss('parallelism', message);
  }
  const count = completions ?? 1;
  if (count > MATRIX_LIMITS.tasks)
    return spec.error('completions', `a run has at most ${MATRIX_LIMITS.tasks} tasks; this asks for ${count}`);
  if (count < 1) return spec.error('completions', 'no completions are no job; leave it out');
  if (count === 1 && mode !== 'Indexed') return;
  draft.spec['tasks'] = Array.from({ length: count }, (_none, index) =>
    mode === 'Indexed' ? { name: String(index), env: { [COMPLETION_INDEX]: String(index) } } : String(index),
  );
  if (parallelism > 0 && parallelism < count) draft.spec['maxParallel'] = parallelism;
}
