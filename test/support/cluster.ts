import { openCluster, type Cluster, type ClusterOptions } from '../../src/runner/kubernetes/client.ts';
import { isCoded } from '../../src/errors.ts';
import { createObject, deleteObject, listObjects, mergePatch } from '../../src/runner/kubernetes/objects.ts';
import { namespaces, nodes, pods, resource, type ApiObject, type Wire } from '../../src/runner/kubernetes/wire.ts';
import type { V1ServiceAccount } from '@kubernetes/client-node';

/** A cluster and a namespace in it that is this test file's own. */
export interface TestCluster {
  readonly cluster: Cluster;
  readonly kubeconfig: string;
  readonly namespace: string;
  /** Never aborts. */
  readonly signal: AbortSignal;
  /** Another namespace, removed with the first. */
  createNamespace(labels?: Readonly<Record<string, string>>): Promise<string>;
  /** Applies the rest of the cleaning up, whatever the tests left: finalizers, too. */
  remove(): Promise<void>;
}

/** The kubeconfig of a cluster for tests, or undefined when there is none; then says so in the line that the guard shows. */
export function findKubeconfig(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env['KUBECONFIG']) return env['KUBECONFIG'];
  if ((env['RUNLEDGER_TEST_REQUIRE'] ?? '').split(',').includes('cluster')) {
    throw new Error('RUNLEDGER_TEST_REQUIRE asks for a cluster: set KUBECONFIG');
  }
  console.log('# skipped: no cluster (set KUBECONFIG)');
  return undefined;
}

const uniqueName = (prefix: string): string =>
  `${prefix}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;

/** A connection to the cluster of the tests. */
export const connect = (options: Partial<ClusterOptions> = {}): Promise<Cluster> =>
  openCluster({ userAgent: 'runledger/test', signal: new AbortController().signal, ...options });

/** Whether a node is there that only says that its pods run and end (kwok). */
export async function hasSimulatedNode({ cluster, signal }: Pick<TestCluster, 'cluster' | 'signal'>): Promise<boolean> {
  return (await listObjects(cluster, nodes, { labelSelector: 'type=kwok' }, { signal })).items.length > 0;
}

/** Lets go of every pod whose finalizers nobody is left to take off, so that the namespace can go. */
async function freePods(cluster: Cluster, namespace: string, signal: AbortSignal): Promise<void> {
  const { items } = await listObjects(cluster, pods, { namespace }, { signal });
  for (const { metadata } of items) {
    if (!metadata?.name || !metadata.finalizers?.length) continue;
    await mergePatch(
      cluster,
      pods,
      { namespace, name: metadata.name },
      { metadata: { finalizers: null } },
      {
        signal,
        repeatable: true,
      },
    ).catch((error: unknown) => {
      if (!isCoded(error, 'NotFound')) throw error;
    });
  }
}

/** Deletes a namespace and lets go of what would keep it. */
export async function removeNamespace(cluster: Cluster, name: string, signal: AbortSignal): Promise<void> {
  await deleteObject(cluster, namespaces, { name }, { signal });
  await freePods(cluster, name, signal);
}

/**
 * Opens the cluster of KUBECONFIG and makes a namespace with the prefix in its name. Undefined when there is no
 * cluster; fails when RUNLEDGER_TEST_REQUIRE holds `cluster` and there is none.
 */
export async function openTestCluster(prefix: string): Promise<TestCluster | undefined> {
  const kubeconfig = findKubeconfig();
  if (kubeconfig === undefined) return undefined;
  const { signal } = new AbortController();
  const cluster = await connect();
  const made: string[] = [];
  const createNamespace = async (labels: Readonly<Record<string, string>> = {}): Promise<string> => {
    const name = uniqueName(`rl-${prefix}`);
    await createObject(cluster, namespaces, { metadata: { name, labels } }, { signal });
    made.push(name);
    return name;
  };
  return {
    cluster,
    kubeconfig,
    namespace: await createNamespace(),
    signal,
    createNamespace,
    async remove() {
      for (const name of made) await removeNamespace(cluster, name, signal);
      await cluster.close();
    },
  };
}

const serviceAccounts = resource<Wire<V1ServiceAccount>>('v1', 'ServiceAccount', 'serviceaccounts');
const roles = resource<ApiObject & { rules: readonly object[] }>('rbac.authorization.k8s.io/v1', 'Role', 'roles');
const roleBindings = resource<ApiObject & { roleRef: object; subjects: readonly object[] }>(
  'rbac.authorization.k8s.io/v1',
  'RoleBinding',
  'rolebindings',
);

/** Makes a ServiceAccount that may do what the rules say in its namespace, and returns a token of it. */
export async function createAccount(
  { cluster, namespace, signal }: TestCluster,
  rules: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[],
): Promise<{ readonly name: string; readonly token: string }> {
  const name = uniqueName('account');
  const metadata = { name, namespace };
  await createObject(cluster, serviceAccounts, { metadata }, { signal });
  await createObject(cluster, roles, { metadata, rules }, { signal });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  await createObject(cluster, roleBindings, { metadata, roleRef, subjects }, { signal });
  const answer = (await cluster.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } },
    doing: `making a token for ${name}`,
    repeat: 'safe',
    signal,
  })) as { status: { token: string } };
  return { name, token: answer.status.token };
}

/** Waits until `look` gives something, which it returns; fails after the limit, with `what` it waited for. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T> | T,
  limitMs = 30_000,
): Promise<Exclude<T, null | undefined | false>> {
  const until = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found as Exclude<T, null | undefined | false>;
    if (performance.now() > until) throw new Error(`waited ${limitMs / 1000} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
