import type { PodExpectation } from '../outcome/pod.ts';
import { ARTIFACTS_CONTAINER } from './layout.ts';
import type { PodPlan } from './steps.ts';

/** What a pod has to be compared with, to tell how it ended (readPod). */
export function expectationOf({ spec, steps, services, gated, artifacts }: PodPlan): PodExpectation {
  const { timeouts, exitCodes } = spec;
  return {
    steps: steps.map(({ name, container, timeoutMs, when, advisory }) => ({
      name,
      container,
      timeoutMs,
      atEnd: when !== null,
      advisory,
    })),
    gated,
    upload: artifacts ? ARTIFACTS_CONTAINER : null,
    services: services.map(({ name, health }) => ({ name, health })),
    runMs: timeouts.runMs,
    startMs: timeouts.startMs,
    graceMs: timeouts.graceMs,
    finallyMs: timeouts.finallyMs,
    notFailures: [...exitCodes.warning, ...exitCodes.skipped],
  };
}
