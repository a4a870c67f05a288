import { type CelValues, compile } from '../job/cel.ts';
import { evaluateText, triggerValues, typeTrouble } from '../job/expressions.ts';
import { splitTemplate, type TemplatePart } from '../job/template.ts';
import { duration } from '../ledger/text.ts';
import { tookMs } from './took.ts';
import type { Message } from './message.ts';

const FILLED: ReadonlySet<string> = new Set(['string', 'int', 'double', 'bool', 'dyn']);

/** The first thing that is wrong with the templates of a text, before any run has ended, as a sentence; undefined: nothing. */
export function templateTrouble(text: string): string | undefined {
  const parts = splitTemplate(text);
  if (parts === undefined) return 'has a ${{ without its }}';
  for (const part of parts) {
    if (part.kind === 'text') continue;
    const { compiled, trouble } = compile(part.expression, 'outcome');
    const checked = compiled?.check({}) ?? { trouble: trouble ?? '' };
    const found = checked.trouble ?? (FILLED.has(checked.type) ? undefined : typeTrouble(checked.type, 'text'));
    if (found !== undefined) return `${part.source}: ${found}`;
  }
  return undefined;
}

/** What expressions see of a run that has ended. */
export function outcomeValues({ source, outcome, previous, url }: Message): CelValues {
  const map = (record: Readonly<Record<string, unknown>>): ReadonlyMap<string, unknown> =>
    new Map(Object.entries(record));
  const { job, run, result, reason, message, exitCode, step, trigger, vars, params, times } = outcome;
  const took = tookMs(outcome);
  return {
    source,
    params: map(params ?? {}),
    job: map({ name: job }),
    run: map({ number: BigInt(run), revision: outcome.source.revision }),
    trigger: triggerValues(trigger),
    outcome: map({
      result,
      reason,
      message,
      exitCode: BigInt(exitCode ?? -1),
      step: step ?? '',
      finished: times.finished,
      seconds: BigInt(Math.round(took / 1_000)),
      duration: duration(took),
      previous: previous ?? '',
      url: url ?? '',
      vars: map(vars ?? {}),
    }),
  };
}

/** A text with the values of its expressions in place. Throws `ExpressionFailed` (terminal). `escape`: applied to the values alone. */
export function fill(
  text: string,
  values: CelValues,
  where: string,
  escape = (value: string): string => value,
): string {
  const filled = (part: TemplatePart): string =>
    part.kind === 'text' ? part.text : escape(evaluateText(part.expression, values, where, 'outcome'));
  return (splitTemplate(text) ?? [{ kind: 'text', text }]).map(filled).join('');
}

/** The same for every text within a JSON value; names of fields stay. */
export function fillAll(value: unknown, values: CelValues, where: string): unknown {
  if (typeof value === 'string') return fill(value, values, where);
  if (Array.isArray(value)) return value.map((one, index) => fillAll(one, values, `${where}[${index}]`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fillAll(one, values, `${where}.${key}`)]));
}
