import type { DesiredJob } from '../job/model.ts';
import type { LiveRun } from '../runner/port.ts';
import type { JobStatus } from '../schemas/index.ts';
import { describeSchedules, instantText, nextOf } from './schedule/describe.ts';
import { dueInstants, schedulesOf, watermarkOf } from './schedule/due.ts';

/** What the schedules of a job say at a moment. */
export interface JobInstants {
  /** The instants that are due, oldest first, as triggers write them. */
  readonly due: readonly string[];
  /** The coming ones, for the status. */
  readonly next: readonly string[];
  /** `next 2026-11-23T02:30+01:00 (Europe/Zurich)`; undefined for a job without a schedule. */
  readonly phrase: string | undefined;
  /** When to look again: milliseconds since 1970. */
  readonly wakeAt: number | undefined;
  /** What the schedules are told from others by: a change of it starts a new watermark. Undefined without a schedule. */
  readonly of: string | undefined;
}

const NONE: JobInstants = { due: [], next: [], phrase: undefined, wakeAt: undefined, of: undefined };

/**
 * The instants of a job. Until the ledger knows since when its schedules are as they are (`status.schedule`), none is due.
 * What is suspended is not asked.
 */
export function dueOf(
  { outline }: DesiredJob,
  status: JobStatus | undefined,
  live: readonly LiveRun[],
  now: Date,
): JobInstants {
  const schedules = schedulesOf(outline.on);
  if (schedules.length === 0) return NONE;
  const of = JSON.stringify(schedules.map(({ cron, timeZone }) => [cron, timeZone ?? 'UTC']));
  const known = status?.schedule;
  const watermark = watermarkOf({
    since: known?.of === of ? new Date(known.since) : now,
    lastInstant: status?.lastInstant === undefined ? undefined : new Date(status.lastInstant),
    live: live.flatMap(({ record: { trigger } }) => (trigger.kind === 'schedule' ? [new Date(trigger.at)] : [])),
  });
  const after = watermark > now ? watermark : now;
  const { next, phrase } = describeSchedules({ schedules, after });
  return {
    due: dueInstants({ schedules, watermark, now }).due.map(instantText),
    next,
    phrase,
    wakeAt: nextOf(schedules, after)?.getTime(),
    of,
  };
}
