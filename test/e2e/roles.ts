/** The shipped Roles in two namespaces of their own, without the image: a controller outside of the cluster acts under them. */
import { load, loadAll } from 'js-yaml';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { eventually, removeNamespace, type TestCluster } from '../support/cluster.ts';
import { kubectl, MANIFESTS } from './world.ts';

export interface Roles {
  readonly controllerNamespace: string;
  readonly jobsNamespace: string;
  /** The ServiceAccount as the API server calls it. */
  readonly account: string;
  /** A kubeconfig with a token of the ServiceAccount, and nothing else. */
  readonly kubeconfig: string;
  /** Applies manifests/components/node-reader. */
  allowNodes(): Promise<void>;
  remove(): Promise<void>;
}

interface ManifestObject {
  readonly kind: string;
  readonly metadata: { name: string; namespace?: string };
  readonly roleRef?: { name: string };
  readonly subjects?: readonly { namespace?: string }[];
}

const apply = (items: readonly ManifestObject[]): Promise<string> =>
  kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));

/** What kustomize makes of the example overlay, which has everything. */
const manifests = async (): Promise<readonly ManifestObject[]> =>
  loadAll(await kubectl(['kustomize', path.join(MANIFESTS, 'examples/overlay')])) as ManifestObject[];

/** Makes the namespaces and applies the ServiceAccount, Roles and RoleBindings as they are shipped; files go to `folder`. */
export async function installRoles({ cluster, signal }: TestCluster, folder: string): Promise<Roles> {
  const id = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  const names: Readonly<Record<string, string>> = {
    runledger: `rl-roles-${id}`,
    'runledger-jobs': `rl-roles-jobs-${id}`,
  };
  const [controllerNamespace = '', jobsNamespace = ''] = Object.values(names);
  const placed = (object: ManifestObject): ManifestObject => {
    const { metadata, subjects = [], roleRef } = object;
    if (object.kind === 'Namespace') metadata.name = names[metadata.name] ?? '';
    if (metadata.namespace !== undefined) metadata.namespace = names[metadata.namespace] ?? '';
    for (const subject of subjects) subject.namespace = controllerNamespace;
    if (object.kind.startsWith('Cluster')) {
      metadata.name += `-${id}`;
      if (roleRef) roleRef.name += `-${id}`;
    }
    return object;
  };
  const wanted = async (kinds: readonly string[]): Promise<readonly ManifestObject[]> =>
    (await manifests()).filter(({ kind }) => kinds.includes(kind)).map(placed);

  await apply(await wanted(['Namespace']));
  await apply(await wanted(['ServiceAccount', 'Role', 'RoleBinding']));
  const token = await kubectl(['-n', controllerNamespace, 'create', 'token', 'runledger', '--duration=1h']);
  const kubeconfig = path.join(folder, 'kubeconfig');
  await writeFile(kubeconfig, JSON.stringify(await kubeconfigFor(token.trim(), controllerNamespace)), { mode: 0o600 });
  return {
    controllerNamespace,
    jobsNamespace,
    account: `system:serviceaccount:${controllerNamespace}:runledger`,
    kubeconfig,
    async allowNodes() {
      await apply(await wanted(['ClusterRole', 'ClusterRoleBinding']));
      const ask = ['--kubeconfig', kubeconfig, 'auth', 'can-i', 'get', 'nodes'];
      await eventually('nodes to be allowed', async () => (await kubectl(ask).catch(() => 'no')).trim() === 'yes');
    },
    async remove() {
      const reader = ['clusterrolebinding,clusterrole', `runledger-node-reader-${id}`, '--ignore-not-found'];
      await kubectl(['delete', ...reader]);
      for (const name of [controllerNamespace, jobsNamespace]) await removeNamespace(cluster, name, signal);
    },
  };
}

/** The cluster of KUBECONFIG with another user. */
async function kubeconfigFor(token: string, namespace: string): Promise<object> {
  const own = load(await kubectl(['config', 'view', '--raw', '--minify', '--flatten'])) as {
    readonly clusters: readonly { readonly cluster: object }[];
  };
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'account',
    clusters: [{ name: 'it', cluster: own.clusters[0]?.cluster }],
    users: [{ name: 'account', user: { token } }],
    contexts: [{ name: 'account', context: { cluster: 'it', user: 'account', namespace } }],
  };
}
