import { messageOf } from '../../errors.ts';
import type { Reason } from '../../schemas/index.ts';
import { listObjects } from './objects.ts';
import type { Scope } from './scope.ts';
import { type Event, events, type Pod } from './wire.ts';

/** Why a pod was ended, as it will be noted on it. */
export interface EndCause {
  readonly reason: Reason;
  readonly message: string | undefined;
}

/** What the kubelet says of a volume that is made of a Secret that is not there, or of a key that it does not have. */
const SECRET_IS_MISSING = /secrets? "[^"]*" not found|references non-existent secret key/;

const lastSeen = ({ lastTimestamp, eventTime, metadata }: Event): number =>
  Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '');

/**
 * The cause of a start time-out, with the kubelet's last warning: what is wrong with a volume, or with the network of a pod, is
 * told in events alone. Where events can't be read, the cause stays as it is.
 */
export async function startCause(scope: Scope, pod: Pod, cause: EndCause, signal: AbortSignal): Promise<EndCause> {
  const { cluster, namespace, log } = scope;
  const fieldSelector = `involvedObject.uid=${pod.metadata?.uid},type=Warning`;
  try {
    const { items } = await listObjects(cluster, events, { namespace, fieldSelector }, { signal, attempts: 1 });
    const last = items.toSorted((one, other) => lastSeen(one) - lastSeen(other)).at(-1);
    if (!last?.message) return cause;
    const told = `${last.reason}: ${last.message}`;
    if (last.reason === 'FailedMount' && SECRET_IS_MISSING.test(last.message))
      return { reason: 'SecretMissing', message: told };
    return { ...cause, message: (cause.message ?? told).replace(NOTHING_TELLS, told) };
  } catch (error) {
    log.debug({ pod: pod.metadata?.name, error: messageOf(error) }, 'the events of a pod can not be read');
    return cause;
  }
}

/** What src/outcome says of a pod that shows no cause. */
const NOTHING_TELLS = 'nothing tells why';
