import { messageOf } from '../../errors.ts';
import { mayI, readNode } from './objects.ts';
import type { Scope } from './scope.ts';
import { nodes, type Node } from './wire.ts';

/** Why a node's pods may be given up. */
export interface NodeLoss {
  /** Since when the node has not been heard of: RFC 3339. */
  readonly since: string;
  /** It is certain that the node does not come back: no need to wait. */
  readonly isCertain: boolean;
}

export interface LostNodes {
  /** Null: the node is well, or nobody may look. */
  find(node: string | undefined): NodeLoss | null;
}

export interface LostNodesOptions {
  readonly scope: Pick<Scope, 'cluster' | 'clock' | 'log'>;
  /** The nodes of pods that have not ended. */
  readonly atWork: () => Iterable<string>;
  readonly everyMs?: number;
  readonly signal: AbortSignal;
}

const LOOK_MS = 15_000;
/** Set by a person who has seen that the machine is off: https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown. */
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/**
 * Looks at the nodes that pods run on, again and again until the signal aborts; where nodes may not be read, it never looks,
 * and a node is lost only once its pods have been told to go.
 */
export function watchNodes({ scope, atWork, everyMs = LOOK_MS, signal }: LostNodesOptions): LostNodes {
  const { cluster, clock, log } = scope;
  const losses = new Map<string, NodeLoss>();
  const look = async (): Promise<void> => {
    const names = new Set(atWork());
    for (const name of losses.keys()) if (!names.has(name)) losses.delete(name);
    for (const name of names) {
      const loss = lossOf(await readNode(cluster, name, { signal }), new Date(clock.now()).toISOString());
      if (loss) losses.set(name, losses.get(name)?.isCertain ? (losses.get(name) ?? loss) : loss);
      else losses.delete(name);
    }
  };
  void (async () => {
    let may: boolean | undefined;
    while (!signal.aborted && may !== false) {
      try {
        may ??= await mayI(cluster, { verb: 'get', resource: nodes }, { signal });
        if (may) await look();
      } catch (error) {
        if (!signal.aborted) log.debug({ error: messageOf(error) }, 'nodes could not be looked at');
      }
      await clock.sleep(everyMs, signal);
    }
  })();
  return { find: (node) => losses.get(node ?? '') ?? null };
}

/** What a look at a node says of it at the time `now`; null: it is well, or unknown. */
export function lossOf(node: Node | 'gone' | 'unknown', now: string): NodeLoss | null {
  if (node === 'unknown') return null;
  if (node === 'gone') return { since: now, isCertain: true };
  if ((node.spec?.taints ?? []).some(({ key }) => key === OUT_OF_SERVICE)) return { since: now, isCertain: true };
  // The node controller writes Unknown when the kubelet has not been heard of; False is what a kubelet says of itself.
  const ready = (node.status?.conditions ?? []).find(({ type }) => type === 'Ready');
  return ready?.status === 'Unknown' ? { since: ready.lastTransitionTime ?? now, isCertain: false } : null;
}
