import type { Job, Matrix, MatrixValue } from '../schemas/index.ts';
import { conditionsIn } from './conditions.ts';
import type { ExpressionNames } from './expression-names.ts';
import { expressionTrouble, namesOf } from './expressions.ts';
import { matrixVariable } from './fan-out.ts';
import { expandMatrix, matrixAxes } from './matrix.ts';
import type { Rule } from './rule.ts';
import { holdsTemplate, type TemplatedText, templatesIn } from './template.ts';
import { shorten } from './words.ts';

/** Conditions and templates can be evaluated, and stand where they are. Nearly no manifest has any. */
export const expressionsRule: Rule = ({ job, text }, report) => {
  const templated = holdsTemplate(text);
  if (!templated && !text.includes('"if":')) return;
  const names = namesByScope(job);
  for (const { path, expression, scope } of conditionsIn(job.spec)) {
    const trouble = holdsTemplate(expression)
      ? 'is an expression as it is; write it without ${{ }}'
      : expressionTrouble(expression, names(scope), 'condition');
    if (trouble !== undefined) report(path, trouble);
  }
  if (!templated) return;
  for (const template of templatesIn(job)) {
    const trouble = templateTrouble(template, names);
    if (trouble !== undefined) report(template.path, trouble, template.place);
  }
};

type NamesByScope = (scope: 'run' | 'task') => ExpressionNames;

function namesByScope(job: Job): NamesByScope {
  const { matrix } = job.spec;
  const { combinations } = matrix === undefined ? { combinations: [] } : expandMatrix(matrix);
  // What is wrong with a matrix is said elsewhere; its keys are known all the same.
  const known = matrix !== undefined && combinations.length === 0 ? [{ values: valuesOfAll(matrix) }] : combinations;
  return (scope) => namesOf(job, scope, known);
}

function valuesOfAll(matrix: Matrix): Readonly<Record<string, MatrixValue>> {
  const own = matrixAxes(matrix).flatMap(([key, [value]]) => (value === undefined ? [] : [[key, value] as const]));
  return Object.fromEntries([...own, ...(matrix.include ?? []).flatMap((entry) => Object.entries(entry))]);
}

function templateTrouble({ parts, field, place }: TemplatedText, names: NamesByScope): string | undefined {
  if (place === 'key') return '${{ }} is not filled in within names; write the name out';
  if (field === 'condition' || field === 'prose') return undefined;
  if (field === 'fixed') return '${{ }} is not filled in here; write the value out';
  const first = parts?.find((part) => part.kind === 'expression');
  if (field === 'script') return scriptTrouble(first?.expression, first?.source);
  if (parts === undefined) return 'has ${{ without the }} that belongs to it';
  for (const part of parts) {
    if (part.kind === 'text') continue;
    const trouble = expressionTrouble(part.expression, names(field), 'text');
    if (trouble !== undefined) return `${shown(part.source)}: ${trouble}`;
  }
  return undefined;
}

function scriptTrouble(expression = '', source = '${{ }}'): string {
  return `${shown(source)} is not filled in within scripts; ${insteadOf(expression)}`;
}

/** A template on one line of a message. */
const shown = (source: string): string => shorten(source.replace(/[\p{C}\s]+/gu, ' '), 60);

/** The variables in which scripts find what expressions see. */
const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['job.name', 'RUNLEDGER_JOB'],
  ['run.number', 'RUNLEDGER_RUN'],
  ['run.revision', 'RUNLEDGER_REVISION'],
  ['trigger.kind', 'RUNLEDGER_TRIGGER'],
]);

function insteadOf(expression: string): string {
  const [, scope, key = ''] = /^(params|matrix)\.(\w+)$/.exec(expression) ?? [];
  const variable =
    scope === 'params'
      ? `RUNLEDGER_PARAM_${key}`
      : scope === 'matrix'
        ? matrixVariable(key)
        : VARIABLES.get(expression);
  return variable === undefined ? 'set a variable in env and read that' : `write $${variable}`;
}
