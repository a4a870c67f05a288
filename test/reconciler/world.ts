import type { Catalog, DesiredJob } from '../../src/job/model.ts';
import type { JobFacts, LedgerView } from '../../src/ledger/port.ts';
import { applyFacts } from '../../src/ledger/status.ts';
import type { PlanInput } from '../../src/reconciler/plan.ts';
import type { AttemptEnding, AttemptState, LiveRun, RunRecord } from '../../src/runner/port.ts';
import type { Job, JobStatus } from '../../src/schemas/index.ts';

export const REVISION = 'a'.repeat(40);
/** When everything in these worlds happens, unless a test says otherwise. */
export const NOW = new Date('2026-11-20T12:00:00.000Z');

export const at = (seconds: number): string => new Date(NOW.getTime() + seconds * 1_000).toISOString();

export const digest = (letter: string): string => `v1:${letter.repeat(64)}`;

export function job(name: string, letter: string, spec: Partial<Job['spec']> = {}): DesiredJob {
  const manifest: Job = {
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    metadata: { name },
    spec: { image: 'alpine', run: 'true', ...spec },
  };
  return {
    name,
    outline: manifest.spec,
    manifest,
    path: `jobs/${name}.yaml`,
    position: { line: 1, column: 1 },
    digest: digest(letter),
  };
}

export function status(name: string, nextRun: number, letter: string, extra: Partial<JobStatus> = {}): JobStatus {
  return {
    apiVersion: 'runledger.dev/v1',
    kind: 'JobStatus',
    job: name,
    source: { path: `jobs/${name}.yaml`, revision: REVISION },
    phase: 'Idle',
    conditions: [],
    lastRuns: [],
    next: [],
    nextRun,
    lastCommitDigest: digest(letter),
    ...extra,
  };
}

/** A condition as a job has it that can run since a moment. */
export const readySince = (time: string): JobStatus['conditions'][number] => ({
  type: 'Ready',
  status: 'True',
  reason: 'Ready',
  message: 'the job can run',
  lastTransitionTime: time,
});

type Summary = JobStatus['lastRuns'][number];

export const summary = (run: number, extra: Partial<Summary> = {}): Summary => ({
  run,
  result: 'succeeded',
  reason: 'Completed',
  exitCode: 0,
  trigger: { kind: 'commit', revision: REVISION },
  revision: REVISION,
  started: at(-60),
  finished: at(-30),
  ...extra,
});

export function record(desired: DesiredJob, run: number, extra: Partial<RunRecord> = {}): RunRecord {
  return {
    job: desired.name,
    run,
    trigger: { kind: 'commit', revision: REVISION },
    revision: REVISION,
    path: desired.path,
    digest: desired.digest,
    covered: {},
    spec: desired.manifest.spec,
    labels: {},
    params: {},
    args: [],
    chain: REVISION,
    queued: at(-120),
    ...extra,
  };
}

/** An attempt that has ended so; null: that runs. */
export const attempt = (
  ending: AttemptEnding | null,
  { task = 'default', number = 1, ...extra }: Partial<AttemptState> = {},
): AttemptState => ({
  task,
  number,
  started: at(-20),
  finished: ending === null ? null : at(-10),
  ending,
  output: null,
  ...extra,
});

export const exited = (exitCode: number): AttemptEnding => ({ kind: 'exited', step: 'run', exitCode });

/** A run that waits, with what it executes put down, unless `extra` says otherwise. */
export const live = (
  desired: DesiredJob,
  run: number,
  { record: more, ...extra }: Partial<Omit<LiveRun, 'record'>> & { readonly record?: Partial<RunRecord> } = {},
): LiveRun => ({ record: record(desired, run, more), mine: true, attempts: [], held: true, ...extra });

export interface World {
  readonly jobs?: readonly DesiredJob[];
  readonly catalog?: Partial<Catalog>;
  readonly statuses?: readonly JobStatus[];
  readonly live?: readonly LiveRun[];
  readonly rest?: Partial<PlanInput>;
}

/** What the plan is made of. */
export function world({ jobs = [], catalog, statuses = [], live: runs = [], rest }: World): PlanInput {
  const view = {
    head: REVISION,
    statuses: new Map(statuses.map((each) => [each.job, each])),
    invalid: [],
  } as unknown as LedgerView;
  return {
    catalog: {
      revision: REVISION,
      chain: REVISION,
      jobs: new Map(jobs.map((each) => [each.name, each])),
      runnerSets: new Map(),
      invalidJobs: new Map(),
      problems: [],
      brokenFiles: new Map(),
      ...catalog,
    },
    view,
    live: runs,
    requests: [],
    changes: new Map(),
    refuses: () => [],
    triggers: true,
    now: NOW,
    ...rest,
  };
}

/** A status that says all of these facts, one after another. */
export const told = (...facts: readonly JobFacts[]): JobStatus | undefined =>
  facts.reduce<JobStatus | undefined>((known, each) => applyFacts(known, each), undefined);
