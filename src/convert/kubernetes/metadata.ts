import type { Draft } from '../draft.ts';
import type { Fields } from '../reader.ts';

/** What the cluster has put there, and puts there anew. */
const OF_THE_CLUSTER = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'selfLink',
  'managedFields',
  'ownerReferences',
] as const;

const GENERATED_LABEL = /^(controller-uid|job-name|batch\.kubernetes\.io\/.*)$/;
const GENERATED_ANNOTATION =
  /^(kubectl\.kubernetes\.io\/last-applied-configuration|batch\.kubernetes\.io\/.*|cronjob\.kubernetes\.io\/.*)$/;

/** The metadata of a Job or CronJob; name and generateName are read elsewhere. */
export function convertMetadata(metadata: Fields, draft: Draft): void {
  const path = ['metadata'];
  const left = OF_THE_CLUSTER.filter((key) => metadata.has(key));
  for (const key of OF_THE_CLUSTER) metadata.take(key);
  if (left.length > 0) draft.note(path, `left out, being of the cluster: ${left.join(', ')}`);
  if (metadata.has('finalizers')) metadata.loss('finalizers', 'whoever waits for these waits for no run of runledger');
  if (metadata.has('namespace')) {
    const namespace = metadata.text('namespace');
    draft.todo(path, `it was in the namespace ${namespace}; the source's configuration says where pods run`);
  }
  takeLabels(metadata, draft);
  const annotations = Object.entries(metadata.textMap('annotations') ?? {});
  for (const [key, value] of annotations) if (!GENERATED_ANNOTATION.test(key)) draft.annotations[key] = value;
}

/** The metadata of a template: what Jobs or pods made of it get. */
export function convertTemplateMetadata(metadata: Fields | undefined, draft: Draft, of: 'jobs' | 'pods'): void {
  if (metadata === undefined) return;
  metadata.take('creationTimestamp');
  for (const key of ['name', 'generateName', 'namespace'])
    if (metadata.has(key)) draft.note(['metadata'], `left out of the template of ${of}: ${key} ${metadata.text(key)}`);
  takeLabels(metadata, draft);
  const annotations = Object.entries(metadata.textMap('annotations') ?? {}).filter(
    ([key]) => !GENERATED_ANNOTATION.test(key),
  );
  for (const [key, value] of annotations) draft.annotations[key] = value;
  if (annotations.length > 0 && of === 'pods')
    draft.todo(['metadata', 'annotations'], 'pods had these; they are kept here, and no pod gets them');
}

/** Labels of pods are those of the job. */
function takeLabels(metadata: Fields, draft: Draft): void {
  for (const [key, value] of Object.entries(metadata.textMap('labels') ?? {})) {
    if (GENERATED_LABEL.test(key)) continue;
    const other = draft.labels[key];
    if (other !== undefined && other !== value)
      draft.todo(['metadata', 'labels', key], `was ${JSON.stringify(other)} elsewhere; pods have those of the job`);
    draft.labels[key] = value;
  }
}
