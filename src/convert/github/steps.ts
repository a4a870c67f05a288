import { formatDuration } from '../../job/duration.ts';
import { defined, nonEmpty } from '../draft.ts';
import { createNames, slug } from '../names.ts';
import type { Fields } from '../reader.ts';
import { conditionOf, envOf, scriptOf, textOf } from './expressions.ts';
import { type Scope, VARIABLES } from './scope.ts';
import { convertUse } from './uses.ts';

/** What steps take from `defaults.run`. */
export interface StepDefaults {
  readonly shell: string | undefined;
  readonly workingDirectory: string | undefined;
}

/** Shells by their names: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell */
const SHELLS: Readonly<Record<string, readonly string[]>> = {
  bash: ['bash', '--noprofile', '--norc', '-eo', 'pipefail'],
  sh: ['/bin/sh', '-e'],
  python: ['python'],
};

/** `steps` of a job: those that run whatever happens are the end. */
export function convertSteps(job: Fields, defaults: StepDefaults, scope: Scope, isContainer: boolean): void {
  const names = createNames(Object.keys((scope.draft.spec['services'] as object | undefined) ?? {}));
  const steps: unknown[] = [];
  const last: unknown[] = [];
  for (const step of job.items('steps')) {
    if (step.has('uses')) {
      convertUse(step, scope);
      continue;
    }
    const { when, cel } = conditionOf(step, scope);
    const list = when === 'onSuccess' ? steps : last;
    const made = stepOf(step, defaults, scope, {
      name: names(step.text('id') ?? step.text('name'), `step-${steps.length + last.length + 1}`),
      path: ['spec', when === 'onSuccess' ? 'steps' : 'finally', list.length],
      isContainer,
    });
    if (when === 'onSuccess' && last.length > 0)
      step.loss('run', 'a step after one that always runs: what always runs comes last, in finally');
    list.push(defined({ ...made, if: cel, when: when === 'onSuccess' ? undefined : when }));
  }
  if (steps.length === 0) job.error('steps', 'there is no step with run among them, so there is nothing to do');
  scope.draft.spec['steps'] = steps;
  scope.draft.spec['finally'] = nonEmpty(last);
}

interface Place {
  readonly name: string;
  readonly path: readonly (string | number)[];
  readonly isContainer: boolean;
}

function stepOf(step: Fields, defaults: StepDefaults, scope: Scope, { name, path, isContainer }: Place): object {
  const { draft } = scope;
  const title = step.text('name');
  if (title !== undefined && slug(title) !== name) draft.note(path, textOf(title, step, 'name', scope));
  const written = step.text('shell') ?? defaults.shell;
  const shell = written === undefined ? (isContainer ? undefined : ['bash', '-e']) : shellOf(written);
  const isShell = shell === undefined || /(^|\/)(ba|da|a|z|k)?sh$/.test(shell[0] ?? '');
  const { text, env } = scriptOf(step, isShell, scope);
  if (step.flag('continue-on-error') === true)
    step.loss(
      'continue-on-error',
      'a step that fails ends the steps; write `|| true`, or an exit code of exitCodes.warning',
    );
  const timeout = minutesOf(step);
  const directory = step.text('working-directory') ?? defaults.workingDirectory;
  return defined({
    name,
    run: text,
    shell: shell?.join(' ') === '/bin/sh -e' ? undefined : shell,
    env: nonEmpty({ ...variablesOf(text, step), ...envOf(step, scope), ...env }),
    workingDirectory: directory && textOf(directory, step, 'working-directory', scope),
    timeout,
  });
}

const shellOf = (shell: string): readonly string[] =>
  SHELLS[shell] ?? shell.split(/\s+/).filter((word) => word !== '' && word !== '{0}');

/** A time-out in minutes as a duration; reports one that is computed. */
export function minutesOf(fields: Fields): string | undefined {
  if (!fields.has('timeout-minutes')) return undefined;
  const minutes = fields.take('timeout-minutes');
  if (typeof minutes === 'number' && minutes > 0) return formatDuration(minutes * 60_000);
  fields.loss('timeout-minutes', 'is no number of minutes; write a duration');
  return undefined;
}

/** Variables of GitHub that a script reads; reports those that have no counterpart. */
function variablesOf(script: string, step: Fields): Readonly<Record<string, string>> {
  const used = new Set([...script.matchAll(/\b((?:GITHUB|RUNNER|ACTIONS)_[A-Z_]+)\b/g)].map(([, name = '']) => name));
  for (const name of used)
    if (VARIABLES[name] === undefined)
      step.loss('run', `the script uses ${name}, which has no counterpart${OUTPUTS[name] ?? ''}`);
  return Object.fromEntries(
    [...used].flatMap((name) => (VARIABLES[name] === undefined ? [] : [[name, `\${{ ${VARIABLES[name]} }}`]])),
  );
}

const OUTPUTS: Readonly<Record<string, string>> = {
  GITHUB_OUTPUT: '; print ::set-outcome-var NAME=value, or write a file below $RUNLEDGER_SHARED',
  GITHUB_ENV: '; write a file below $RUNLEDGER_SHARED, and read it in the next step',
  GITHUB_STEP_SUMMARY: '; print ::set-outcome-var NAME=value',
};
