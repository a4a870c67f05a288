import { Cron } from 'croner';
import type { Schedule } from '../../schemas/index.ts';
import { memoize } from './memo.ts';
import { zoneOf, type Change, type Zone } from './zone.ts';

/*
 * A cron expression names wall times; an instant is the first moment at which the clock of the schedule's zone shows such a
 * time, or a later one. So
 * - a time in a gap comes when the gap ends, together with a time that exists there;
 * - a time that comes twice comes the first time;
 * - and since the latest time that a clock has ever shown never goes back, neither do instants.
 *
 * One exception: where the hour field is `*`, no hour is named and the schedule goes on through the hour that comes twice.
 * Else a job for every five minutes would stand still for an hour each autumn.
 *
 * croner finds the wall times, as if they were UTC, where no clock is ever set. By itself it leaves out `0,15 2 * * *` in a gap and
 * runs it twice when the hour comes twice. A fixed offset makes it ten times as fast as a time zone, UTC included.
 */

/** The first instant of a valid schedule that is later than `after`; undefined when none comes. */
export function nextInstant(schedule: Pick<Schedule, 'cron' | 'timeZone'>, after: Date): Date | undefined {
  return dateOf(timetableOf(schedule).next(after.getTime()));
}

/** The newest instant of a valid schedule that is not later than `upTo`. */
export function latestInstant(schedule: Pick<Schedule, 'cron' | 'timeZone'>, upTo: Date): Date | undefined {
  return dateOf(timetableOf(schedule).latest(upTo.getTime()));
}

const dateOf = (at: number | undefined): Date | undefined => (at === undefined ? undefined : new Date(at));

export const DEFAULT_TIME_ZONE = 'UTC';

/** The instants of a schedule, in milliseconds. What was asked last is remembered: between two instants asking costs little. */
interface Timetable {
  readonly next: (after: number) => number | undefined;
  readonly latest: (upTo: number) => number | undefined;
}

const TIMETABLES_KEPT = 10_000;

const timetables = memoize(TIMETABLES_KEPT, (key: string): Timetable => {
  const [cron = '', timeZone = DEFAULT_TIME_ZONE] = key.split('\n');
  return makeTimetable(wallTimes(cron), zoneOf(timeZone), namesNoHour(cron));
});

function timetableOf({ cron, timeZone = DEFAULT_TIME_ZONE }: Pick<Schedule, 'cron' | 'timeZone'>): Timetable {
  return timetables(`${cron.trim().split(/\s+/).join(' ')}\n${timeZone}`);
}

function namesNoHour(cron: string): boolean {
  if (cron.startsWith('@')) return cron.toLowerCase() === '@hourly';
  return /^(\*|\*\/1)$/.test(cron.split(' ')[1] ?? '');
}

function makeTimetable(walls: WallTimes, zone: Zone, everyHour: boolean): Timetable {
  return {
    next: (after) => {
      const wall = walls(latestShown(zone, after)).next;
      const first = wall === undefined ? undefined : firstShown(zone, wall);
      return everyHour ? earlier(first, nextRepeated(walls, zone, after)) : first;
    },
    latest: (upTo) => {
      const wall = walls(latestShown(zone, upTo)).latest;
      if (wall === undefined) return undefined;
      const first = firstShown(zone, wall);
      return everyHour ? (latestRepeated(walls, zone, first, upTo) ?? first) : first;
    },
  };
}

const earlier = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);

/** The wall times of an expression around one: the newest that is not later, and the first that is. */
type WallTimes = (wall: number) => { readonly latest: number | undefined; readonly next: number | undefined };

function wallTimes(cron: string): WallTimes {
  const pattern = new Cron(cron, { mode: '5-part', paused: true, utcOffset: 0 });
  const known: ReturnType<WallTimes>[] = [];
  return (wall) => {
    const found = known.find(({ latest = -Infinity, next = Infinity }) => latest <= wall && wall < next);
    if (found) return found;
    const next = pattern.nextRun(new Date(wall))?.getTime();
    // What croner calls previous is earlier than its reference.
    const latest = pattern.previousRuns(1, new Date(wall + 1))[0]?.getTime();
    known.unshift({ latest, next });
    known.length = Math.min(known.length, ANSWERS_KEPT);
    return { latest, next };
  };
}

/** A pass asks for now, and for a few instants before. */
const ANSWERS_KEPT = 4;

const HOUR = 3_600_000;
/** Clocks are set by a day at the most: where a country crosses the date line. */
const LARGEST_CHANGE = 26 * HOUR;
/** No zone is further from UTC. */
const LARGEST_OFFSET = 15 * HOUR;

/** The latest wall time that the zone's clock has shown up to a moment. */
function latestShown(zone: Zone, at: number): number {
  let latest = at + zone.offset(at);
  for (const change of zone.changes(at - LARGEST_CHANGE, at)) latest = Math.max(latest, change.at + change.before - 1);
  return latest;
}

/** The first moment at which the zone's clock shows a wall time or a later one. */
function firstShown(zone: Zone, wall: number): number {
  let offset = zone.offset(wall - LARGEST_OFFSET);
  for (const change of zone.changes(wall - LARGEST_OFFSET, wall + LARGEST_OFFSET)) {
    if (wall - offset < change.at) break;
    if (wall <= change.at + change.after) return change.at;
    offset = change.after;
  }
  return wall - offset;
}

/** When the clock shows no more times for the second time. */
const repeatedUntil = ({ at, before, after }: Change): number => at + Math.max(0, before - after);

/** The first moment after another at which a wall time comes for the second time. */
function nextRepeated(walls: WallTimes, zone: Zone, after: number): number | undefined {
  for (const change of zone.changes(after - LARGEST_CHANGE, after + LARGEST_CHANGE)) {
    const wall = walls(Math.max(after, change.at - 1) + change.after).next;
    if (wall !== undefined && wall - change.after < repeatedUntil(change)) return wall - change.after;
  }
  return undefined;
}

/**
 * The newest moment, later than `first` and up to `upTo`, at which a wall time comes for the second time. `first` is when the
 * latest one came for the first time; what comes twice does so within the largest change after it.
 */
function latestRepeated(walls: WallTimes, zone: Zone, first: number, upTo: number): number | undefined {
  for (const change of zone.changes(first, Math.min(upTo, first + LARGEST_CHANGE)).toReversed()) {
    const wall = walls(Math.min(upTo, repeatedUntil(change) - 1) + change.after).latest;
    if (wall !== undefined && wall - change.after >= change.at && repeatedUntil(change) > change.at)
      return wall - change.after;
  }
  return undefined;
}
