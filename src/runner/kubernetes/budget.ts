import { isCoded } from '../../errors.ts';
import { renderBudget } from '../../render/budget.ts';
import { createObject } from './objects.ts';
import type { Scope } from './scope.ts';
import { podDisruptionBudgets, toWire } from './wire.ts';

const TRIES = 5;

/** Makes the one PodDisruptionBudget of a source in its namespace, unless it is there. */
export async function ensureBudget(scope: Scope, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await createObject(scope.cluster, podDisruptionBudgets, toWire(renderBudget(scope)), { signal });
      return;
    } catch (error) {
      if (isCoded(error, 'AlreadyExists')) return;
      // Creating it twice does no harm: the second one is refused.
      if (!isCoded(error, 'CreateUncertain') || tries === TRIES) throw error;
    }
  }
}
