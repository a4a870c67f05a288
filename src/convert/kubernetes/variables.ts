import { envNameTrouble, isEnvName } from '../names.ts';
import type { Draft } from '../draft.ts';
import type { Fields } from '../reader.ts';

/** The variables of a container. */
export interface Variables {
  /** What a job can say itself. */
  readonly env: Readonly<Record<string, unknown>>;
  /** What only Kubernetes knows (fields of the pod, ConfigMaps): for the pod's overlay. */
  readonly overlay: readonly unknown[];
  /** Texts by name; null for those that are not known before the pod runs. */
  readonly values: ReadonlyMap<string, string | null>;
}

/** The variable in which a pod of an indexed Job finds which one it is. */
export const COMPLETION_INDEX = 'JOB_COMPLETION_INDEX';

/** Reads `env` of a container. `ofTasks`: it is one of an indexed Job. `optional` is told each Secret that may be missing. */
export function readVariables(container: Fields, ofTasks: boolean, optional: (name: string) => void): Variables {
  const env: Record<string, unknown> = {};
  const overlay: unknown[] = [];
  const values = new Map<string, string | null>(ofTasks ? [[COMPLETION_INDEX, null]] : []);
  for (const variable of container.items('env')) {
    const name = variable.text('name') ?? '';
    const from = variable.fields('valueFrom');
    const text = expand(variable.text('value') ?? '', values);
    for (const unknown of text.unknown) variable.loss('value', filledIn(unknown));
    values.set(name, from ? null : text.text);
    if (name.startsWith('RUNLEDGER_')) variable.error('name', envNameTrouble(name));
    if (from === undefined) {
      if (isEnvName(name)) env[name] = text.text;
      else overlay.push({ name, value: text.text });
      continue;
    }
    const secret = from.fields('secretKeyRef');
    if (secret === undefined || !isEnvName(name)) {
      overlay.push({ name, valueFrom: Object.fromEntries(from.keys.map((key) => [key, from.take(key)])) });
      continue;
    }
    env[name] = { secret: { name: secret.text('name'), key: secret.text('key') } };
    if (secret.flag('optional') === true) optional(name);
  }
  return { env, overlay, values };
}

/** Whether each task has a number of its own. */
export const hasIndex = ({ spec: { tasks } }: Draft): boolean =>
  Array.isArray(tasks) && tasks.some((task) => typeof task === 'object');

export const filledIn = (name: string): string =>
  `$(${name}) is filled in by Kubernetes and not here; let a shell do it: [sh, -c, '… "$${name}"']`;

/**
 * A text with `$(NAME)` filled in as Kubernetes does: only for variables that there are, and `$$(` is `$(`
 * (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
 */
export function expand(
  text: string,
  values: ReadonlyMap<string, string | null>,
): { readonly text: string; readonly unknown: readonly string[] } {
  const unknown: string[] = [];
  const filled = text.replaceAll(/\$\$|\$\(([^()]+)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    const value = values.get(name);
    if (value === null) unknown.push(name);
    return value ?? whole;
  });
  return { text: filled, unknown };
}
