import { ANNOTATIONS, LABELS } from '../../../src/render/labels.ts';
import { createObject } from '../../../src/runner/kubernetes/objects.ts';
import { viewRunner } from '../../../src/runner/kubernetes/pool/view.ts';
import { watchResource } from '../../../src/runner/kubernetes/watch.ts';
import { type ApiObject, pods, resource, secrets } from '../../../src/runner/kubernetes/wire.ts';
import type { TestCluster } from '../../support/cluster.ts';

/** Makes a Secret with these values. */
export async function createSecret(
  { cluster, namespace, signal }: TestCluster,
  name: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const entries = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')] as const);
  const object = { metadata: { name, namespace }, data: Object.fromEntries(entries) };
  await createObject(cluster, secrets, object, { signal });
}

const quotas = resource<ApiObject & { readonly spec: object }>('v1', 'ResourceQuota', 'resourcequotas');

/** Lets a namespace have so many pods. */
export async function createQuota({ cluster, signal }: TestCluster, namespace: string, most: number): Promise<void> {
  const object = { metadata: { name: 'pods', namespace }, spec: { hard: { pods: String(most) } } };
  await createObject(cluster, quotas, object, { signal });
}

/** Watches the runners of a set: the most slots that were taken at once, and the attempts that had one. */
export function recordPeaks(
  { cluster }: TestCluster,
  namespace: string,
  set: string,
): { stop(): Promise<{ readonly slots: number; readonly attempts: number }> } {
  const ending = new AbortController();
  const taken = new Map<string, number>();
  const attempts = new Set<string>();
  let most = 0;
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const watch = watchResource(cluster, pods, {
    namespace,
    labelSelector: `${LABELS.runnerSet}=${set}`,
    signal: ending.signal,
    log,
    onChange({ object }) {
      const view = viewRunner(object);
      const { uid = '', labels = {}, annotations = {} } = object.metadata ?? {};
      if (view?.phase === 'busy') taken.set(uid, Number(annotations[ANNOTATIONS.slots]));
      else taken.delete(uid);
      if (view?.claimed)
        attempts.add(
          `${uid} ${labels[LABELS.job]}/${labels[LABELS.run]}/${labels[LABELS.task]}/${labels[LABELS.attempt]}`,
        );
      most = Math.max(
        most,
        [...taken.values()].reduce((sum, slots) => sum + slots, 0),
      );
    },
  });
  return {
    async stop() {
      ending.abort();
      await watch.ended;
      return { slots: most, attempts: attempts.size };
    },
  };
}
