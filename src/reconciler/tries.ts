import { asCoded, type CodedError, terminalError, transientError } from '../errors.ts';
import type { RunKey } from '../runner/port.ts';
import { createRests } from './rests.ts';

/** Starts of runs, each of which may fail and is then tried again after a while, for as long as this goes on. */
export interface Tries {
  /** Does the work of a start at a revision. False: what keeps it from being done may go away. */
  do(key: RunKey, revision: string, work: () => Promise<void>): Promise<boolean>;
  /** Whether a job is left alone now. A new revision is a new chance. */
  rests(job: string, revision: string): boolean;
  /** Jobs whose last start has failed, with why. */
  failures(): Iterable<CodedError>;
}

/** `say` is told of each failure, `over` of each job whose rest has ended. */
export function createTries(say: (error: CodedError, key: RunKey) => void, over: (job: string) => void): Tries {
  const rests = createRests(over);
  const failed = new Map<string, CodedError>(); // by job; what starts later has not failed
  return {
    async do({ job, run }, revision, work) {
      try {
        await work();
        rests.remove(job);
        failed.delete(job);
        return true;
      } catch (error) {
        const { code, message, hint, retryAfterMs } = asCoded(error, (text) => transientError('StartFailed', text));
        rests.add(job, revision, retryAfterMs);
        const details = hint === undefined ? {} : { hint };
        const told = terminalError(code, `${job} #${run} was not started: ${message}`, details);
        failed.set(job, told);
        say(told, { job, run });
        return false;
      }
    },
    rests: (job, revision) => rests.has(job, revision),
    failures: () => failed.values(),
  };
}
