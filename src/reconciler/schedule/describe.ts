import type { Schedule } from '../../schemas/index.ts';
import { DEFAULT_TIME_ZONE, nextInstant } from './instants.ts';
import { zoneOf } from './zone.ts';

type Times = Pick<Schedule, 'cron' | 'timeZone'>;

export interface UpcomingInput {
  readonly schedules: readonly Times[];
  /** Now, or the watermark if that is later: a clock that was set back runs nothing twice. */
  readonly after: Date;
}

export interface Upcoming {
  /** For `status.next`: the coming instants of all schedules as the ledger writes them, in order, each once. */
  readonly next: readonly string[];
  /** `next 2026-11-23T02:30+01:00 (Europe/Zurich)`, in the zone of the schedule that comes first. */
  readonly phrase: string;
}

/** What comes next of a job's schedules: `count` instants at the most. */
export function describeSchedules({ schedules, after }: UpcomingInput, count = 3): Upcoming {
  const next: string[] = [];
  let phrase = 'no further instant';
  let instant: Date = after;
  while (next.length < count) {
    const first = firstOf(schedules, instant);
    if (!first) break;
    if (next.length === 0) phrase = `next ${instantInZone(first.schedule, first.instant)}`;
    next.push(instantText(first.instant));
    instant = first.instant;
  }
  return { next, phrase };
}

/** The first instant of several schedules after a moment, for whoever sets a timer; undefined when none comes. */
export function nextOf(schedules: readonly Times[], after: Date): Date | undefined {
  return firstOf(schedules, after)?.instant;
}

function firstOf(schedules: readonly Times[], after: Date): { schedule: Times; instant: Date } | undefined {
  let first: { schedule: Times; instant: Date } | undefined;
  for (const schedule of schedules) {
    const instant = nextInstant(schedule, after);
    if (instant && (!first || instant < first.instant)) first = { schedule, instant };
  }
  return first;
}

/** An instant as the ledger and a run's trigger write it: `2026-11-23T01:30:00Z`. Equal instants have equal texts. */
export const instantText = (instant: Date): string => `${instant.toISOString().slice(0, 19)}Z`;

/** An instant as the clock of its schedule shows it: `2026-11-23T02:30+01:00 (Europe/Zurich)`. */
export function instantInZone({ timeZone = DEFAULT_TIME_ZONE }: Pick<Times, 'timeZone'>, instant: Date): string {
  const offset = zoneOf(timeZone).offset(instant.getTime()) / 60_000;
  const local = new Date(instant.getTime() + offset * 60_000).toISOString().slice(0, 16);
  const digits = (count: number): string => String(Math.trunc(Math.abs(count))).padStart(2, '0');
  const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${digits(offset / 60)}:${digits(offset % 60)}`;
  return `${local}${zone} (${timeZone})`;
}
