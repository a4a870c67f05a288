import { renameSync, writeFileSync } from 'node:fs';
import { type NormalJobSpec, type NormalStep, normalizeSpec } from '../../job/defaults.ts';
import { specOfTask } from '../../job/fan-out.ts';
import { formatDuration } from '../../job/duration.ts';
import { messageOf } from '../../errors.ts';
import { createRecorder, type Recorder } from '../../logs/recorder.ts';
import type { Reason } from '../../schemas/index.ts';
import type { AttemptEnding, AttemptStart, RunnerEvents, RunRecord } from '../port.ts';
import { stepEnvironment } from './environment.ts';
import type { Processes } from './identity.ts';
import type { AttemptPaths } from './layout.ts';
import { createLiveLog, type LiveLog } from './livelog.ts';
import { copyFiles, makeFolders, secretFiles, startFolder, stepCommand, writeFiles } from './prepare.ts';
import { resolveSecrets, type Secrets } from './secrets.ts';
import { runStep } from './step.ts';
import type { FinishedAttempt, RunningState } from './store.ts';
import { killStrays } from './strays.ts';
import { after } from './timer.ts';

/** Why an attempt is stopped: the reason of its AbortSignal. */
export type StopCause =
  | { readonly kind: 'cancelled'; readonly reason: Reason }
  | { readonly kind: 'timeout'; readonly timeout: 'run' | 'step'; readonly limitMs: number };

export interface AttemptOptions {
  readonly record: RunRecord;
  readonly attempt: AttemptStart;
  readonly paths: AttemptPaths;
  /** The contents of the run's files. */
  readonly files: string;
  readonly secrets: Secrets;
  /** runledger's own environment, of which the steps inherit a little. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  readonly processes: Processes;
  /** Aborted with a StopCause. */
  readonly stop: AbortSignal;
  readonly events: RunnerEvents;
  /** Told the process group of each step. */
  readonly onGroup: (group: number) => void;
}

const firstStep = ({ steps }: NormalJobSpec): string => steps[0]?.name ?? 'run';

/** Appends to the live log; once the disk refuses, the run goes on without it. */
function createLiveSink(folder: string, warn: (warning: string) => void) {
  let log: LiveLog | undefined;
  let pending: Buffer[] = [];
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      log = undefined;
      warn(`the log can't be followed while the run lasts: ${messageOf(error)}`);
    }
  };
  return {
    add(line: Buffer): void {
      if (log) pending.push(line);
    },
    flush(): void {
      const lines = pending;
      pending = [];
      attempt(() => log?.append(lines));
    },
    open(): void {
      attempt(() => (log = createLiveLog(folder)));
    },
    close(): void {
      attempt(() => log?.close());
    },
  };
}

function stopped(cause: StopCause, step: string, exitCode: number | null): AttemptEnding {
  if (cause.kind === 'cancelled') return { kind: 'cancelled', reason: cause.reason, step };
  return { kind: 'timeout', timeout: cause.timeout, step, exitCode, limit: formatDuration(cause.limitMs) };
}

/** Aborts with a time-out after so many milliseconds; null: never. */
function deadline(timeout: 'run' | 'step', limitMs: number | null) {
  const controller = new AbortController();
  const cause: StopCause = { kind: 'timeout', timeout, limitMs: limitMs ?? 0 };
  const callOff = limitMs === null ? () => undefined : after(limitMs, () => controller.abort(cause));
  return { signal: controller.signal, callOff };
}

/**
 * Executes an attempt: its steps one after another, until one does not end with 0. Everything that can
 * happen is an ending; it does not throw.
 */
