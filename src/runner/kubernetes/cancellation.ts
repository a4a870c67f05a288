import type { Reason } from '../../schemas/index.ts';
import { mergePatch } from './objects.ts';
import type { Scope } from './scope.ts';
import { type ConfigMap, configMaps } from './wire.ts';

/** Why a run is to end, and who has said so; on its claim. */
export interface Cancellation {
  readonly reason: Reason;
  readonly by?: string;
}

const CANCEL_ANNOTATION = 'runledger.dev/cancel';

export function cancellationOn(claim: ConfigMap | undefined): Cancellation | undefined {
  const text = claim?.metadata?.annotations?.[CANCEL_ANNOTATION];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Cancellation;
  } catch {
    return { reason: 'CancelRequested' }; // somebody has changed it, and it still says that the run is to end
  }
}

/** Says on a claim that its run is to end; returns the claim as it is then. */
export async function markCancelled(
  scope: Scope,
  claim: ConfigMap,
  cancellation: Cancellation,
  signal: AbortSignal,
): Promise<ConfigMap> {
  const annotations = { [CANCEL_ANNOTATION]: JSON.stringify(cancellation) };
  const ref = { name: claim.metadata?.name ?? '', namespace: scope.namespace };
  await mergePatch(scope.cluster, configMaps, ref, { metadata: { annotations } }, { signal, repeatable: true });
  return { ...claim, metadata: { ...claim.metadata, annotations: { ...claim.metadata?.annotations, ...annotations } } };
}
