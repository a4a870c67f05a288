import { changedFields } from '../job/changes.ts';
import { between } from '../ledger/text.ts';
import type { Outcome } from '../schemas/index.ts';
import { type RunEntry, runEntry } from './run-entry.ts';
import { triggerText } from './trigger-text.ts';

type Value = string | number | boolean | null;

/** A field in which two outcomes differ; null: one of them does not have it. */
export interface FieldChange {
  /** `result`, `durationMs`, `vars.rows`, `tasks.browser.result`. */
  readonly field: string;
  readonly from: Value;
  readonly to: Value;
}

/** `unknown`: the specs differ, and what one of them was is not to be found any more. */
export interface SpecDiff {
  readonly state: 'same' | 'changed' | 'unknown';
  /** The fields that differ, with their paths. */
  readonly fields: readonly string[];
  /** The runs whose spec is not to be found. */
  readonly missing: readonly number[];
}

export interface OutcomeDiff {
  readonly job: string;
  readonly from: RunEntry;
  readonly to: RunEntry;
  readonly changes: readonly FieldChange[];
  readonly spec: SpecDiff;
}

type Specs = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** How two outcomes of a job differ. `specs`: what was executed, by digest, as far as it is known. Pure. */
export function outcomeDiff(from: Outcome, to: Outcome, specs: Specs): OutcomeDiff {
  const before = fieldsOf(from);
  const after = fieldsOf(to);
  const fields = [...new Set([...before.keys(), ...after.keys()])];
  const changes = fields.flatMap((field): readonly FieldChange[] => {
    const [old = null, now = null] = [before.get(field), after.get(field)];
    return old === now ? [] : [{ field, from: old, to: now }];
  });
  return { job: to.job, from: runEntry(from), to: runEntry(to), changes, spec: specDiff(from, to, specs) };
}

function specDiff(from: Outcome, to: Outcome, specs: Specs): SpecDiff {
  if (from.source.digest === to.source.digest) return { state: 'same', fields: [], missing: [] };
  const [before, after] = [specs.get(from.source.digest), specs.get(to.source.digest)];
  if (before && after) return { state: 'changed', fields: changedFields(before, after), missing: [] };
  const missing = [...(before ? [] : [from.run]), ...(after ? [] : [to.run])];
  return { state: 'unknown', fields: [], missing };
}

/** What of an outcome is compared, by the names that it is shown under. Times follow from one another: lengths are compared. */
function fieldsOf(outcome: Outcome): ReadonlyMap<string, Value> {
  const { result, reason, message, exitCode, step, source, times, params, vars, tasks, by } = outcome;
  const fields: (readonly [string, Value | undefined])[] = [
    ['result', result],
    ['reason', reason],
    ['message', message],
    ['exitCode', exitCode],
    ['step', step],
    ['trigger', triggerText(outcome)],
    ['revision', source.revision],
    ['path', source.path],
    ['waitedMs', between(times.queued, times.started)],
    ['durationMs', between(times.started, times.finished)],
    ...entriesOf('params', params),
    ...entriesOf('vars', vars),
    ...(tasks.length > 1 ? tasks : []).flatMap((task) => [
      [`tasks.${task.name}.result`, task.result] as const,
      [`tasks.${task.name}.attempts`, task.attempts.length] as const,
    ]),
    ['warnings', outcome.warnings?.join('; ')],
    ['runner', by.runner],
    ['version', by.version],
  ];
  return new Map(fields.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

const entriesOf = (name: string, values: Readonly<Record<string, string>> | undefined): (readonly [string, Value])[] =>
  Object.entries(values ?? {}).map(([key, value]) => [`${name}.${key}`, value] as const);
