import { terminalError } from '../errors.ts';
import type { RunRecord } from '../runner/port.ts';
import type { Job, MatrixValue, Result } from '../schemas/index.ts';
import { type CelScope, celType, type CelValues, celValue, compile, EXPRESSION_LIMITS } from './cel.ts';
import { type ExpressionNames, nameTrouble } from './expression-names.ts';
import type { Task } from './fan-out.ts';
import { taskParameters } from './parameters.ts';
import { shorten } from './words.ts';

/** Everything that expressions see of a run. */
export interface ExpressionContext {
  readonly params: Readonly<Record<string, string>>;
  readonly matrix: Readonly<Record<string, MatrixValue>>;
  readonly job: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly run: { readonly number: number; readonly revision: string };
  readonly trigger: RunRecord['trigger'];
  /** By the name of the needed job. */
  readonly needs: Readonly<Record<string, NeededOutcome>>;
}

/** What is known of the run of a needed job. */
export interface NeededOutcome {
  readonly result: Result;
  readonly vars: Readonly<Record<string, string>>;
}

/** The context of a run and, with a task, of what belongs to that task alone. `needs` holds what the job needs. */
export function contextOf(
  record: Pick<RunRecord, 'job' | 'run' | 'revision' | 'trigger' | 'labels' | 'params'>,
  task?: Pick<Task, 'matrix' | 'params'>,
  needs: ExpressionContext['needs'] = {},
): ExpressionContext {
  return {
    params: task ? taskParameters(record.params, task) : record.params,
    matrix: task?.matrix ?? {},
    job: { name: record.job, labels: record.labels },
    run: { number: record.run, revision: record.revision },
    trigger: record.trigger,
    needs,
  };
}

/** The names of a job, from the combinations of its matrix. */
export function namesOf(
  { metadata, spec }: Job,
  scope: ExpressionNames['scope'],
  combinations: readonly { readonly values: Readonly<Record<string, MatrixValue>> }[],
): ExpressionNames {
  const types = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const { values } of combinations)
    for (const [key, value] of Object.entries(values)) {
      const type = celType(value);
      types.set(key, (types.get(key) ?? type) === type ? type : 'dyn');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  return {
    params: Object.keys(spec.parameters ?? {}),
    matrix: spec.matrix === undefined ? undefined : Object.fromEntries(types),
    partial: new Set([...counts].filter(([, count]) => count < combinations.length).map(([key]) => key)),
    labels: Object.keys(metadata.labels ?? {}),
    needs: (spec.needs ?? []).map((need) => (typeof need === 'string' ? need : need.job)),
    scope,
  };
}

/** What can become a text, and what can decide. */
const TYPES = { text: ['string', 'int', 'double', 'bool', 'dyn'], condition: ['bool', 'dyn'] } as const;

/** What is wrong with an expression before anything runs, as a sentence; undefined when nothing is. Never throws. */
export function expressionTrouble(
  text: string,
  names: ExpressionNames,
  wanted: keyof typeof TYPES,
): string | undefined {
  const { compiled, trouble } = compile(text);
  if (!compiled) return trouble;
  const unknown = nameTrouble(compiled.node, names);
  if (unknown !== undefined) return unknown;
  const checked = compiled.check(names.scope === 'task' ? (names.matrix ?? {}) : {});
  if (checked.trouble !== undefined) return checked.trouble;
  const allowed: readonly string[] = TYPES[wanted];
  return allowed.includes(checked.type) ? undefined : typeTrouble(checked.type, wanted);
}

export function typeTrouble(type: string, wanted: keyof typeof TYPES): string {
  const mapping = type.startsWith('map') || type.startsWith('$');
  const given = TYPE_WORDS[type] ?? (mapping ? 'a mapping' : type.startsWith('list') ? 'a list' : type);
  if (wanted === 'text') return `gives ${given}; only texts, numbers and true or false can be filled in`;
  return `gives ${given}, not true or false; compare it with something`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  int: 'a number',
  double: 'a number',
  'google.protobuf.Duration': 'a duration',
  'google.protobuf.Timestamp': 'a time',
};

/** The values of a context, for any number of expressions. */
export function valuesOf({ params, matrix, job, run, trigger, needs }: ExpressionContext): CelValues {
  const map = (record: Readonly<Record<string, unknown>>): ReadonlyMap<string, unknown> =>
    new Map(Object.entries(record));
  return {
    params: map(params),
    matrix: new Map(Object.entries(matrix).map(([key, value]) => [key, celValue(value)])),
    job: map({ name: job.name, labels: map(job.labels) }),
    run: map({ number: BigInt(run.number), revision: run.revision }),
    trigger: triggerValues(trigger),
    needs: new Map(
      Object.entries(needs).map(([name, { result, vars }]) => [name, map({ result, vars: map(vars) })] as const),
    ),
  };
}

/** The fields of a trigger as expressions see them. */
export const triggerValues = (trigger: RunRecord['trigger']): ReadonlyMap<string, unknown> =>
  new Map([
    ...Object.entries(NO_TRIGGER),
    ...Object.entries(trigger).map(([key, value]) => [key, celValue(value)] as const),
  ]);

/** A trigger of another kind has nothing to say: expressions need no case for each kind. */
const NO_TRIGGER = { at: '', revision: '', job: '', run: 0n, id: '', number: 0n, base: '' };

/**
 * The value of an expression; `where` begins its error: `spec.if`. Throws CodedError `ExpressionFailed` (terminal) when it has none,
 * for instance because the run of a needed job set no such variable.
 */
export function evaluate(text: string, values: CelValues, where: string, scope?: CelScope): unknown {
  const { compiled, trouble } = compile(text, scope);
  const result = compiled?.evaluate(values) ?? { trouble: trouble ?? '' };
  if (result.trouble !== undefined) throw expressionError(where, text, result.trouble);
  return result.value;
}

/** The value of an expression as a text. Throws like `evaluate`, also for a value that is no text and too long a one. */
export function evaluateText(text: string, values: CelValues, where: string, scope?: CelScope): string {
  const value = evaluate(text, values, where, scope);
  if (typeof value !== 'string' && typeof value !== 'bigint' && typeof value !== 'number' && typeof value !== 'boolean')
    throw expressionError(where, text, 'gives no text, number, true or false');
  const result = String(value);
  if (result.length > EXPRESSION_LIMITS.result)
    throw expressionError(
      where,
      text,
      `gives ${result.length} characters; at most ${EXPRESSION_LIMITS.result} are allowed`,
    );
  return result;
}

function expressionError(where: string, text: string, trouble: string): Error {
  const [, mapping, name] = /^(\S+) has no "([^"]+)"$/.exec(trouble) ?? [];
  // has() takes names with dots alone.
  const test = /^[\w.]+$/.test(`${mapping}.${name}`) ? `has(${mapping}.${name})` : `"${name}" in ${mapping}`;
  return terminalError('ExpressionFailed', `${where}: ${shorten(text.trim(), 100)}: ${trouble}`, {
    hint:
      mapping === undefined
        ? 'Check what the run was started with, and correct the expression.'
        : `Test for it first: ${test} ? … : ….`,
  });
}
