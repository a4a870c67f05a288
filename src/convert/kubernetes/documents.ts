import { createDraft, type Draft } from '../draft.ts';
import { jobName, noteRenamed } from '../names.ts';
import type { Fields, Reader } from '../reader.ts';
import type { Surroundings } from '../system.ts';
import { convertCronJobSpec } from './cron-job.ts';
import { convertJobSpec } from './job.ts';
import { convertMetadata } from './metadata.ts';

const LISTS: ReadonlySet<string> = new Set(['List', 'JobList', 'CronJobList']);
const API_VERSIONS: Readonly<Record<string, readonly string[]>> = {
  Job: ['batch/v1'],
  CronJob: ['batch/v1', 'batch/v1beta1'],
};

/** Jobs and CronJobs, alone or in lists: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/ */
export function convertKubernetes(reader: Reader, surroundings: Surroundings): readonly Draft[] {
  const { root } = reader;
  if (root === undefined) return [];
  if (!LISTS.has(root.text('kind') ?? '')) return convertObject(root, surroundings);
  const apiVersion = root.text('apiVersion') ?? '';
  if (apiVersion !== 'v1' && apiVersion !== 'batch/v1')
    root.error('apiVersion', `${JSON.stringify(apiVersion)} is not known for a list; write v1`);
  const ofList = root.fields('metadata');
  for (const key of ['resourceVersion', 'selfLink', 'continue', 'remainingItemCount']) ofList?.take(key);
  return root.items('items').flatMap((item) => convertObject(item, surroundings));
}

function convertObject(object: Fields, { fileName }: Surroundings): readonly Draft[] {
  const kind = object.text('kind') ?? '';
  const apiVersion = object.text('apiVersion') ?? '';
  const versions = API_VERSIONS[kind];
  if (versions === undefined) return passOver(object, kind);
  if (!versions.includes(apiVersion)) {
    object.error('apiVersion', `${JSON.stringify(apiVersion)} is not known for a ${kind}; write ${versions[0]}`);
    return [];
  }
  const metadata = object.fields('metadata');
  const generated = metadata?.text('generateName')?.replace(/-$/, '');
  // What the cluster has named itself has letters and digits at its end, new ones each time.
  const name = generated ?? metadata?.text('name');
  if (generated !== undefined && metadata?.has('name')) metadata.note('name', `left out: ${metadata.text('name')}`);
  const draft = createDraft(jobName(name, fileName), object.path);
  noteRenamed(draft, name);
  if (metadata) convertMetadata(metadata, draft);
  if (object.has('status')) object.take('status');
  const spec = object.fields('spec');
  if (spec === undefined) object.error('spec', `is missing; a ${kind} has one`);
  else if (kind === 'Job') convertJobSpec(spec, draft);
  else convertCronJobSpec(spec, draft);
  return [draft];
}

/** Something else that lies in the same file. */
function passOver(object: Fields, kind: string): readonly Draft[] {
  for (const key of object.keys) object.take(key);
  if (kind === '') object.error('kind', 'is missing; it says whether this is a Job or a CronJob');
  else object.note('kind', `a ${kind} is no job: it is passed over, and has to be in the cluster as before`);
  return [];
}
