import { isCoded, messageOf } from '../../errors.ts';

export const AREAS = ['here', 'cluster', 'git', 'ledger'] as const;

/** One thing that was looked at. */
export interface Check {
  readonly area: (typeof AREAS)[number];
  /** In one or two words: `push`, `pods/log`. */
  readonly name: string;
  /** `skipped`: there was nothing to look at. */
  readonly state: 'ok' | 'warn' | 'fail' | 'skipped';
  /** What was found, as a sentence without its end. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** The check for something that was thrown: its message, and what it says is to be done. */
export function failed(area: Check['area'], name: string, error: unknown): Check {
  const hint = isCoded(error) ? error.hint : undefined;
  return { area, name, state: 'fail', message: messageOf(error), ...(hint === undefined ? {} : { hint }) };
}
