import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded, messageOf } from '../../errors.ts';
import type { Ledger, LedgerView } from '../../ledger/port.ts';
import { type GoingRun, idOf, type LiveReader, type Picture, pictureOf } from './picture.ts';

export interface FeedOptions {
  readonly live: LiveReader;
  readonly ledger: Ledger;
  /** How often the ledger is read, in milliseconds; also at once when a run is no longer claimed. */
  readonly ledgerEveryMs: number;
  /** How often it is looked what runs, in milliseconds. */
  readonly everyMs?: number;
  /** Only this job. */
  readonly job?: string | undefined;
  /** What could not be read this time; it is tried again. */
  readonly trouble: (message: string) => void;
}

const EVERY_MS = 1_000;

/**
 * Pictures of what goes on, one after another, until the signal aborts. What is claimed is read before what is recorded, so that
 * a run that ends in between is not missing. Throws what the first look throws; later faults are told, and tried again.
 */
export async function* feed(options: FeedOptions, signal: AbortSignal): AsyncGenerator<Picture> {
  const { live, ledger, ledgerEveryMs, everyMs = EVERY_MS, job, trouble } = options;
  let view: LedgerView | undefined;
  let going: readonly GoingRun[] = [];
  let readAt = 0;
  const look = async (): Promise<Picture> => {
    const before = going;
    going = await live.list(signal);
    const shown = new Set(going.map(idOf));
    const hasLeft = before.some((run) => !shown.has(idOf(run)));
    if (!view || hasLeft || performance.now() - readAt >= ledgerEveryMs) {
      view = await ledger.read(signal);
      readAt = performance.now();
    }
    return pictureOf(going, view, new Date().toISOString(), job, live.sets?.());
  };
  for (let first = true; !signal.aborted; first = false) {
    try {
      yield await look();
    } catch (error) {
      if (signal.aborted) return;
      if (first || !isCoded(error)) throw error;
      trouble(messageOf(error));
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
