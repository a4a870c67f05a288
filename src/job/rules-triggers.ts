import { cronTrouble, isTimeZone, timeZones } from './cron.ts';
import type { Finding } from './explain.ts';
import type { FieldPath } from './positions.ts';
import { finding, type Rule } from './rule.ts';
import { positive } from './rules-limits.ts';
import { didYouMean, quote } from './words.ts';

interface Schedule {
  readonly cron: string;
  readonly timeZone?: string;
  readonly deadline?: string;
}

export const schedulesRule: Rule = function* ({ spec: { on } }) {
  const schedule: Schedule | readonly Schedule[] | undefined = on?.schedule;
  if (schedule === undefined) return;
  const path = ['spec', 'on', 'schedule'];
  if ('cron' in schedule) yield* scheduleTroubles(schedule, path);
  else for (const [index, entry] of schedule.entries()) yield* scheduleTroubles(entry, [...path, index]);
};

function* scheduleTroubles({ cron, timeZone, deadline }: Schedule, path: FieldPath): Iterable<Finding> {
  const trouble = cronTrouble(cron);
  if (trouble !== undefined) yield finding([...path, 'cron'], trouble);
  if (timeZone !== undefined && !isTimeZone(timeZone))
    yield finding([...path, 'timeZone'], `${quote(timeZone)} is not a time zone${didYouMean(timeZone, timeZones())}`);
  yield* positive([...path, 'deadline'], deadline);
}

/** What one manifest alone tells; unknown names and cycles take all of them (needs.ts). */
export const needsRule: Rule = function* ({ metadata, spec: { needs = [] } }) {
  const seen = new Set<string>();
  for (const [index, need] of needs.entries()) {
    const [name, path] =
      typeof need === 'string' ? [need, ['spec', 'needs', index]] : [need.job, ['spec', 'needs', index, 'job']];
    if (name === metadata.name) yield finding(path, "a job can't need itself");
    else if (seen.has(name)) yield finding(path, `${quote(name)} is in the list twice`);
    seen.add(name);
  }
};
