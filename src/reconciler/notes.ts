import { asCoded, type CodedError, terminalError } from '../errors.ts';
import type { LedgerChange, RequestAnswer } from '../ledger/port.ts';
import type { ReconcilerParts } from './ports.ts';
import { writeWithin } from './write.ts';

/** What goes onto the ledger without being the outcome of a run. Nobody waits for it but the end. */
export interface Notes {
  /** Writes facts; resolves when they are there, or could not be written, which is said. */
  note(change: LedgerChange): Promise<void>;
  /** Answers each request once; where that can't be written, a later pass judges the request again. */
  answer(answers: readonly RequestAnswer[]): void;
  /** Resolves when all that was begun so far is written, or has failed. */
  written(): Promise<void>;
}

/** When the signal aborts, nothing is tried any more: what is not written follows from what is, and whoever comes next writes it. */
export function createNotes(parts: ReconcilerParts, fail: (error: CodedError) => void, signal: AbortSignal): Notes {
  const answering = new Set<string>(); // answers that are being written
  let all: Promise<void> = Promise.resolve();
  // The values of all that was written would be held for ever.
  const keep = (done: Promise<void>): void => void (all = Promise.all([all, done]).then(() => undefined));

  const write = async (change: LedgerChange): Promise<void> => {
    try {
      await writeWithin(parts, change, signal);
    } catch (error) {
      if (signal.aborted) return;
      fail(asCoded(error, (message) => terminalError('NotRecorded', `statuses: ${message}`)));
    }
  };

  return {
    async note(change) {
      const { facts, invalid, runnerSets } = change;
      if (facts.length === 0 && invalid === undefined && (runnerSets?.size ?? 0) === 0) return;
      const done = write(change);
      keep(done);
      await done;
    },
    answer(answers) {
      const keyOf = ({ path, version }: RequestAnswer): string => `${path} ${version}`;
      const fresh = answers.filter((one) => !answering.has(keyOf(one)));
      if (fresh.length === 0) return;
      for (const one of fresh) {
        answering.add(keyOf(one));
        parts.emit({ kind: 'notice', message: `request ${one.id} ${one.verdict}: ${one.message}` });
      }
      const done = write({ facts: [], answered: fresh }).finally(() => {
        for (const one of fresh) answering.delete(keyOf(one));
      });
      keep(done);
    },
    async written() {
      await all;
    },
  };
}
