import { durationMs } from '../../job/duration.ts';
import type { Schedule } from '../../schemas/index.ts';
import { latestInstant, nextInstant } from './instants.ts';
import { instantInZone } from './describe.ts';

export interface DueInput {
  /** All schedules of one job (`schedulesOf`), valid ones. */
  readonly schedules: readonly Schedule[];
  /** Instants up to this moment are dealt with, whatever became of them (`watermarkOf`). */
  readonly watermark: Date;
  readonly now: Date;
}

export interface DueInstants {
  /**
   * The instants to run, oldest first; what several schedules share is there once. The runs have to be claimed in this
   * order: who stops in between leaves only later instants, and those stay due.
   */
  readonly due: readonly Date[];
  /** What is passed over for good, at most one entry a schedule. An instant that another schedule brings is not missed. */
  readonly missed: readonly MissedInstants[];
  /** Where the watermark stands once all of this is dealt with: the newest instant so far. It never goes back. */
  readonly watermark: Date;
}

/** The instants of one schedule that are not made up for. */
export interface MissedInstants {
  readonly schedule: Schedule;
  readonly reason: 'InstantMissed';
  readonly oldest: Date;
  readonly newest: Date;
  /** How many, counted up to MISSED_COUNTED; `more` says that there are further ones. */
  readonly count: number;
  readonly more: boolean;
  /** A sentence for a person, without a full stop. */
  readonly message: string;
}

/** Missed instants are counted up to this, so that the cost does not grow with the length of an outage. */
export const MISSED_COUNTED = 10;

const DEFAULT_MAX_CATCH_UP = 10;
const DEFAULT_DEADLINE_OF_NONE = '1m';

/** What is written under `on.schedule`, as a list. */
export function schedulesOf(
  on: { readonly schedule?: Schedule | readonly Schedule[] } | undefined,
): readonly Schedule[] {
  const schedule = on?.schedule;
  if (schedule === undefined) return [];
  return 'cron' in schedule ? [schedule] : schedule;
}

/**
 * The moment up to which a job's instants are dealt with.
 *
 * - `since`: when the schedule, as it is now and not suspended, came to be: the time of the commit that brought it, that changed
 *   its cron expressions or time zones, or that lifted `suspend`. It has to survive restarts; a new one at each start would
 *   drop what passed meanwhile. While a job is suspended nobody asks for its instants: with the moment of resuming as
 *   `since`, those that passed before are never made up for.
 * - `lastInstant`: the newest instant that the ledger knows as dealt with.
 * - `live`: the instants of all runs that are claimed and not on the ledger yet.
 */
export function watermarkOf(known: {
  readonly since: Date;
  readonly lastInstant?: Date | undefined;
  readonly live?: readonly Date[];
}): Date {
  const moments = [known.since, ...(known.live ?? []), ...(known.lastInstant ? [known.lastInstant] : [])];
  return new Date(moments.reduce((latest, moment) => Math.max(latest, moment.getTime()), -Infinity));
}

/**
 * The instants after the watermark and up to now: those that are due, and those that are passed over.
 *
 * - `none` and `latest` make the newest one due, if it is not later than `deadline` (`none`: 1m unless written);
 * - `all` makes the newest `maxCatchUp` due that are not later than `deadline`.
 *
 * What is missed once is missed for good. A clock that is set back gives nothing until it has passed the watermark again.
 */
export function dueInstants({ schedules, watermark, now }: DueInput): DueInstants {
  const chosen = new Map<number, Date>();
  let newest = watermark.getTime();
  for (const schedule of schedules) {
    for (const instant of chosenOf(schedule, watermark, now)) chosen.set(instant.getTime(), instant);
    newest = Math.max(newest, latestInstant(schedule, now)?.getTime() ?? newest);
  }
  const due = [...chosen.values()].sort((a, b) => a.getTime() - b.getTime());
  const missed =
    newest > watermark.getTime()
      ? schedules.flatMap((schedule) => missedOf(schedule, watermark, now, chosen) ?? [])
      : [];
  return { due, missed, watermark: new Date(newest) };
}

/** The instants of one schedule that its `catchUp` makes due, newest first. */
function chosenOf(schedule: Schedule, watermark: Date, now: Date): readonly Date[] {
  const { catchUp = 'latest', maxCatchUp = DEFAULT_MAX_CATCH_UP } = schedule;
  const deadline = schedule.deadline ?? (catchUp === 'none' ? DEFAULT_DEADLINE_OF_NONE : undefined);
  const earliest = deadline === undefined ? -Infinity : now.getTime() - durationMs(deadline);
  const most = catchUp === 'all' ? maxCatchUp : 1;
  const chosen: Date[] = [];
  for (const instant of backwards(schedule, watermark, now)) {
    if (chosen.length === most || instant.getTime() < earliest) break;
    chosen.push(instant);
  }
  return chosen;
}

/** The instants of a schedule after the watermark and up to now, newest first, as far as they are asked for. */
function* backwards(schedule: Schedule, watermark: Date, now: Date): Generator<Date, void> {
  let instant = latestInstant(schedule, now);
  while (instant && instant > watermark) {
    yield instant;
    instant = latestInstant(schedule, new Date(instant.getTime() - 1));
  }
}

function missedOf(
  schedule: Schedule,
  watermark: Date,
  now: Date,
  chosen: ReadonlyMap<number, Date>,
): MissedInstants | undefined {
  const passedOver: Date[] = [];
  for (const instant of backwards(schedule, watermark, now)) {
    if (!chosen.has(instant.getTime())) passedOver.push(instant);
    if (passedOver.length > MISSED_COUNTED) break;
  }
  const [newest] = passedOver;
  if (!newest) return undefined;
  const more = passedOver.length > MISSED_COUNTED;
  const oldest = more ? oldestPassedOver(schedule, watermark, chosen) : (passedOver.at(-1) ?? newest);
  const found = { schedule, oldest, newest, count: Math.min(passedOver.length, MISSED_COUNTED), more };
  return { ...found, reason: 'InstantMissed', message: messageOf(found) };
}

function oldestPassedOver(schedule: Schedule, watermark: Date, chosen: ReadonlyMap<number, Date>): Date {
  let instant = nextInstant(schedule, watermark) ?? watermark;
  while (chosen.has(instant.getTime())) instant = nextInstant(schedule, instant) ?? watermark;
  return instant;
}

function messageOf(missed: Omit<MissedInstants, 'reason' | 'message'>): string {
  const { schedule, oldest, newest, count, more } = missed;
  const { catchUp = 'latest', deadline, maxCatchUp = DEFAULT_MAX_CATCH_UP } = schedule;
  const late = deadline === undefined ? '' : ` within ${deadline}`;
  const rule = {
    none: `only what is at most ${deadline ?? DEFAULT_DEADLINE_OF_NONE} late runs`,
    latest: `only the newest one${late} is made up for`,
    all: `only the newest ${maxCatchUp}${late} are made up for`,
  }[catchUp];
  const [from, to] = [instantInZone(schedule, oldest), instantInZone(schedule, newest)];
  const which = count === 1 ? `the instant ${to}` : `${more ? `more than ${count}` : count} instants, ${from} to ${to}`;
  return `missed ${which}: with catchUp ${catchUp}, ${rule}`;
}
