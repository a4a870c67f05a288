import { usageError } from '../errors.ts';
import type { Job } from '../schemas/index.ts';
import type { Task } from './fan-out.ts';
import { isSetByMatrix, valueTrouble } from './rules-parameters.ts';
import { didYouMean, listOf, quote } from './words.ts';

type JobSpec = Job['spec'];

/**
 * The values of all parameters of a spec: those that are given over the defaults; one without either is empty. A parameter that the
 * matrix sets has a value per task and none here. Throws CodedError `InvalidParameter` (usage) that names everything wrong at
 * once: unknown names, values that are not allowed, values of the matrix, and values that are missing where empty is not allowed.
 */
export function resolveParameters(
  spec: JobSpec,
  given: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const declared = spec.parameters ?? {};
  const names = Object.keys(declared);
  const problems: string[] = [];
  const fromMatrix = new Set(spec.matrix === undefined ? [] : names.filter((name) => isSetByMatrix(spec, name)));
  for (const name of Object.keys(given)) {
    if (fromMatrix.has(name)) problems.push(`the matrix sets the parameter ${name}, for each task; it can't be given`);
    if (Object.hasOwn(declared, name)) continue;
    const known = didYouMean(name, names) || (names.length > 0 ? `; it has ${listOf(names, 'and')}` : '; it has none');
    problems.push(`the job has no parameter ${quote(name)}${known}`);
  }
  const own = Object.entries(declared).filter(([name]) => !fromMatrix.has(name));
  const values = own.map(([name, parameter]): readonly [string, string] => {
    const isGiven = Object.hasOwn(given, name);
    const value = (isGiven ? given[name] : parameter.default) ?? '';
    const trouble = valueTrouble(parameter, value);
    if (trouble !== undefined) {
      const isMissing = !isGiven && parameter.default === undefined;
      const said = parameter.message === undefined ? '' : ` (${parameter.message})`;
      problems.push(
        isMissing
          ? `the parameter ${name} has no default and needs a value${said}`
          : `${name}: ${quote(value)} ${trouble}`,
      );
    }
    return [name, value];
  });
  if (problems.length > 0) {
    const hint = names.length > 0 ? `give values with --param ${names[0]}=VALUE` : 'leave --param away';
    throw usageError('InvalidParameter', problems.join('; '), { hint });
  }
  return Object.fromEntries(values);
}

/** The values that one task of a run has: those of the run, and over them those that its values of the matrix set. */
export function taskParameters(
  values: Readonly<Record<string, string>>,
  task: Pick<Task, 'params'>,
): Readonly<Record<string, string>> {
  return { ...values, ...task.params };
}

/** The spec with these values as the defaults of its parameters: what a run that was started with them executes. */
export function withParameters(spec: JobSpec, values: Readonly<Record<string, string>>): JobSpec {
  if (!spec.parameters) return spec;
  const parameters = Object.entries(spec.parameters).map(([name, parameter]) => [
    name,
    Object.hasOwn(values, name) ? { ...parameter, default: values[name] } : parameter,
  ]);
  return { ...spec, parameters: Object.fromEntries(parameters) as NonNullable<JobSpec['parameters']> };
}
