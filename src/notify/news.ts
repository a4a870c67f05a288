import type { Outcome, Result } from '../schemas/index.ts';

/** A run as it is told of outside: what it is about, and what has become of it. */
export type RunNews =
  | { readonly kind: 'queued' | 'running'; readonly job: string; readonly run: number; readonly chain: string }
  | {
      /** Its outcome is in the ledger. */
      readonly kind: 'ended';
      readonly outcome: Outcome;
      /** The result of the newest run before it that was executed to an end; null: there is none that is known. */
      readonly previous: Result | null;
    };

/** The web pages of a source's ledger; undefined where no address follows from the repository's. */
export interface LedgerPages {
  /** Of the ledger as a whole. */
  readonly root: string | undefined;
  /** Of the outcome of a run. */
  outcome(job: string, run: number): string | undefined;
}
