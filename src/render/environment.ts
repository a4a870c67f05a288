import type { V1EnvVar } from '@kubernetes/client-node';
import type { RunRecord, RunTask } from '../runner/port.ts';
import type { EnvValue } from '../schemas/index.ts';
import { PATHS } from './layout.ts';
import { literal } from './literal.ts';
import type { PodStep } from './steps.ts';

/** Which attempt an environment is for. */
export interface Attempt {
  /** Of the task. */
  readonly record: RunRecord;
  readonly task: RunTask;
  /** Counts from 1. */
  readonly attempt: number;
}

/** A variable as a container has it. */
export const environmentVariable = (name: string, value: EnvValue): V1EnvVar =>
  typeof value === 'string'
    ? { name, value: literal(value) }
    : { name, valueFrom: { secretKeyRef: { name: value.secret.name, key: value.secret.key } } };

/** The environment of a step (the job reference, Environment): the job's may replace HOME and CI, but nothing of RUNLEDGER_*. */
export function stepEnvironment(attempt: Attempt, step: PodStep): V1EnvVar[] {
  return Object.entries(stepVariables(attempt, step)).map(([name, value]) => environmentVariable(name, value));
}

/** The same as it is written: values, and references to Secrets. */
export const stepVariables = (attempt: Attempt, step: PodStep): Readonly<Record<string, EnvValue>> => ({
  CI: 'true',
  HOME: PATHS.home,
  ...step.env,
  ...ownVariables(attempt),
});

function ownVariables({ record, task, attempt }: Attempt): Readonly<Record<string, string>> {
  return {
    RUNLEDGER_JOB: record.job,
    RUNLEDGER_RUN: String(record.run),
    RUNLEDGER_TASK: task.name,
    RUNLEDGER_ATTEMPT: String(attempt),
    RUNLEDGER_SLOTS: String(task.slots),
    RUNLEDGER_REVISION: record.revision,
    RUNLEDGER_TRIGGER: record.trigger.kind,
    RUNLEDGER_WORKSPACE: PATHS.workspace,
    RUNLEDGER_FILES: PATHS.files,
    RUNLEDGER_OUTPUT: PATHS.output,
    RUNLEDGER_SHARED: PATHS.shared,
    ...Object.fromEntries(Object.entries(record.params).map(([name, value]) => [`RUNLEDGER_PARAM_${name}`, value])),
    ...task.variables,
  };
}
