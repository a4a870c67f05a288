import { isCoded } from '../../../errors.ts';
import { attemptName, type AttemptName } from '../attempt-marks.ts';
import { type PayloadFacts, payloadFacts } from '../inventory.ts';
import { findObject, mergePatch } from '../objects.ts';
import type { Scope } from '../scope.ts';
import { WARM_ANNOTATION, type WarmMark } from '../warm-marks.ts';
import { configMaps } from '../wire.ts';

/** How often a payload that others have changed meanwhile is read anew. */
const TRIES = 8;

/**
 * Decides what becomes of an attempt, unless that is decided already, and returns the payload as it is then. Null where the
 * payload is gone: the run is over. Throws what the API server says.
 */
export async function decideFate(
  { cluster, namespace }: Scope,
  known: PayloadFacts,
  attempt: AttemptName,
  mark: WarmMark,
  signal: AbortSignal,
): Promise<PayloadFacts | null> {
  const name = attemptName(attempt);
  const ref = { name: known.name, namespace };
  let payload = known;
  for (let tries = 1; ; tries += 1) {
    // With a mark of the other kind it has a pod of its own.
    if (payload.warm[name] || payload.marks[name] !== undefined) return payload;
    const warm = { ...payload.warm, [name]: mark };
    const metadata = { annotations: { [WARM_ANNOTATION]: JSON.stringify(warm) }, uid: payload.uid };
    try {
      const { resourceVersion } = payload;
      const after = await mergePatch(cluster, configMaps, ref, { metadata }, { signal, resourceVersion });
      return { ...payload, warm, resourceVersion: after.metadata?.resourceVersion ?? '' };
    } catch (error) {
      if (isCoded(error, 'NotFound')) return null;
      if (!isCoded(error, 'Conflict') || tries === TRIES) throw error;
      const now = await findObject(cluster, configMaps, ref, { signal });
      if (!now || now.metadata?.uid !== known.uid) return null;
      payload = payloadFacts(now);
    }
  }
}
