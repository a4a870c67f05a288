import { normalizeSpec, type NormalJobSpec, type NormalStep } from '../job/defaults.ts';
import type { FinallyStep, Job } from '../schemas/index.ts';
import { scriptPath } from './layout.ts';

/** A step of the pod. */
export interface PodStep extends Pick<
  NormalStep,
  'name' | 'image' | 'env' | 'user' | 'workingDirectory' | 'timeoutMs'
> {
  /** The shell script that the payload carries; null for a command that needs none. */
  readonly script: string | null;
  /** The program and all its arguments. */
  readonly command: readonly string[];
  /** Null for a step proper; else when this step of `finally` runs. */
  readonly when: NonNullable<FinallyStep['when']> | null;
}

/** A job's spec as its pods need it. */
export interface PodPlan {
  /** With all defaults in place. */
  readonly spec: NormalJobSpec;
  /** In the order in which they run: the steps proper, then those of `finally`. */
  readonly steps: readonly PodStep[];
  /** Whether the steps wait for each other behind gates; a single one is a plain container. */
  readonly gated: boolean;
}

/** What a spec amounts to in a pod. `args` (from after `--` on a command line) go to the last step proper. */
export function planPod(written: Job['spec'], args: readonly string[] = []): PodPlan {
  const spec = normalizeSpec(written);
  const last = spec.steps.length - 1;
  const proper = spec.steps.map((step, index) => podStep(step, index === last ? args : [], null));
  const steps = [...proper, ...finallySteps(written)];
  return { spec, steps, gated: steps.length > 1 };
}

function finallySteps({ run: _short, ...spec }: Job['spec']): readonly PodStep[] {
  const written = spec.finally ?? [];
  if (written.length === 0) return [];
  return normalizeSpec({ ...spec, steps: written }).steps.map((step, index) =>
    podStep(step, [], written[index]?.when ?? 'always'),
  );
}

function podStep(step: NormalStep, args: readonly string[], when: PodStep['when']): PodStep {
  const { execute, ...rest } = step;
  return execute.kind === 'script'
    ? { ...rest, script: execute.script, command: [...execute.shell, scriptPath(step.name), ...args], when }
    : { ...rest, script: null, command: [...execute.command, ...execute.args, ...args], when };
}