export async function runAttempt(options: AttemptOptions): Promise<FinishedAttempt> {
  const { record, paths, now, events } = options;
  const own = specOfTask(record.spec, options.attempt.task);
  const spec = normalizeSpec(own);
  const resolved = resolveSecrets(own, options.secrets);
  let started: string | null = null;
  const live = createLiveSink(paths.folder, (warning) => recorder.warn(warning));
  const recorder = createRecorder({
    secrets: 'values' in resolved ? resolved.values : [],
    limits: { maxBytes: Math.min(spec.logs.maxBytes, spec.logs.maxRunBytes), maxLine: spec.logs.maxLine },
    now,
    onLine({ at, step, stream, text, stored }) {
      live.add(stored);
      events.output({ key: { job: record.job, run: record.run }, at, step, stream, text });
    },
  });
  live.open();
  const saveState = (step: string, pid: number): void => {
    options.onGroup(pid);
    const first = started === null;
    started ??= now().toISOString();
    const state: RunningState = { started, step, leader: options.processes.identify(pid) ?? null };
    // At once, so that a crash from here on finds the process; a rename, so that nobody reads half of it.
    writeFileSync(`${paths.state}.tmp`, JSON.stringify(state));
    renameSync(`${paths.state}.tmp`, paths.state);
    if (first) events.changed(record);
  };
  const ended = async (): Promise<AttemptEnding> => {
    if ('missing' in resolved) return { kind: 'secretMissing', message: resolved.missing };
    try {
      await copyFiles(options.files, paths.files);
      await makeFolders(paths);
      await writeFiles(paths.files, secretFiles(spec, options.secrets));
      return await runSteps(options, spec, { recorder, live, saveState });
    } catch (error) {
      return { kind: 'startError', step: firstStep(spec), message: recorder.redact(messageOf(error)) };
    } finally {
      await killStrays(paths.workspace);
    }
  };
  const ending = await ended();
  const finished = now().toISOString();
  recorder.flush();
  live.flush();
  live.close();
  return { started, finished, ending, output: recorder.end() };
}

interface StepParts {
  readonly recorder: Recorder;
  readonly live: { flush(): void };
  readonly saveState: (step: string, pid: number) => void;
}

async function runSteps(options: AttemptOptions, spec: NormalJobSpec, parts: StepParts): Promise<AttemptEnding> {
  const run = deadline('run', spec.timeouts.runMs);
  const stop = AbortSignal.any([options.stop, run.signal]);
  try {
    for (const [index, step] of spec.steps.entries()) {
      const ending = await runOne(options, spec, step, index, stop, parts);
      if (ending.kind !== 'exited' || ending.exitCode !== 0 || index === spec.steps.length - 1) return ending;
    }
    return { kind: 'startError', step: firstStep(spec), message: 'the job has no steps' };
  } finally {
    run.callOff();
  }
}

async function runOne(
  { record, attempt, paths, secrets, env }: AttemptOptions,
  spec: NormalJobSpec,
  step: NormalStep,
  index: number,
  runStop: AbortSignal,
  { recorder, live, saveState }: StepParts,
): Promise<AttemptEnding> {
  const { name } = step;
  if (runStop.aborted) return stopped(runStop.reason as StopCause, name, null);
  const extra = index === spec.steps.length - 1 ? record.args : [];
  const command = await stepCommand(step, index, paths, extra);
  const limit = deadline('step', step.timeoutMs);
  const stop = AbortSignal.any([runStop, limit.signal]);
  const end = await runStep({
    command,
    folder: startFolder(paths, step),
    environment: stepEnvironment(env, record, attempt, step, paths, secrets),
    stop,
    graceMs: spec.timeouts.graceMs,
    onStarted: (pid) => saveState(name, pid),
    onOutput(stream, chunk) {
      recorder.write(name, stream, chunk);
      live.flush();
    },
  });
  limit.callOff();
  recorder.flush();
  live.flush();
  if (end.kind === 'notStarted') return { kind: 'startError', step: name, message: recorder.redact(end.message) };
  if (end.stopped) return stopped(stop.reason as StopCause, name, end.kind === 'exited' ? end.exitCode : null);
  return end.kind === 'exited'
    ? { kind: 'exited', step: name, exitCode: end.exitCode }
    : { kind: 'signalled', step: name, signal: end.signal };
}
