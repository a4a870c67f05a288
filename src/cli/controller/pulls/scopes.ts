import { type Component, identityOf, LABELS } from '../../../render/labels.ts';
import { pullRequestOf } from '../../../render/names.ts';
import { selectorOfParts } from '../../../runner/kubernetes/inventory.ts';
import { listObjects } from '../../../runner/kubernetes/objects.ts';
import { deleteClaims } from '../../../runner/kubernetes/release.ts';
import { configMaps, pods, type ApiObject, type Resource } from '../../../runner/kubernetes/wire.ts';
import type { RunKey } from '../../../runner/port.ts';
import { systemClock } from '../../../runner/kubernetes/clock.ts';
import type { Charge } from '../parts.ts';

type Where = Pick<Charge, 'source' | 'shared' | 'leadership' | 'log'>;

const namespaceOf = ({ source, shared }: Where): string => source.namespace ?? shared.cluster.namespace;

/** The scopes of a source's pull requests of which there are claims or pods. Throws what the API server says. */
export async function claimsOf(where: Where, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const { source, shared } = where;
  const { cluster, options } = shared;
  const found = new Set<string>();
  const kinds: readonly (readonly [Resource<ApiObject>, Component])[] = [
    [configMaps, 'claim'],
    [pods, 'attempt'],
  ];
  for (const [kind, component] of kinds) {
    const parts = selectorOfParts(options.installation, source.name, component);
    const labelSelector = `${parts},${LABELS.source}!=${source.name}`;
    const { items } = await listObjects(cluster, kind, { namespace: namespaceOf(where), labelSelector }, { signal });
    for (const object of items) {
      const scope = identityOf(object)?.source;
      if (scope !== undefined && pullRequestOf(scope)?.source === source.name) found.add(scope);
    }
  }
  return found;
}

/** Removes claims of a pull request's scope. Throws what the API server says. */
export function removeClaims(where: Where, scope: string, keys: readonly RunKey[], signal: AbortSignal): Promise<void> {
  const { source, shared, leadership: authority, log } = where;
  const { cluster, options } = shared;
  const names = { installation: options.installation, source: scope, partOf: source.name };
  return deleteClaims(
    { cluster, namespace: namespaceOf(where), ...names, authority, clock: systemClock, log },
    keys,
    signal,
  );
}
