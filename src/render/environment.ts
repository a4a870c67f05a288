import type { V1EnvVar } from '@kubernetes/client-node';
import type { RunRecord } from '../runner/port.ts';
import { PATHS } from './layout.ts';
import { literal } from './literal.ts';
import type { PodStep } from './steps.ts';

/** Which attempt an environment is for. */
export interface Attempt {
  readonly record: RunRecord;
  readonly task: string;
  readonly attempt: number;
  readonly slots: number;
}

/** The environment of a step (the job reference, Environment): the job's may replace HOME and CI, but nothing of RUNLEDGER_*. */
export function stepEnvironment(attempt: Attempt, step: PodStep): V1EnvVar[] {
  const variables = new Map<string, V1EnvVar>();
  const set = (variable: V1EnvVar): unknown => variables.set(variable.name, variable);
  set({ name: 'CI', value: 'true' });
  set({ name: 'HOME', value: PATHS.home });
  for (const [name, value] of Object.entries(step.env))
    set(
      typeof value === 'string'
        ? { name, value: literal(value) }
        : { name, valueFrom: { secretKeyRef: { name: value.secret.name, key: value.secret.key } } },
    );
  for (const [name, value] of Object.entries(ownVariables(attempt))) set({ name, value: literal(value) });
  return [...variables.values()];
}

function ownVariables({ record, task, attempt, slots }: Attempt): Readonly<Record<string, string>> {
  return {
    RUNLEDGER_JOB: record.job,
    RUNLEDGER_RUN: String(record.run),
    RUNLEDGER_TASK: task,
    RUNLEDGER_ATTEMPT: String(attempt),
    RUNLEDGER_SLOTS: String(slots),
    RUNLEDGER_REVISION: record.revision,
    RUNLEDGER_TRIGGER: record.trigger.kind,
    RUNLEDGER_WORKSPACE: PATHS.workspace,
    RUNLEDGER_FILES: PATHS.files,
    RUNLEDGER_OUTPUT: PATHS.output,
    RUNLEDGER_SHARED: PATHS.shared,
    ...Object.fromEntries(Object.entries(record.params).map(([name, value]) => [`RUNLEDGER_PARAM_${name}`, value])),
  };
}
