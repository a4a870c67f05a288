import type { NormalStep } from '../../job/defaults.ts';
import type { AttemptStart, RunRecord } from '../port.ts';
import type { AttemptPaths } from './layout.ts';
import type { Secrets } from './secrets.ts';

/**
 * What a step inherits of runledger's own environment, and nothing else: where programs are, language, time zone and
 * who is logged in. Everything else comes from the job, or is set by runledger.
 */
export const INHERITED = [
  'PATH',
  'LANG',
  'LANGUAGE',
  'LC_ALL',
  'LC_CTYPE',
  'LC_MESSAGES',
  'LC_COLLATE',
  'LC_NUMERIC',
  'LC_TIME',
  'LC_MONETARY',
  'TZ',
  'USER',
  'LOGNAME',
] as const;

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The variables that tell a run about itself (the job reference, Environment). */
function ownVariables(record: RunRecord, { task, number }: AttemptStart, paths: AttemptPaths): Record<string, string> {
  const params = Object.entries(record.params).map(([name, value]) => [`RUNLEDGER_PARAM_${name}`, value] as const);
  return {
    RUNLEDGER_JOB: record.job,
    RUNLEDGER_RUN: String(record.run),
    RUNLEDGER_TASK: task.name,
    RUNLEDGER_ATTEMPT: String(number),
    RUNLEDGER_SLOTS: String(task.slots),
    RUNLEDGER_REVISION: record.revision,
    RUNLEDGER_TRIGGER: record.trigger.kind,
    RUNLEDGER_WORKSPACE: paths.workspace,
    RUNLEDGER_FILES: paths.files,
    RUNLEDGER_OUTPUT: paths.output,
    RUNLEDGER_SHARED: paths.shared,
    ...Object.fromEntries(params),
    ...task.variables,
  };
}

/** The whole environment of a step. `own` is runledger's; the secrets that the step refers to have to be there. */
export function stepEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  record: RunRecord,
  attempt: AttemptStart,
  step: NormalStep,
  paths: AttemptPaths,
  secrets: Secrets,
): Record<string, string> {
  const environment: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const name of INHERITED) {
    const value = own[name];
    if (value !== undefined) environment[name] = value;
  }
  Object.assign(environment, { HOME: paths.home, TMPDIR: paths.tmp, CI: 'true' });
  for (const [name, value] of Object.entries(step.env)) {
    const text = typeof value === 'string' ? value : secrets.get(value.secret.name)?.get(value.secret.key);
    if (text !== undefined) environment[name] = text;
  }
  return { ...environment, ...ownVariables(record, attempt, paths) };
}
