import { type Course, courseOf, type EndStep } from '../../job/course.ts';
import { type NormalJobSpec, type NormalStep, normalizeSpec } from '../../job/defaults.ts';
import { formatDuration } from '../../job/duration.ts';
import type { Recorder } from '../../logs/recorder.ts';
import type { Job, Reason } from '../../schemas/index.ts';
import type { AttemptEnding, AttemptStart, RunRecord } from '../port.ts';
import { stepEnvironment } from './environment.ts';
import type { AttemptPaths } from './layout.ts';
import { startFolder, stepCommand } from './prepare.ts';
import type { Secrets } from './secrets.ts';
import { runStep } from './step.ts';
import { after } from './timer.ts';

type TimeoutKind = Extract<AttemptEnding, { kind: 'timeout' }>['timeout'];

/** Why an attempt is stopped: the reason of its AbortSignal. */
export type StopCause =
  | { readonly kind: 'cancelled'; readonly reason: Reason }
  | { readonly kind: 'timeout'; readonly timeout: TimeoutKind; readonly limitMs: number };

export interface CourseOptions {
  readonly record: RunRecord;
  readonly attempt: AttemptStart;
  /** That of the task. */
  readonly spec: Job['spec'];
  readonly paths: AttemptPaths;
  readonly secrets: Secrets;
  /** runledger's own environment, of which the steps inherit a little. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted with a StopCause. What runs at the end still does. */
  readonly stop: AbortSignal;
  /** Aborted: nothing is started any more. */
  readonly halt: AbortSignal;
  readonly recorder: Recorder;
  /** Hands on what has been recorded. */
  readonly flush: () => void;
  /** Called as soon as the process of a step exists. */
  readonly onStarted: (step: string, pid: number) => void;
}

/** A step, and its place among all that the attempt executes. */
interface Place {
  readonly step: NormalStep;
  readonly index: number;
  /** Arguments of the run, for the last step proper. */
  readonly extra: readonly string[];
}

/** Aborts with a time-out after so many milliseconds; null: never. */
function deadline(timeout: TimeoutKind, limitMs: number | null) {
  const controller = new AbortController();
  const cause: StopCause = { kind: 'timeout', timeout, limitMs: limitMs ?? 0 };
  const callOff = limitMs === null ? () => undefined : after(limitMs, () => controller.abort(cause));
  return { signal: controller.signal, callOff };
}

function stopped(cause: StopCause, step: string, exitCode: number | null): AttemptEnding {
  if (cause.kind === 'cancelled') return { kind: 'cancelled', reason: cause.reason, step };
  return { kind: 'timeout', timeout: cause.timeout, step, exitCode, limit: formatDuration(cause.limitMs) };
}

/**
 * Executes what an attempt consists of: hooks.before and the steps, one after another until one does not end with 0; then
 * `finally` and hooks.after, of which none keeps another from running. The first step that failed decides; one at the end
 * only if the others went well. What runs at the end does so after failure, time-out and cancellation, but not where
 * nothing had begun.
 */
export async function runCourse(options: CourseOptions): Promise<AttemptEnding> {
  const course = courseOf(options.spec, options.record.defaultHooks);
  const spec = normalizeSpec(options.spec);
  const { ending, begun } = await runSteps(options, course, spec);
  if (!begun) return ending;
  const atEnd = await runEnd(options, course, spec, ending);
  return atEnd && isWell(ending, spec) ? atEnd : ending;
}

async function runSteps(
  options: CourseOptions,
  { steps }: Course,
  spec: NormalJobSpec,
): Promise<{ readonly ending: AttemptEnding; readonly begun: boolean }> {
  const run = deadline('run', spec.timeouts.runMs);
  const stop = AbortSignal.any([options.stop, run.signal]);
  let ending: AttemptEnding = { kind: 'startError', step: 'run', message: 'the job has no steps' };
  try {
    for (const [index, step] of steps.entries()) {
      if (stop.aborted) return { ending: stopped(stop.reason as StopCause, step.name, null), begun: index > 0 };
      const extra = index === steps.length - 1 ? options.record.args : [];
      ending = await runOne(options, spec, { step, index, extra }, stop);
      if (ending.kind !== 'exited' || ending.exitCode !== 0) break;
    }
    return { ending, begun: true };
  } finally {
    run.callOff();
  }
}

/** The first failure of those steps that run at the end; undefined where all went well. */
async function runEnd(
  options: CourseOptions,
  { steps, end }: Course,
  spec: NormalJobSpec,
  ending: AttemptEnding,
): Promise<AttemptEnding | undefined> {
  const limit = deadline('finally', spec.timeouts.finallyMs);
  let failure: AttemptEnding | undefined;
  try {
    for (const [index, step] of end.entries()) {
      if (options.halt.aborted) break;
      const isCancelled = ending.kind === 'cancelled' || options.stop.aborted;
      if (!runsAtEnd(step, isCancelled ? 'cancelled' : isWell(ending, spec) ? 'well' : 'failed')) continue;
      const place = { step, index: steps.length + index, extra: [] };
      const own = limit.signal.aborted
        ? stopped(limit.signal.reason as StopCause, step.name, null)
        : await runOne(options, spec, place, limit.signal);
      if (!isWell(own, spec) && !step.advisory) failure ??= own;
    }
    return failure;
  } finally {
    limit.callOff();
  }
}

const runsAtEnd = ({ when }: EndStep, state: 'well' | 'failed' | 'cancelled'): boolean =>
  when === 'always' || (when === 'onSuccess' ? state === 'well' : state === 'failed');

/** Whether an end is no failure: exit code 0, or one that means warning or skipped. */
const isWell = (ending: AttemptEnding, { exitCodes: { warning, skipped } }: NormalJobSpec): boolean =>
  ending.kind === 'exited' && [0, ...warning, ...skipped].includes(ending.exitCode);

async function runOne(
  { record, attempt, paths, secrets, env, halt, recorder, flush, onStarted }: CourseOptions,
  spec: NormalJobSpec,
  { step, index, extra }: Place,
  stopAll: AbortSignal,
): Promise<AttemptEnding> {
  const { name } = step;
  if (halt.aborted) return { kind: 'cancelled', reason: 'CancelRequested', step: name };
  const command = await stepCommand(step, index, paths, extra);
  const limit = deadline('step', step.timeoutMs);
  const stop = AbortSignal.any([stopAll, limit.signal]);
  const end = await runStep({
    command,
    folder: startFolder(paths, step),
    environment: stepEnvironment(env, record, attempt, step, paths, secrets),
    stop,
    graceMs: spec.timeouts.graceMs,
    onStarted: (pid) => onStarted(name, pid),
    onOutput(stream, chunk) {
      recorder.write(name, stream, chunk);
      flush();
    },
  });
  limit.callOff();
  recorder.flush();
  flush();
  if (end.kind === 'notStarted') return { kind: 'startError', step: name, message: recorder.redact(end.message) };
  if (end.stopped) return stopped(stop.reason as StopCause, name, end.kind === 'exited' ? end.exitCode : null);
  return end.kind === 'exited'
    ? { kind: 'exited', step: name, exitCode: end.exitCode }
    : { kind: 'signalled', step: name, signal: end.signal };
}
