import { matrixVariable } from '../../job/fan-out.ts';
import type { Draft } from '../draft.ts';

/** What expressions of a job may name. */
export interface Scope {
  readonly draft: Draft;
  /** The workflow's name. */
  readonly workflow: string;
  /** Keys of the matrix, as they were and as they are called here. */
  readonly matrix: Map<string, string>;
  /** Inputs of workflow_dispatch, and the parameters that they are. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Other jobs start it, so that its trigger is `needs` whatever the event was. */
  readonly hasNeeds: boolean;
  /** The Secret that stands for the secrets of the repository. */
  readonly secret: string;
}

/** What something in GitHub's contexts is called here. */
export interface Reference {
  /** In an expression; undefined where expressions don't see it. */
  readonly cel?: string;
  /** As a variable of the environment. */
  readonly variable?: string;
}

const GITHUB: Readonly<Record<string, Reference>> = {
  sha: { cel: 'run.revision', variable: 'RUNLEDGER_REVISION' },
  run_number: { cel: 'run.number', variable: 'RUNLEDGER_RUN' },
  job: { cel: 'job.name', variable: 'RUNLEDGER_JOB' },
  workspace: { variable: 'RUNLEDGER_WORKSPACE' },
};

/** GitHub's variables that have a counterpart, by the expression that gives it. */
export const VARIABLES: Readonly<Record<string, string>> = {
  GITHUB_SHA: 'run.revision',
  GITHUB_RUN_NUMBER: 'run.number',
  GITHUB_JOB: 'job.name',
};

/** `matrix.node`, `github.sha`, `inputs.region`…; undefined for what has no counterpart. */
export function referenceOf(expression: string, { matrix, inputs }: Scope): Reference | undefined {
  const [root = '', name = '', ...rest] = expression.replaceAll(/\['([\w-]+)'\]/g, '.$1').split('.');
  const parts = [root, name, ...rest];
  if (root === 'github' && parts.length === 2) return Object.hasOwn(GITHUB, name) ? GITHUB[name] : undefined;
  if (root === 'matrix' && parts.length === 2) {
    const key = matrix.get(name);
    return key === undefined ? undefined : { cel: `matrix.${key}`, variable: matrixVariable(key) };
  }
  const input =
    root === 'inputs' && parts.length === 2 ? name : /^github\.event\.inputs\.([\w-]+)$/.exec(expression)?.[1];
  const parameter = input === undefined ? undefined : inputs.get(input);
  if (parameter !== undefined) return { cel: `params.${parameter}`, variable: `RUNLEDGER_PARAM_${parameter}` };
  return root === 'env' && parts.length === 2 ? { variable: name } : undefined;
}

/** The name of a secret in `secrets.NAME`. */
export const secretOf = (expression: string): string | undefined =>
  /^secrets(?:\.([A-Za-z_]\w*)|\['([A-Za-z_]\w*)'\])$/.exec(expression)?.slice(1).find(Boolean);

/** A reference to a secret of the repository. */
export function secretReference(key: string, scope: Scope): unknown {
  return { secret: { name: scope.secret, key } };
}
