import picomatch from 'picomatch';
import { usageError } from '../errors.ts';
import type { RunnerKind } from '../schemas/index.ts';

export const COMMANDS = ['plan', 'run', 'validate'] as const;
export const FAIL_ON = ['failed', 'warning', 'never'] as const;
export const OUTCOMES = ['default', 'branch', 'nowhere'] as const;

export type ActionCommand = (typeof COMMANDS)[number];
/** From which result on the step fails: `failed` and worse, `warning` and skipped runs too, or never. */
export type FailOn = (typeof FAIL_ON)[number];

/** What a workflow says about the step. */
export interface ActionInputs {
  readonly command: ActionCommand;
  /** The folder within the repository that holds the manifests. */
  readonly path: string;
  readonly runner: RunnerKind;
  readonly kubeconfig?: string;
  readonly namespace?: string;
  /** The branch that a pull request is held against; absent: its own base. */
  readonly baseRef?: string;
  /** Names or globs of jobs; empty: all. */
  readonly jobs: readonly string[];
  readonly failOn: FailOn;
  readonly comment: boolean;
  readonly statuses: boolean;
  readonly token?: string;
  /** Where outcomes go. `default`: nowhere for a pull request, else the branch runledger/status. */
  readonly outcomes: (typeof OUTCOMES)[number];
  /** A head of a fork that was approved by other means. */
  readonly approvedSha?: string;
  /** The process runner's file of secrets. */
  readonly secrets?: string;
  /** Where pods reach this machine. */
  readonly serve?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the inputs as the platform hands them over: `INPUT_<NAME>`, in capitals, untrimmed, empty where nothing is said
 * (https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax#inputs). Throws `InputForm` (usage).
 */
export function readInputs(env: Environment): ActionInputs {
  const text = (name: string): string | undefined => env[`INPUT_${name.toUpperCase()}`]?.trim() || undefined;
  const given = {
    kubeconfig: text('kubeconfig'),
    namespace: text('namespace'),
    baseRef: branchName(text('base-ref')),
    token: text('github-token'),
    approvedSha: commit(text('approved-sha')),
    secrets: text('secrets'),
    serve: text('serve'),
  };
  return {
    command: oneOf('command', text('command') ?? 'plan', COMMANDS),
    path: text('path') ?? '.',
    runner: oneOf('runner', text('runner') ?? 'process', ['process', 'kubernetes']),
    jobs: (text('jobs') ?? '').split(/[\s,]+/).filter(Boolean),
    failOn: oneOf('fail-on', text('fail-on') ?? 'failed', FAIL_ON),
    comment: flag('comment', text('comment') ?? 'true'),
    statuses: flag('statuses', text('statuses') ?? 'false'),
    outcomes: oneOf('outcomes', text('outcomes') ?? 'default', OUTCOMES),
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<ActionInputs>),
  };
}

function oneOf<T extends string>(name: string, value: string, values: readonly T[]): T {
  const found = values.find((one) => one === value);
  if (found !== undefined) return found;
  throw usageError('InputForm', `${name}: ${JSON.stringify(value)} is none of ${values.join(', ')}`);
}

function flag(name: string, value: string): boolean {
  // https://yaml.org/spec/1.2.2/#10212-boolean, as @actions/core takes them.
  if (/^(true|True|TRUE)$/.test(value)) return true;
  if (/^(false|False|FALSE)$/.test(value)) return false;
  throw usageError('InputForm', `${name}: ${JSON.stringify(value)} is neither true nor false`);
}

function commit(value: string | undefined): string | undefined {
  if (value === undefined || /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(value)) return value;
  throw usageError('InputForm', `approved-sha: ${JSON.stringify(value)} is not a whole SHA`, {
    hint: 'write ${{ github.event.pull_request.head.sha }}',
  });
}

function branchName(value: string | undefined): string | undefined {
  const name = value?.replace(/^refs\/heads\//, '');
  if (name === undefined || !name.startsWith('refs/')) return name;
  throw usageError('InputForm', `base-ref: ${JSON.stringify(value)} is not a branch`, { hint: 'write it as main' });
}

/** Whether a job is meant by names and globs; none: every job is. */
export function jobMatcher(patterns: readonly string[]): (name: string) => boolean {
  return patterns.length === 0 ? () => true : picomatch([...patterns]);
}
