import { terminalError } from '../errors.ts';
import type { Job, MatrixValue } from '../schemas/index.ts';
import type { Finding } from './explain.ts';
import { type Combination, expandMatrix } from './matrix.ts';
import { type FieldPath, formatPath } from './positions.ts';
import { quote } from './words.ts';

type JobSpec = Job['spec'];
type Env = NonNullable<JobSpec['env']>;

/** The task of a run without fan-out. */
export const DEFAULT_TASK = 'default';

/** A task's name is a label value in Kubernetes and a part of file names on the ledger. */
const LONGEST_TASK_NAME = 63;

/** One unit of a run's fan-out. */
export interface Task {
  readonly name: string;
  /** Units of its runner set that it takes. */
  readonly slots: number;
  /** The task's own variables, as written: they win over the job's, and a step's win over them. */
  readonly env: Env;
  /** Its values of the matrix, in the order of the keys; none without a matrix. */
  readonly matrix: Readonly<Record<string, MatrixValue>>;
  /** `RUNLEDGER_MATRIX_<KEY>` with the text of each value. */
  readonly variables: Readonly<Record<string, string>>;
  /** Parameters that its values of the matrix set. */
  readonly params: Readonly<Record<string, string>>;
}

/**
 * The tasks of a run, in their order; without tasks and matrix there is one, `default`. The spec has to be valid; throws
 * CodedError `InvalidMatrix` (terminal) for a matrix that is not.
 */
export function tasksOf(spec: JobSpec): readonly Task[] {
  const slots = spec.slots ?? 1;
  if (spec.tasks)
    return spec.tasks.map((task) =>
      typeof task === 'string' ? plainTask(task, slots) : plainTask(task.name, task.slots ?? slots, task.env),
    );
  if (!spec.matrix) return [plainTask(DEFAULT_TASK, slots)];
  const { combinations, findings } = expandMatrix(spec.matrix);
  const [wrong] = [...findings, ...nameFindings(combinations)];
  if (wrong) throw terminalError('InvalidMatrix', `${formatPath(wrong.path)}: ${wrong.message}`);
  return combinations.map(({ values }) => matrixTask(values, spec));
}

/** The tasks that a run executes: all of its fan-out, or of these the ones that were asked for alone. */
export function tasksOfRun(run: { readonly spec: JobSpec; readonly tasks?: readonly string[] }): readonly Task[] {
  const all = tasksOf(run.spec);
  return run.tasks === undefined ? all : all.filter(({ name }) => run.tasks?.includes(name));
}

function plainTask(name: string, slots: number, env: Env = {}): Task {
  return { name, slots, env, matrix: {}, variables: {}, params: {} };
}

function matrixTask(values: Combination['values'], { slots = 1, parameters = {} }: JobSpec): Task {
  const texts = Object.entries(values).map(([key, value]) => [key, String(value)] as const);
  return {
    name: matrixTaskName(values),
    slots,
    env: {},
    matrix: values,
    variables: Object.fromEntries(texts.map(([key, text]) => [matrixVariable(key), text])),
    params: Object.fromEntries(texts.filter(([key]) => Object.hasOwn(parameters, key))),
  };
}

/**
 * The spec that one task executes: its variables over the job's, its slots, the parameters that it sets as their defaults, and no
 * fan-out any more. What it says in templates is rendered after this.
 */
export function specOfTask(spec: JobSpec, task: Task): JobSpec {
  const { tasks: _tasks, matrix: _matrix, ...rest } = spec;
  const parameters = spec.parameters && {
    ...spec.parameters,
    ...Object.fromEntries(
      Object.entries(task.params).map(([name, value]) => [name, { ...spec.parameters?.[name], default: value }]),
    ),
  };
  return {
    ...rest,
    ...(Object.keys(task.env).length > 0 && { env: { ...spec.env, ...task.env } }),
    ...(task.slots !== (spec.slots ?? 1) && { slots: task.slots }),
    ...(parameters && { parameters }),
  };
}

/** The variable that scripts read a value of the matrix from: `nodeVersion` and `node_version` are `RUNLEDGER_MATRIX_NODE_VERSION`. */
export function matrixVariable(key: string): string {
  return `RUNLEDGER_MATRIX_${key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()}`;
}

/** The values joined with `-`, as a DNS label; it may still be empty or too long. */
export function matrixTaskName(values: Readonly<Record<string, MatrixValue>>): string {
  return Object.values(values)
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

/** Combinations that can't be tasks for their names: empty, too long, or the same. */
export function nameFindings(combinations: readonly Combination[]): readonly Finding[] {
  const findings: Finding[] = [];
  const add = (path: FieldPath, message: string): void => void findings.push({ path, place: 'key', message });
  const taken = new Map<string, Combination>();
  for (const combination of combinations) {
    const { values, path } = combination;
    const name = matrixTaskName(values);
    const other = taken.get(name);
    if (name === '') add(path, `${shown(values)} gives no name for a task; write letters or digits in a value`);
    else if (name.length > LONGEST_TASK_NAME)
      add(
        path,
        `${quote(name)} would be a task; its name has ${name.length} characters, at most ${LONGEST_TASK_NAME} are allowed`,
      );
    else if (other) add(path, `${shown(other.values)} and ${shown(values)} would both be the task ${quote(name)}`);
    taken.set(name, other ?? combination);
  }
  return findings;
}

const shown = (values: Readonly<Record<string, MatrixValue>>): string =>
  `{ ${Object.entries(values)
    .map(([key, value]) => `${key}: ${quote(value)}`)
    .join(', ')} }`;
