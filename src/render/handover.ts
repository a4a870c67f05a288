import { posix } from 'node:path';
import { DEFAULT_FILE_MODE } from '../job/defaults.ts';
import { taskRecord } from '../job/task-spec.ts';
import { terminalError } from '../errors.ts';
import type { RunRecord, RunTask } from '../runner/port.ts';
import { stepVariables } from './environment.ts';
import { fileKey } from './file-keys.ts';
import { PATHS, scriptPath } from './layout.ts';
import type { SecretUse } from './secret-uses.ts';
import { planRecord, type PodPlan, type PodStep } from './steps.ts';

/** A file of what is handed to a runner; the path counts from the root of the container. */
export interface HandoverFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

export interface HandoverParts {
  /** Of the run. */
  readonly record: RunRecord;
  readonly task: RunTask;
  /** Counts from 1. */
  readonly attempt: number;
  /** The contents of the payload, by key. */
  readonly payload: (key: string) => Uint8Array | undefined;
  /** The value of a Secret. */
  readonly secret: (name: string, key: string) => string;
}

const READ_EXECUTE = 0o555;
const READ = 0o444;

/**
 * What a runner gets to know of its attempt: the step's script, the job's files, and a list of variables, the command and its
 * folder. It is what the pod of the attempt would have mounted and been told. Throws `FileMissing` (terminal).
 */
export function handoverFiles(parts: HandoverParts): readonly HandoverFile[] {
  const { record } = taskRecord(parts.record, parts.task);
  const plan = planRecord(record);
  const [step] = plan.steps;
  if (!step) throw terminalError('InvalidPod', `${record.job} #${record.run} has no step`);
  const scripts =
    step.script === null
      ? []
      : [{ path: scriptPath(step.name), mode: READ_EXECUTE, content: Buffer.from(step.script) }];
  return [
    { path: `${PATHS.payload}/run`, mode: READ, content: Buffer.from(`${record.job} #${record.run}\n`) },
    ...scripts,
    ...filesOf(parts, plan),
    { path: `${PATHS.handover}/attempt`, mode: 0o600, content: attemptFile(parts, record, step) },
  ].map(({ path, mode, content }) => ({ path: path.replace(/^\/+/, ''), mode, content }));
}

function filesOf({ record, payload, secret }: HandoverParts, plan: PodPlan): readonly HandoverFile[] {
  return plan.spec.files.map((file, index) => {
    const key = fileKey(index, record.spec.files?.[index], file);
    const content = file.secret ? Buffer.from(secret(file.secret.name, file.secret.key)) : payload(key);
    if (content === undefined)
      throw terminalError(
        'FileMissing',
        `${record.job} #${record.run}: the content of the file ${file.path} is missing`,
      );
    const mode = Number.parseInt(file.mode ?? DEFAULT_FILE_MODE, 8);
    return { path: posix.join(PATHS.files, posix.normalize(file.path)), mode, content };
  });
}

/** One line each, so that whoever reads it has nothing to interpret: backslashes and line ends are escaped. */
function attemptFile({ task, attempt, secret }: HandoverParts, record: RunRecord, step: PodStep): Uint8Array {
  const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  const variables = Object.entries(stepVariables({ record, task, attempt }, step)).map(([name, value]) => {
    const text = typeof value === 'string' ? value : secret(value.secret.name, value.secret.key);
    return `env ${name} ${escaped(text)}`;
  });
  const lines = [
    ...variables,
    ...step.command.map((part) => `arg ${escaped(part)}`),
    `directory ${escaped(posix.resolve(PATHS.workspace, step.workingDirectory))}`,
  ];
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** The Secrets that the step and the files of a task name; `record` is that of the run. */
export const secretUsesOfHandover = (record: RunRecord, task: RunTask): readonly SecretUse[] =>
  secretUsesOfTask(taskRecord(record, task).record);

/** The same, of a record that is that of the task. */
export function secretUsesOfTask(record: RunRecord): readonly SecretUse[] {
  const plan = planRecord(record);
  const inEnvironment = plan.steps.flatMap(({ name: step, env }) =>
    Object.entries(env).flatMap(([name, value]): readonly SecretUse[] =>
      typeof value === 'string' ? [] : [use(value.secret, `the variable ${name} of step "${step}"`)],
    ),
  );
  const inFiles = plan.spec.files.flatMap(({ path, secret }): readonly SecretUse[] =>
    secret === undefined ? [] : [use(secret, `the file ${path}`)],
  );
  return [...inEnvironment, ...inFiles];
}

const use = ({ name, key }: { readonly name: string; readonly key: string }, field: string): SecretUse => ({
  name,
  keys: [key],
  optional: false,
  field,
});
