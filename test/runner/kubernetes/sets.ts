import { createObject } from '../../../src/runner/kubernetes/objects.ts';
import { secrets } from '../../../src/runner/kubernetes/wire.ts';
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
