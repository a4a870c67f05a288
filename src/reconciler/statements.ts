import type { LedgerChange } from '../ledger/port.ts';
import type { RunKey } from '../runner/port.ts';
import type { Dispatch } from './dispatch.ts';
import type { Observation, ReconcilerParts, SettleOptions } from './ports.ts';
import { STATED_AFTER_MS, standingOf } from './standing.ts';

/** Has the ledger say which runs wait, and for what, and which are executed. */
export interface Statements {
  /** Says what it does not say yet, if that is due; when to ask again: milliseconds since 1970. */
  make(seen: Observation, waits: Dispatch['waits'], options: SettleOptions): number | null;
}

export interface StatementsParts extends Pick<ReconcilerParts, 'now' | 'emit'> {
  readonly note: (change: LedgerChange) => Promise<void>;
  /** Whether the end of a run is being recorded. */
  readonly handles: (key: RunKey) => boolean;
}

/** Statements go together, one commit at a time, and none sooner after another than it takes for one to be worth a commit. */
export function createStatements({ now: clock, emit, note, handles }: StatementsParts): Statements {
  let underWay = false;
  let madeAt = Number.NEGATIVE_INFINITY;
  return {
    make({ live, view }, waits, { triggers, jobs }) {
      emit({ kind: 'waiting', waits: [...waits.values()] });
      const now = clock().getTime();
      const isOurs = (job: string): boolean => jobs?.has(job) ?? triggers;
      const open = live.filter(({ record }) => !handles(record));
      const { facts, dueAt } = standingOf({ live: open, waits, statuses: view.statuses, isOurs, now });
      if (facts.length === 0) return dueAt;
      if (underWay) return now + STATED_AFTER_MS;
      if (now < madeAt + STATED_AFTER_MS) return madeAt + STATED_AFTER_MS;
      [underWay, madeAt] = [true, now];
      void note({ facts }).finally(() => (underWay = false));
      return dueAt;
    },
  };
}
