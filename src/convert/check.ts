import { isCoded, messageOf } from '../errors.ts';
import { tasksOf } from '../job/fan-out.ts';
import { resolveParameters } from '../job/parameters.ts';
import { parseManifests } from '../job/parse.ts';
import { unsupportedFields } from '../job/support.ts';
import { taskRecord } from '../job/task-spec.ts';
import type { FieldPath } from '../job/positions.ts';
import { judgePolicy } from '../render/policy.ts';
import { UNKNOWN_UID, type PodContext } from '../render/context.ts';
import { renderPod } from '../render/pod.ts';
import type { RunRecord } from '../runner/port.ts';
import type { Job } from '../schemas/index.ts';
import type { Comment, Mapping } from './draft.ts';

const CONTEXT: PodContext = {
  installation: 'convert',
  source: 'convert',
  namespace: 'default',
  epoch: 0,
  image: 'runledger',
  imagePullSecrets: [],
  podDefaults: {},
  payload: { name: 'payload', uid: UNKNOWN_UID },
  address: 'http://runledger:8080',
};

/**
 * What is wrong with a manifest that was made, as sentences; none when it validates, says what it was made to say, and its pods
 * can be rendered and may run under a policy that allows root.
 */
export function manifestTroubles(text: string, document: Mapping): readonly string[] {
  const { documents, broken } = parseManifests('job.yaml', Buffer.from(text), { wasManifest: true });
  const [parsed] = documents;
  if (broken || parsed === undefined || documents.length !== 1) return ['the manifest does not parse'];
  if (parsed.kind === 'invalidJob' || parsed.kind === 'problem')
    return parsed.problems.map(({ field, message }) => (field === undefined ? message : `${field}: ${message}`));
  if (parsed.kind !== 'job' || !isSame(parsed.job, document)) return ['the manifest does not say what it should'];
  return podTroubles(parsed.job);
}

function isSame(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) return one === other;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isSame((one as Mapping)[key], (other as Mapping)[key]))
  );
}

function podTroubles(job: Job): readonly string[] {
  try {
    const record = recordOf(job);
    const policy = { allowRoot: true, serviceAccounts: [job.spec.pod?.serviceAccountName ?? 'default'] };
    for (const task of tasksOf(record.spec)) {
      if (taskRecord(record, task).nothingLeft) continue;
      const pod = renderPod({ record, task, attempt: 1, context: CONTEXT });
      const violations = judgePolicy({ pod, spec: job.spec }, policy);
      if (violations.length > 0) return violations.map(({ field, message }) => `${field}: ${message}`);
    }
    return [];
  } catch (error) {
    // What a run will bring (variables of needed jobs) can't be filled in here.
    if (isCoded(error) && job.spec.needs !== undefined) return [];
    return [messageOf(error)];
  }
}

function recordOf({ metadata, spec }: Job): RunRecord {
  const revision = '0'.repeat(40);
  return {
    job: metadata.name,
    run: 1,
    trigger: { kind: 'commit', revision },
    revision,
    path: 'job.yaml',
    digest: `v1:${'0'.repeat(64)}`,
    covered: {},
    spec,
    labels: metadata.labels ?? {},
    params: resolveParameters(spec),
    args: [],
    chain: revision,
    queued: new Date(0).toISOString(),
  };
}

/** A manifest without the fields that this version refuses, and a remark for each that is left out. */
export function withoutUnsupported(document: Mapping): {
  readonly document: Mapping;
  readonly comments: readonly Comment[];
} {
  const rest = structuredClone(document);
  const comments = unsupportedFields(document).map(({ path }): Comment => {
    const value = JSON.stringify(removeField(rest, path));
    const text = `${path.slice(1).join('.')}: ${value} belongs here; this version of runledger refuses it`;
    return { path, todo: true, text };
  });
  return { document: rest, comments };
}

function removeField(root: unknown, path: FieldPath): unknown {
  const owner = path
    .slice(0, -1)
    .reduce<unknown>((value, part) => (value as Record<string | number, unknown>)[part], root) as Record<
    string | number,
    unknown
  >;
  const last = path.at(-1) ?? '';
  const value = owner[last];
  delete owner[last];
  return value;
}
