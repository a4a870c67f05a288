import type { RunnerSet } from '../schemas/index.ts';
import type { Finding } from './explain.ts';
import type { FieldPath } from './positions.ts';
import { cronTrouble, isTimeZone, timeZoneHint } from './cron.ts';
import { checkPositive } from './rules-limits.ts';
import type { Report } from './rule.ts';
import { quote } from './words.ts';

/** What a schema can't say of a runner set. */
export function runnerSetFindings({ spec }: RunnerSet): readonly Finding[] {
  const findings: Finding[] = [];
  const report: Report = (path, message, place = 'value') => void findings.push({ path, place, message });
  const { minRunners = 0, maxRunners, schedule = [], image } = spec;
  if (minRunners > maxRunners) report(['spec', 'minRunners'], `${minRunners} is more than maxRunners, ${maxRunners}`);
  if (/\s/.test(image)) report(['spec', 'image'], `${quote(image)} is not an image; it holds white space`);
  checkPositive(report, spec.idleTimeout, () => ['spec', 'idleTimeout']);
  checkPositive(report, spec.maxLifetime, () => ['spec', 'maxLifetime']);
  for (const [index, window] of schedule.entries()) {
    const at = (field: string): FieldPath => ['spec', 'schedule', index, field];
    const trouble = cronTrouble(window.cron);
    if (trouble !== undefined) report(at('cron'), trouble);
    if (window.timeZone !== undefined && !isTimeZone(window.timeZone))
      report(at('timeZone'), `${quote(window.timeZone)} is not a time zone${timeZoneHint(window.timeZone)}`);
    checkPositive(report, window.for, () => at('for'));
    if (window.minRunners > maxRunners)
      report(at('minRunners'), `${window.minRunners} is more than maxRunners, ${maxRunners}`);
  }
  return findings;
}
