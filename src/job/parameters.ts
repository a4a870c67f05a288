import { usageError } from '../errors.ts';
import type { Job } from '../schemas/index.ts';
import { valueTrouble } from './rules-parameters.ts';
import { didYouMean, listOf, quote } from './words.ts';

type JobSpec = Job['spec'];

/**
 * The values of all parameters of a spec: those that are given over the defaults; one without either is empty. Throws
 * CodedError `InvalidParameter` (usage) that names everything wrong at once: unknown names, values that are not allowed, and
 * values that are missing where empty is not allowed.
 */
export function resolveParameters(
  spec: JobSpec,
  given: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const declared = spec.parameters ?? {};
  const names = Object.keys(declared);
  const problems: string[] = [];
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(declared, name)) continue;
    const known = didYouMean(name, names) || (names.length > 0 ? `; it has ${listOf(names, 'and')}` : '; it has none');
    problems.push(`the job has no parameter ${quote(name)}${known}`);
  }
  const values = Object.entries(declared).map(([name, parameter]): readonly [string, string] => {
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

/** The spec with these values as the defaults of its parameters: what a run that was started with them executes. */
export function withParameters(spec: JobSpec, values: Readonly<Record<string, string>>): JobSpec {
  if (!spec.parameters) return spec;
  const parameters = Object.entries(spec.parameters).map(([name, parameter]) => [
    name,
    Object.hasOwn(values, name) ? { ...parameter, default: values[name] } : parameter,
  ]);
  return { ...spec, parameters: Object.fromEntries(parameters) as NonNullable<JobSpec['parameters']> };
}
