import {
  AFTER_HOOK,
  BEFORE_HOOK,
  courseOf,
  DEFAULT_AFTER_HOOK,
  DEFAULT_BEFORE_HOOK,
  DEFAULT_SHUTDOWN_HOOK,
  type DefaultHooks,
  type EndStep,
} from '../job/course.ts';
import { checkoutOfSpec, normalizeSpec, type NormalJobSpec, type NormalStep } from '../job/defaults.ts';
import type { RunRecord } from '../runner/port.ts';
import type { Job } from '../schemas/index.ts';
import { scriptPath } from './layout.ts';
import { type PodService, servicesOf } from './services.ts';

/** A step of the pod, or a hook. */
export interface PodStep extends Pick<
  NormalStep,
  'name' | 'image' | 'env' | 'user' | 'workingDirectory' | 'timeoutMs'
> {
  /** The container that it runs in: a step's has its name. */
  readonly container: string;
  /** The shell script that the payload carries; null for a command that needs none. */
  readonly script: string | null;
  /** The program and all its arguments. */
  readonly command: readonly string[];
  /** Null for a step proper and what comes before; else when this one of the end runs. */
  readonly when: EndStep['when'] | null;
  /** Whether it has no say in how the attempt ends. */
  readonly advisory: boolean;
}

/** A spec as its pods need it. */
export interface PodPlan {
  /** With all defaults in place. */
  readonly spec: NormalJobSpec;
  /** In the order in which they run: hooks and steps, then what runs at the end. */
  readonly steps: readonly PodStep[];
  /** In the order in which they start. */
  readonly services: readonly PodService[];
  /** Whether files of the revision go into the workspace first. */
  readonly checkout: boolean;
  /** Whether what the steps leave is sent to the controller at the end. */
  readonly artifacts: boolean;
  /**
   * Whether the steps wait for each other behind gates; a single one without services and artifacts is a plain container.
   */
  readonly gated: boolean;
}

/** The names of hooks are none that containers can have. */
const HOOK_CONTAINERS: ReadonlyMap<string, string> = new Map([
  [DEFAULT_BEFORE_HOOK, 'runledger-default-before'],
  [BEFORE_HOOK, 'runledger-before'],
  [AFTER_HOOK, 'runledger-after'],
  [DEFAULT_AFTER_HOOK, 'runledger-default-after'],
  [DEFAULT_SHUTDOWN_HOOK, 'runledger-default-shutdown'],
]);

/** What the record of a task (taskRecord) amounts to in a pod. */
export const planRecord = ({ spec, args, defaultHooks }: RunRecord): PodPlan => planPod(spec, args, defaultHooks);

/**
 * What the spec of a task amounts to in a pod. `args` (from after `--` on a command line) go to the last step proper; the hooks
 * of the controller's configuration stand around all others.
 */
export function planPod(written: Job['spec'], args: readonly string[] = [], defaultHooks: DefaultHooks = {}): PodPlan {
  const course = courseOf(written, defaultHooks);
  const last = course.steps.length - 1;
  const steps = [
    ...course.steps.map((step, index) => podStep(step, index === last ? args : [], null, false)),
    ...course.end.map((step) => podStep(step, [], step.when, step.advisory)),
  ];
  const services = servicesOf(written);
  const artifacts = written.artifacts !== undefined;
  return {
    spec: normalizeSpec(written),
    steps,
    services,
    checkout: checkoutOfSpec(written) !== false,
    artifacts,
    gated: steps.length > 1 || services.length > 0 || artifacts,
  };
}

function podStep(step: NormalStep, args: readonly string[], when: PodStep['when'], advisory: boolean): PodStep {
  const { execute, ...rest } = step;
  const own = { ...rest, container: HOOK_CONTAINERS.get(step.name) ?? step.name, when, advisory };
  return execute.kind === 'script'
    ? { ...own, script: execute.script, command: [...execute.shell, scriptPath(step.name), ...args] }
    : { ...own, script: null, command: [...execute.command, ...execute.args, ...args] };
}
