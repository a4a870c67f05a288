import { renameSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { normalizeSpec } from '../../job/defaults.ts';
import { type TaskRecord, taskRecord } from '../../job/task-spec.ts';
import { messageOf } from '../../errors.ts';
import { createIdleWatch } from '../../logs/idle.ts';
import { createRecorder } from '../../logs/recorder.ts';
import { createWholeLog, type LogKeeper } from '../whole-log.ts';
import type { AttemptArtifacts, AttemptEnding, AttemptOutput, AttemptStart, RunnerEvents, RunRecord } from '../port.ts';
import { redactedArtifacts } from '../redacted-artifacts.ts';
import { copyCheckout } from './checkout.ts';
import { type CourseOptions, runCourse } from './course.ts';
import type { AttemptPaths } from './layout.ts';
import type { Processes } from './identity.ts';
import { createLiveLog, type LiveLog } from './livelog.ts';
import { copyFiles, filledIn, makeFolders, secretFiles, writeFiles } from './prepare.ts';
import { resolveSecrets } from './secrets.ts';
import type { FinishedAttempt, RunningState } from './store.ts';
import { killStrays } from './strays.ts';

/** Keeps what an attempt with `spec.artifacts` left. Aborted, it gives up. It does not throw. */
export type KeepArtifacts = (
  record: RunRecord,
  attempt: AttemptStart,
  folders: Pick<AttemptPaths, 'output' | 'workspace'>,
  signal: AbortSignal,
) => Promise<AttemptArtifacts>;

export interface AttemptOptions extends Pick<
  CourseOptions,
  'record' | 'attempt' | 'paths' | 'secrets' | 'env' | 'stop' | 'halt'
> {
  /** The contents of the run's files. */
  readonly files: string;
  /** The files of its revision; null: it checks out none. */
  readonly checkout: string | null;
  readonly now: () => Date;
  readonly processes: Processes;
  readonly events: RunnerEvents;
  /** Where whole logs go. */
  readonly keeper?: LogKeeper | undefined;
  /** Keeps what an attempt left in these folders; it does not throw. */
  readonly keep: KeepArtifacts | undefined;
  /** Told the process group of each step. */
  readonly onGroup: (group: number) => void;
}

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

/** Executes an attempt. Everything that can happen is an ending; it does not throw. */
export async function runAttempt(options: AttemptOptions): Promise<FinishedAttempt> {
  const unstarted = (ending: AttemptEnding): FinishedAttempt => ({
    started: null,
    finished: options.now().toISOString(),
    ending,
    output: NOTHING_PRINTED,
  });
  let task: TaskRecord;
  try {
    task = taskRecord(options.record, options.attempt.task);
  } catch (error) {
    return unstarted({ kind: 'infrastructure', reason: 'Refused', message: messageOf(error), step: null });
  }
  if (task.nothingLeft) return unstarted({ kind: 'nothingToDo', skipped: task.skipped });
  return runTask({ ...options, record: task.record }, options.record.spec);
}

const NOTHING_PRINTED: AttemptOutput = {
  log: new Uint8Array(),
  complete: true,
  vars: {},
  annotations: [],
  warnings: [],
};

/** `record` is that of the task; `written`: the spec with its templates. */
async function runTask(options: AttemptOptions, written: RunRecord['spec']): Promise<FinishedAttempt> {
  const { record, paths, now, events } = options;
  const own = record.spec;
  const spec = normalizeSpec(own);
  const resolved = resolveSecrets(own, options.secrets);
  let started: string | null = null;
  const live = createLiveSink(paths.folder, (warning) => recorder.warn(warning));
  const { upload } = spec.logs;
  const { task, number } = options.attempt;
  const key = { job: record.job, run: record.run, task: task.name, attempt: number };
  const whole = options.keeper && upload !== 'never' ? createWholeLog(options.keeper, key, upload) : undefined;
  const recorder = createRecorder({
    secrets: 'values' in resolved ? resolved.values : [],
    limits: { maxBytes: Math.min(spec.logs.maxBytes, spec.logs.maxRunBytes), maxLine: spec.logs.maxLine },
    now,
    onStored: whole && ((lines) => whole.push(lines)),
    onLine({ at, step, stream, text, stored }) {
      live.add(stored);
      events.output?.({ key: { job: record.job, run: record.run }, at, step, stream, text });
    },
  });
  // What there is of a line is shown when nothing more comes.
  const idle = createIdleWatch(() => {
    recorder.peek();
    live.flush();
  });
  const flush = (): void => {
    live.flush();
    idle.touch();
  };
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
      await writeFiles(paths.files, await filledIn(written, own, paths.files));
      await makeFolders(paths);
      if (options.checkout !== null) await copyCheckout(options.checkout, paths.workspace);
      await writeFiles(paths.files, secretFiles(spec, options.secrets));
      return await runCourse({ ...options, spec: own, recorder, flush, onStarted: saveState });
    } catch (error) {
      return { kind: 'startError', step: spec.steps[0]?.name ?? 'run', message: recorder.redact(messageOf(error)) };
    } finally {
      await killStrays(paths.workspace);
    }
  };
  const ending = await ended();
  const finished = now().toISOString();
  idle.stop();
  recorder.flush();
  live.flush();
  live.close();
  const keeps = own.artifacts !== undefined && started !== null;
  const artifacts = keeps ? await options.keep?.(record, options.attempt, paths, options.halt) : undefined;
  if (!keeps && (await holdsAnything(paths.output))) recorder.warn(NOT_KEPT);
  const output = recorder.end();
  const stored = await whole?.end(!output.complete, options.halt);
  return {
    started,
    finished,
    ending,
    output: stored ? { ...output, upload: stored } : output,
    ...(artifacts ? { artifacts: await redactedArtifacts(artifacts, (text) => recorder.redact(text)) } : {}),
  };
}

const NOT_KEPT = 'what was written to $RUNLEDGER_OUTPUT is not kept; write `artifacts: {}` in the job to keep it';

const holdsAnything = async (folder: string): Promise<boolean> => (await readdir(folder).catch(() => [])).length > 0;
