import type { Job, JobFile, Retry, Step } from '../schemas/index.ts';
import { durationMs } from './duration.ts';
import { bytesOf } from './quantity.ts';

type JobSpec = Job['spec'];
type EnvValue = NonNullable<Job['spec']['env']>[string];

/** A step with everything that the job says for all of them. */
export interface NormalStep {
  readonly name: string;
  readonly image: string | undefined;
  /** What is executed: the shell with the script, or a command that needs no shell in the image. */
  readonly execute:
    | { readonly kind: 'script'; readonly shell: readonly string[]; readonly script: string }
    | { readonly kind: 'command'; readonly command: readonly string[]; readonly args: readonly string[] };
  /** The job's variables with those of the step over them. */
  readonly env: Readonly<Record<string, EnvValue>>;
  readonly user: number;
  /** Relative to the workspace, or absolute. */
  readonly workingDirectory: string;
  /** Null: bounded by the run's time-out alone. */
  readonly timeoutMs: number | null;
}

/** A Job's spec with all defaults in place: what runners and renderers go by. Times are milliseconds, sizes are bytes. */
export interface NormalJobSpec {
  readonly suspend: boolean;
  readonly image: string | undefined;
  readonly user: number;
  readonly env: Readonly<Record<string, EnvValue>>;
  readonly steps: readonly NormalStep[];
  readonly files: readonly JobFile[];
  readonly on: {
    readonly commit: boolean | { readonly paths: readonly string[] };
  };
  readonly timeouts: {
    readonly queueMs: number;
    readonly startMs: number;
    readonly runMs: number;
    readonly graceMs: number;
    readonly finallyMs: number;
  };
  readonly retry: {
    readonly limit: number;
    readonly on: NonNullable<Retry['on']>;
    readonly backoffMs: number;
    readonly maxBackoffMs: number;
    readonly infrastructure: number;
  };
  readonly exitCodes: { readonly warning: readonly number[]; readonly skipped: readonly number[] };
  readonly logs: {
    readonly maxBytes: number;
    readonly maxRunBytes: number;
    readonly maxLine: number;
    readonly upload: 'never' | 'always' | 'whenTrimmed';
  };
  readonly keep: { readonly runs: number; readonly forMs: number; readonly artifactsMs: number };
  readonly maxParallel: number | undefined;
  readonly priority: number;
  readonly resources: NonNullable<JobSpec['resources']>;
  readonly pod: NonNullable<JobSpec['pod']>;
}

/** The step that `run` is short for. */
export const SHORT_STEP = 'run';

export const DEFAULT_USER = 65_532;
export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-e'];
export const DEFAULT_FILE_MODE = '0644';

/** A spec is never changed, and looked at in every pass of its runs: what follows from it is remembered as long as it is. */
const normalized = new WeakMap<JobSpec, NormalJobSpec>();

/** Puts the defaults of the format in. The spec has to be valid. */
export function normalizeSpec(spec: JobSpec): NormalJobSpec {
  const known = normalized.get(spec);
  if (known) return known;
  const normal = withDefaults(spec);
  normalized.set(spec, normal);
  return normal;
}

function withDefaults(spec: JobSpec): NormalJobSpec {
  const { timeouts = {}, logs = {}, keep = {}, retry = {}, exitCodes = {} } = spec;
  return {
    suspend: spec.suspend ?? false,
    image: spec.image,
    user: spec.user ?? DEFAULT_USER,
    env: spec.env ?? {},
    steps: normalSteps(spec),
    files: spec.files ?? [],
    on: { commit: commitTrigger(spec) },
    timeouts: {
      queueMs: durationMs(timeouts.queue ?? '1h'),
      startMs: durationMs(timeouts.start ?? '5m'),
      runMs: durationMs(timeouts.run ?? '1h'),
      graceMs: durationMs(timeouts.grace ?? '30s'),
      finallyMs: durationMs(timeouts.finally ?? '1m'),
    },
    retry: {
      limit: retry.limit ?? 0,
      on: retry.on ?? ['exit'],
      backoffMs: durationMs(retry.backoff ?? '10s'),
      maxBackoffMs: durationMs(retry.maxBackoff ?? '5m'),
      infrastructure: retry.infrastructure ?? 0,
    },
    exitCodes: { warning: exitCodes.warning ?? [42], skipped: exitCodes.skipped ?? [43] },
    logs: {
      maxBytes: bytesOf(logs.maxBytes ?? '256Ki'),
      maxRunBytes: bytesOf(logs.maxRunBytes ?? '4Mi'),
      maxLine: bytesOf(logs.maxLine ?? '16Ki'),
      upload: logs.upload ?? 'whenTrimmed',
    },
    keep: {
      runs: keep.runs ?? 50,
      forMs: durationMs(keep.for ?? '180d'),
      artifactsMs: durationMs(keep.artifacts ?? '180d'),
    },
    maxParallel: spec.maxParallel,
    priority: spec.priority ?? 0,
    resources: spec.resources ?? {},
    pod: spec.pod ?? {},
  };
}

/** Whether, and with which files, a commit starts runs: what is written under `on` replaces the default, and so does `needs`. */
export function commitTrigger({ on, needs = [] }: JobSpec): boolean | { readonly paths: readonly string[] } {
  return on === undefined ? needs.length === 0 : (on.commit ?? false);
}

/** Whether, and with which files, pull requests start runs; `true`: with those that commits count. */
export function pullRequestTrigger({ on }: Pick<JobSpec, 'on'>): boolean | { readonly paths: readonly string[] } {
  return on?.pullRequest ?? false;
}

/** What of its revision lies in the workspace of a job: all, globs, or nothing; all where it runs for pull requests and says nothing. */
export const checkoutOfSpec = (spec: Pick<JobSpec, 'checkout' | 'on'>): boolean | readonly string[] =>
  spec.checkout ?? pullRequestTrigger(spec) !== false;

function normalSteps(spec: JobSpec): readonly NormalStep[] {
  const steps: readonly Step[] = spec.steps ?? [{ name: SHORT_STEP, run: spec.run ?? '' }];
  return steps.map((step) => ({
    name: step.name,
    image: step.image ?? spec.image,
    execute:
      step.command === undefined
        ? { kind: 'script', shell: step.shell ?? DEFAULT_SHELL, script: step.run ?? '' }
        : { kind: 'command', command: step.command, args: step.args ?? [] },
    env: { ...spec.env, ...step.env },
    user: step.user ?? spec.user ?? DEFAULT_USER,
    workingDirectory: step.workingDirectory ?? '.',
    timeoutMs: step.timeout === undefined ? null : durationMs(step.timeout),
  }));
}
