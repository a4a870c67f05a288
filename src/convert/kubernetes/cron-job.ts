import { cronTrouble, isTimeZone, timeZoneHint } from '../../job/cron.ts';
import { defined, type Draft } from '../draft.ts';
import { secondsOf } from '../names.ts';
import type { Fields } from '../reader.ts';
import { convertJobSpec } from './job.ts';
import { convertTemplateMetadata } from './metadata.ts';

const POLICIES: Readonly<Record<string, string>> = { Allow: 'allow', Forbid: 'skip', Replace: 'replace' };

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/cron-job-v1/#CronJobSpec */
export function convertCronJobSpec(spec: Fields, draft: Draft): void {
  draft.spec['on'] = { schedule: scheduleOf(spec, draft) };
  const policy = spec.text('concurrencyPolicy') ?? 'Allow';
  if (POLICIES[policy] === undefined)
    spec.error('concurrencyPolicy', `${JSON.stringify(policy)} is not known; write Allow, Forbid or Replace`);
  draft.spec['concurrency'] = { policy: POLICIES[policy] };
  for (const key of ['successfulJobsHistoryLimit', 'failedJobsHistoryLimit'])
    if (spec.has(key)) draft.note(['spec', 'keep'], `${key} was ${spec.integer(key)}; keep.runs says how many stay`);
  const template = spec.fields('jobTemplate');
  convertTemplateMetadata(template?.fields('metadata'), draft, 'jobs');
  const job = template?.fields('spec');
  if (job) convertJobSpec(job, draft);
  else spec.error('jobTemplate', 'is missing, or has no spec');
  if (spec.flag('suspend') === true) draft.spec['suspend'] = true;
}

function scheduleOf(spec: Fields, draft: Draft): unknown {
  const written = spec.text('schedule') ?? '';
  const [, zoneInCron, fields] = /^(?:(?:CRON_)?TZ=(\S+)\s+)?(.*)$/s.exec(written) ?? [];
  const cron = fields?.trim() ?? '';
  const trouble = cronTrouble(cron);
  if (trouble !== undefined) spec.error('schedule', trouble);
  const timeZone = spec.text('timeZone') ?? zoneInCron;
  if (timeZone !== undefined && !isTimeZone(timeZone))
    spec.error('timeZone', `${JSON.stringify(timeZone)} is not a time zone${timeZoneHint(timeZone)}`);
  if (timeZone === undefined)
    draft.note(
      ['spec', 'on'],
      'in UTC; Kubernetes takes the time zone of its controller manager, which mostly is the same',
    );
  return defined({ cron, timeZone, deadline: secondsOf(spec, 'startingDeadlineSeconds') });
}
