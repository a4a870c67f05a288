/** Runs of the jobs in fixtures/, as the reconciler would plan them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { V1ConfigMap, V1Pod } from '@kubernetes/client-node';
import { load } from 'js-yaml';
import { tasksOf } from '../../src/job/fan-out.ts';
import { resolveParameters } from '../../src/job/parameters.ts';
import { renderBudget } from '../../src/render/budget.ts';
import { renderClaim } from '../../src/render/claim.ts';
import { type PodContext, UNKNOWN_UID } from '../../src/render/context.ts';
import { renderPayload } from '../../src/render/payload.ts';
import { renderPod } from '../../src/render/pod.ts';
import type { RunFile, RunRecord, RunTask } from '../../src/runner/port.ts';
import { type Job, validators } from '../../src/schemas/index.ts';

export const FIXTURES = ['hello', 'migrate', 'report', 'two-users', 'placed', 'integration'] as const;
export const FOLDER = join(import.meta.dirname, 'fixtures');

export const CONTEXT: PodContext = {
  installation: 'prod',
  source: 'platform',
  namespace: 'jobs',
  epoch: 7,
  image: 'ghcr.io/acme/runledger:1.0.0',
  imagePullSecrets: ['registry'],
  podDefaults: {
    nodeSelector: { pool: 'jobs' },
    tolerations: [{ key: 'pool', operator: 'Exists' }],
  },
  payload: { name: '', uid: UNKNOWN_UID },
};

const REVISION = '4f0c2d9be1a7365c8d04f2b1907ae6538cd41f2a';

export function jobOf(yaml: string): Job {
  const job = load(yaml) as Job;
  if (!validators.job(job)) throw new Error(JSON.stringify(validators.job.errors));
  return job;
}

export const readJob = (name: string): Job => jobOf(readFileSync(join(FOLDER, `${name}.job.yaml`), 'utf8'));

/** A job of one line: `{ image: x, run: y }`. */
export const jobWith = (spec: Job['spec'], name = 'test'): Job => ({
  apiVersion: 'runledger.dev/v1',
  kind: 'Job',
  metadata: { name },
  spec: { image: 'busybox:1.36', ...spec },
});

export function recordOf({ metadata, spec }: Job, changes: Partial<RunRecord> = {}): RunRecord {
  return {
    job: metadata.name,
    run: 12,
    trigger: { kind: 'commit', revision: REVISION },
    revision: REVISION,
    path: `jobs/${metadata.name}.yaml`,
    digest: 'v1:9f2c7a51e0b84d3396f1c02d7be5a8140c6d92f35ab1e77408d3f6c95b20ae14',
    covered: spec as Record<string, unknown>,
    spec,
    labels: metadata.labels ?? {},
    params: resolveParameters(spec),
    args: [],
    chain: REVISION,
    queued: '2026-11-20T01:30:00Z',
    ...changes,
  };
}

/** The contents of a record's files: what `from` names holds its own name. */
export function filesOf({ spec }: RunRecord): readonly RunFile[] {
  return (spec.files ?? [])
    .filter((file) => file.secret === undefined)
    .map(({ path, content, from, mode }) => ({
      path,
      mode: Number.parseInt(mode ?? '0644', 8),
      content: Buffer.from(content ?? `${from}\n`),
    }));
}

export interface Rendered {
  readonly claim: V1ConfigMap;
  readonly payload: V1ConfigMap;
  readonly pod: V1Pod;
  readonly all: readonly (V1ConfigMap | V1Pod | ReturnType<typeof renderBudget>)[];
}

/** A task of the run by its name; the first one without. */
export function taskOf({ spec }: RunRecord, name?: string): RunTask {
  const tasks = tasksOf(spec);
  const task = name === undefined ? tasks[0] : tasks.find((one) => one.name === name);
  if (!task) throw new Error(`no task ${name} among ${tasks.map((one) => one.name).join(', ')}`);
  return task;
}

/** Everything of a run, with the pod of one task, and with owners that are not there. */
export function renderRun(record: RunRecord, changes: Partial<PodContext> = {}, task?: string): Rendered {
  const base = { ...CONTEXT, ...changes };
  const claim = renderClaim(record, base);
  const owner = { name: claim.metadata?.name ?? '', uid: UNKNOWN_UID };
  const payload = renderPayload({ record, files: filesOf(record), context: base, claim: owner });
  const context = { ...base, payload: { name: payload.metadata?.name ?? '', uid: UNKNOWN_UID } };
  const pod = renderPod({ record, task: taskOf(record, task), attempt: 1, context });
  return { claim, payload, pod, all: [claim, payload, pod, renderBudget(base)] };
}

export const renderPodOf = (spec: Job['spec'], changes: Partial<PodContext> = {}): V1Pod =>
  renderRun(recordOf(jobWith(spec)), changes).pod;
