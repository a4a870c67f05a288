import { constants } from 'node:os';
import type { AttemptEnding } from '../runner/port.ts';
import type { Reason, Result } from '../schemas/index.ts';

/** What an ending amounts to. */
export interface Judgement {
  readonly result: Result;
  readonly reason: Reason;
  /** A sentence. */
  readonly message: string;
  /** The exit code that decided; null where none was seen. */
  readonly exitCode: number | null;
  /** The step that decided; null where no single step did. */
  readonly step: string | null;
}

/** Exit codes other than 0 that do not mean failure: `exitCodes` of a job. */
export interface ExitCodeMeanings {
  readonly warning: readonly number[];
  readonly skipped: readonly number[];
}

const named = (step: string): string => `step ${JSON.stringify(step)}`;

/** Why a run ends that a person cancels; the outcome adds who it was. */
const ASKED_FOR = 'it was asked for';

/** The same judgement with whoever asked for the end in its message, where somebody did. */
export function askedBy(judgement: Judgement, by: string | undefined): Judgement {
  if (by === undefined || judgement.reason !== 'CancelRequested') return judgement;
  return { ...judgement, message: judgement.message.replace(ASKED_FOR, () => `${ASKED_FOR} by ${by}`) };
}

/** Why somebody ended it, for those reasons that a run is cancelled for. */
const CANCELLED_BECAUSE: Partial<Readonly<Record<Reason, string>>> = {
  Aborted: 'another task of the run had failed',
  CancelRequested: ASKED_FOR,
  JobRemoved: 'the job is no longer in the source',
  PullRequestClosed: 'the pull request was closed',
  Superseded: 'a newer run takes its place',
};

function judgeExit(step: string, exitCode: number, { warning, skipped }: ExitCodeMeanings): Judgement {
  const seen = { exitCode, step };
  const ended = `${named(step)} ended with exit code ${exitCode}`;
  if (exitCode === 0)
    return {
      result: 'succeeded',
      reason: 'Completed',
      message: 'all steps ended with exit code 0',
      exitCode,
      step: null,
    };
  if (warning.includes(exitCode))
    return { result: 'warning', reason: 'ExitCode', message: `${ended}, which means warning`, ...seen };
  if (skipped.includes(exitCode))
    return { result: 'skipped', reason: 'ExitCode', message: `${ended}, which means skipped`, ...seen };
  return { result: 'failed', reason: 'ExitCode', message: ended, ...seen };
}

/** A shell reports the end by signal n as 128 + n (POSIX, Shell Command Language, 2.8.2). */
function judgeSignal(step: string, signal: string): Judgement {
  const number = new Map(Object.entries(constants.signals)).get(signal);
  const exitCode = number === undefined ? null : 128 + number;
  const message = `${named(step)} was killed by ${signal}, which nobody had asked for`;
  return { result: 'failed', reason: 'ExitCode', message, exitCode, step };
}

function judgeTimeout({ step, timeout, limit, exitCode }: Extract<AttemptEnding, { kind: 'timeout' }>): Judgement {
  const seen = { exitCode, step };
  if (timeout === 'step')
    return {
      result: 'timed-out',
      reason: 'StepTimeout',
      message: `${named(step)} did not end within its time-out of ${limit}`,
      ...seen,
    };
  if (timeout === 'finally')
    return {
      result: 'timed-out',
      reason: 'DeadlineExceeded',
      message: `${named(step)} did not end within timeouts.finally, ${limit}`,
      ...seen,
    };
  return {
    result: 'timed-out',
    reason: 'DeadlineExceeded',
    message: `${named(step)} was still running when the time-out of the run, ${limit}, had passed`,
    ...seen,
  };
}

/** The result and reason of an attempt (docs/architecture.md). Only an exit code that was seen makes a success. */
export function judgeAttempt(ending: AttemptEnding, exitCodes: ExitCodeMeanings): Judgement {
  const unseen = { exitCode: null, step: null };
  switch (ending.kind) {
    case 'exited':
      return judgeExit(ending.step, ending.exitCode, exitCodes);
    case 'signalled':
      return judgeSignal(ending.step, ending.signal);
    case 'timeout':
      return judgeTimeout(ending);
    case 'startError':
      return {
        result: 'error',
        reason: 'StartError',
        message: `${named(ending.step)} could not be started: ${ending.message}`,
        exitCode: null,
        step: ending.step,
      };
    case 'secretMissing':
      return { result: 'error', reason: 'SecretMissing', message: ending.message, ...unseen };
    case 'nothingToDo': {
      const steps = ending.skipped.map((step) => JSON.stringify(step)).join(', ');
      const message = `nothing to do: the conditions of all steps say no (${steps})`;
      return { result: 'skipped', reason: 'ConditionFalse', message, ...unseen };
    }
    case 'cancelled': {
      const when = ending.step === null ? 'before it started' : `while ${named(ending.step)} was running`;
      const because = CANCELLED_BECAUSE[ending.reason];
      const message = `ended ${when}${because === undefined ? '' : `: ${because}`}`;
      return { result: 'cancelled', reason: ending.reason, message, exitCode: null, step: ending.step };
    }
    case 'oomKilled':
      return {
        result: 'failed',
        reason: 'OOMKilled',
        message: `${named(ending.step)} was killed: it used more memory than its limit`,
        exitCode: ending.exitCode,
        step: ending.step,
      };
    case 'infrastructure':
      return { result: 'error', reason: ending.reason, message: ending.message, exitCode: null, step: ending.step };
    case 'lost':
      return { result: 'error', reason: 'ControllerLost', message: ending.message, ...unseen };
  }
}
