import type { Reason } from '../../schemas/index.ts';
import type { ApiObject } from './wire.ts';

/**
 * What becomes of an attempt that a set is to run: it has this runner and no other, or it ended without one. Decided once, on
 * the payload of its run, by whoever comes first.
 */
export type WarmMark =
  | { readonly runner: string; readonly uid: string }
  | { readonly ended: { readonly reason: Reason; readonly message: string; readonly at: string } };

/** By `task.number`. */
export type WarmMarks = Readonly<Record<string, WarmMark>>;

export const WARM_ANNOTATION = 'runledger.dev/warm';

/** The marks on a payload; none on one that somebody has changed. */
export function warmMarksOn({ metadata }: ApiObject): WarmMarks {
  try {
    const marks: unknown = JSON.parse(metadata?.annotations?.[WARM_ANNOTATION] ?? '{}');
    return typeof marks === 'object' && marks !== null ? (marks as WarmMarks) : {};
  } catch {
    return {};
  }
}
