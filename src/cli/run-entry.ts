import { between } from '../ledger/text.ts';
import type { Outcome, Trigger } from '../schemas/index.ts';

/** A finished run in short, as commands print it with `-o json`. */
export interface RunEntry {
  readonly run: number;
  readonly result: Outcome['result'];
  readonly reason: Outcome['reason'];
  readonly message: string;
  /** Null: none was seen. */
  readonly exitCode: number | null;
  readonly trigger: Trigger;
  readonly requestedBy?: string;
  readonly rerunOf?: number;
  readonly revision: string;
  /** RFC 3339, UTC; null where it is not known. */
  readonly queued: string | null;
  /** Null: nothing was started. */
  readonly started: string | null;
  readonly finished: string | null;
  /** From the first step to the end; null where nothing was started. */
  readonly durationMs: number | null;
}

export function runEntry(outcome: Outcome): RunEntry {
  const { run, result, reason, message, exitCode, trigger, requestedBy, rerunOf, source, times } = outcome;
  return {
    run,
    result,
    reason,
    message,
    exitCode,
    trigger,
    ...(requestedBy === undefined ? {} : { requestedBy }),
    ...(rerunOf === undefined ? {} : { rerunOf }),
    revision: source.revision,
    queued: times.queued ?? null,
    started: times.started ?? null,
    finished: times.finished ?? null,
    durationMs: between(times.started, times.finished),
  };
}

/** `ExitCode (exit code 3)`. */
export const reasonText = ({ reason, exitCode }: Pick<RunEntry, 'reason' | 'exitCode'>): string =>
  exitCode === null ? reason : `${reason} (exit code ${exitCode})`;
