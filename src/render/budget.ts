import type { V1PodDisruptionBudget } from '@kubernetes/client-node';
import type { RenderContext } from './context.ts';
import { protectedBy, sourceLabels } from './labels.ts';
import { budgetName } from './names.ts';

/** More than there can be pods: the budget never allows a disruption. Bare pods take only an integer. */
const ALL_PODS = 2_147_483_647;

/**
 * The one PodDisruptionBudget of a source in a namespace: it keeps the running pods of attempts from being evicted
 * (docs/architecture.md, Exactly once). Two budgets on one pod break eviction, so there is never a second one for the same labels.
 */
export function renderBudget(context: Omit<RenderContext, 'epoch'>): V1PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: {
      name: budgetName(context),
      namespace: context.namespace,
      labels: sourceLabels({ installation: context.installation, source: context.partOf ?? context.source }, 'budget'),
    },
    spec: { minAvailable: ALL_PODS, selector: protectedBy(context) },
  };
}
