import { cronTrouble, isTimeZone, timeZoneHint } from './cron.ts';
import type { FieldPath } from './positions.ts';
import type { Report, Rule } from './rule.ts';
import { checkPositive } from './rules-limits.ts';
import { quote } from './words.ts';

interface Schedule {
  readonly cron: string;
  readonly timeZone?: string;
  readonly deadline?: string;
}

/** Every pass looks at each of them. */
const MOST_SCHEDULES = 100;

export const schedulesRule: Rule = ({ job }, report) => {
  const schedule: Schedule | readonly Schedule[] | undefined = job.spec.on?.schedule;
  if (schedule === undefined) return;
  const path = ['spec', 'on', 'schedule'];
  if ('cron' in schedule) checkSchedule(schedule, path, report);
  else if (schedule.length > MOST_SCHEDULES)
    report(path, `has ${schedule.length} schedules; the most is ${MOST_SCHEDULES}`);
  else for (const [index, entry] of schedule.entries()) checkSchedule(entry, [...path, index], report);
};

function checkSchedule({ cron, timeZone, deadline }: Schedule, path: FieldPath, report: Report): void {
  const trouble = cronTrouble(cron);
  if (trouble !== undefined) report([...path, 'cron'], trouble);
  if (timeZone !== undefined && !isTimeZone(timeZone))
    report([...path, 'timeZone'], `${quote(timeZone)} is not a time zone${timeZoneHint(timeZone)}`);
  checkPositive(report, deadline, () => [...path, 'deadline']);
}

/** What one manifest alone tells; unknown names and cycles take all of them (needs.ts). */
export const needsRule: Rule = ({ job: { metadata, spec } }, report) => {
  const { needs } = spec;
  if (!needs) return;
  const seen = new Set<string>();
  for (const [index, need] of needs.entries()) {
    const [name, path] =
      typeof need === 'string' ? [need, ['spec', 'needs', index]] : [need.job, ['spec', 'needs', index, 'job']];
    if (name === metadata.name) report(path, "a job can't need itself");
    else if (seen.has(name)) report(path, `${quote(name)} is in the list twice`);
    seen.add(name);
  }
};
