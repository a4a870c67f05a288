import type { V1ResourceRequirements } from '@kubernetes/client-node';
import { parseQuantity } from '../job/quantity.ts';
import type { Quantities, Resources } from '../schemas/index.ts';

/**
 * Whether a resource can't be shared by containers that run one after the other: the node hands devices and huge pages
 * to each container (https://kubernetes.io/docs/tasks/configure-pod-container/extended-resource/).
 */
export function isExclusive(resource: string): boolean {
  return resource.includes('/') || resource.startsWith('hugepages-');
}

/**
 * The resources of a pod's container. The limits are the job's, and the ceiling where it names none. `leads`: whether it is
 * the one container that carries the requests; only one of them runs at a time, and all others request nothing, which has
 * to be said, since a request that is left out is as high as the limit.
 */
export function resourcesOf(resources: Resources, leads: boolean, ceiling: Quantities = {}): V1ResourceRequirements {
  const shared = Object.entries(ceiling).filter(([resource]) => !isExclusive(resource));
  const limits = texts({ ...Object.fromEntries(shared), ...resources.limits });
  const asked = texts(resources.requests ?? {});
  const requests: Record<string, string> = {};
  for (const resource of new Set([...Object.keys(limits), ...Object.keys(asked)])) {
    const isOwn = leads || isExclusive(resource);
    // Kubernetes' own rule for whoever writes a limit alone; what only the ceiling limits is not asked for.
    const request = isOwn ? (asked[resource] ?? texts(resources.limits ?? {})[resource]) : undefined;
    if (request !== undefined || resource in limits) requests[resource] = request ?? '0';
  }
  return {
    ...(Object.keys(requests).length > 0 ? { requests } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  };
}

/** What a ceiling leaves for the steps besides the limits of services, of what both share. */
export function remaining(ceiling: Quantities, services: readonly Resources[]): Quantities {
  return Object.fromEntries(
    Object.entries(ceiling).map(([resource, most]) => {
      const taken = services.map(({ limits }) => parseQuantity(limits?.[resource] ?? 0) ?? 0);
      const left = (parseQuantity(most) ?? 0) - taken.reduce((sum, amount) => sum + amount, 0);
      if (isExclusive(resource) || taken.every((amount) => amount === 0) || left <= 0) return [resource, most];
      return [resource, resource === 'cpu' ? `${Math.floor(left * 1000)}m` : String(Math.floor(left))];
    }),
  );
}

const texts = (quantities: Quantities): Record<string, string> =>
  Object.fromEntries(Object.entries(quantities).map(([resource, quantity]) => [resource, String(quantity)]));
