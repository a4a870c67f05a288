import type { FinallyStep, Hooks, Job, Step } from '../schemas/index.ts';
import { normalizeSpec, type NormalStep } from './defaults.ts';

/** A step that runs at the end of an attempt, whatever became of the others. */
export interface EndStep extends NormalStep {
  readonly when: NonNullable<FinallyStep['when']>;
  /** Whether it has no say in how the attempt ends. */
  readonly advisory: boolean;
}

/** The scripts that the controller's configuration puts around those of every job. */
export interface DefaultHooks extends Hooks {
  /** The last one of all, of no consequence. */
  readonly shutdown?: string;
}

/** Everything that an attempt executes, in its order: hooks.before, steps, finally, hooks.after. */
export interface Course {
  /** One after another, until one does not end with 0. The last one is the last step proper. */
  readonly steps: readonly NormalStep[];
  /** All of them, as far as their `when` lets them, within `timeouts.finally` together. */
  readonly end: readonly EndStep[];
}

/** What hooks are called where steps have names; no step can have one of these. */
export const BEFORE_HOOK = 'hooks.before';
export const AFTER_HOOK = 'hooks.after';

/** The hooks of the controller's configuration, around those of the job. */
export const DEFAULT_BEFORE_HOOK = 'defaults.hooks.before';
export const DEFAULT_AFTER_HOOK = 'defaults.hooks.after';
export const DEFAULT_SHUTDOWN_HOOK = 'defaults.hooks.shutdown';

/** What an attempt with this spec, a valid one, executes. `defaults`: the hooks of the controller's configuration. */
export function courseOf(spec: Job['spec'], defaults: DefaultHooks = {}): Course {
  const { before, after } = spec.hooks ?? {};
  const first = [...hook(spec, DEFAULT_BEFORE_HOOK, defaults.before), ...hook(spec, BEFORE_HOOK, before)];
  const last = [
    ...hook(spec, AFTER_HOOK, after),
    ...hook(spec, DEFAULT_AFTER_HOOK, defaults.after),
    ...hook(spec, DEFAULT_SHUTDOWN_HOOK, defaults.shutdown),
  ];
  const atEnd: readonly FinallyStep[] = [...(spec.finally ?? []), ...last];
  return {
    steps: [...normalSteps(spec, first), ...normalizeSpec(spec).steps],
    end: normalSteps(spec, atEnd).map((step, index) =>
      Object.assign({ when: atEnd[index]?.when ?? 'always', advisory: step.name === DEFAULT_SHUTDOWN_HOOK }, step),
    ),
  };
}

/** A hook runs in the image of the first step, as its user. */
function hook({ steps }: Job['spec'], name: string, script: string | undefined): readonly Step[] {
  if (script === undefined) return [];
  const { image, user } = steps?.[0] ?? {};
  return [{ name, run: script, ...(image === undefined ? {} : { image }), ...(user === undefined ? {} : { user }) }];
}

/** Steps with what the job says for all of them. */
const normalSteps = ({ run: _short, ...spec }: Job['spec'], steps: readonly Step[]): readonly NormalStep[] =>
  steps.length === 0 ? [] : normalizeSpec({ ...spec, steps: [...steps] }).steps;
