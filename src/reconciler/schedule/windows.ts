import { durationMs } from '../../job/duration.ts';
import type { RunnerSet } from '../../schemas/index.ts';
import { latestInstant, nextInstant } from './instants.ts';

export type Windows = NonNullable<RunnerSet['spec']['schedule']>;

/** What a schedule of a runner set asks for at a moment, and until when that holds. */
export interface WindowReading {
  /** The highest number of the windows that are open; 0 where none is. */
  readonly minRunners: number;
  /** When a window opens or closes next: milliseconds since 1970; null where none ever does. */
  readonly until: number | null;
}

/**
 * Reads the windows of a runner set at `now`. A window opens at an instant of its cron expression and stays open for its
 * length; one whose next instant comes before it has closed stays open.
 */
export function readWindows(windows: Windows, now: Date): WindowReading {
  let minRunners = 0;
  let until: number | null = null;
  const change = (at: number | undefined): void => {
    if (at !== undefined && (until === null || at < until)) until = at;
  };
  for (const window of windows) {
    const opened = latestInstant(window, now)?.getTime();
    const closes = opened === undefined ? undefined : opened + durationMs(window.for);
    if (closes !== undefined && closes > now.getTime()) {
      minRunners = Math.max(minRunners, window.minRunners);
      change(closes);
    }
    change(nextInstant(window, now)?.getTime());
  }
  return { minRunners, until };
}
